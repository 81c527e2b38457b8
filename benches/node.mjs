// Runs a WASI program in Node: node node.mjs MODULE ARGUMENT…

import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";
const [path, ...words] = process.argv.slice(2);
const wasi = new WASI({ version: "preview1", args: [path, ...words], env: {} });
const module = await WebAssembly.compile(await readFile(path));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
