// Runs modules in V8 as tests/proof asks. A line in is a number that host functions go by, a space, and the path of a
// module that was wrapped (src/wrap.rs says what that is). What the module did comes out as lines, with an empty one
// at the end. A memory of counts (src/count.rs) goes to a file beside the module.
'use strict';
const { crc32 } = require('node:zlib');
const { readFileSync, writeFileSync } = require('node:fs');

const [CALL, VALUE, MEMORY, TABLE] = ['call ', 'value ', 'memory ', 'table '];
const COUNTS = 'counts of operators';

// Kinds of traps: the coarsest that V8's messages allow. src/v8.rs has the same.
const KINDS = [
  [/^unreachable/, 'unreachable'],
  [/unaligned/, 'unaligned'],
  [/memory access|data segment/, 'memory'],
  [/signature mismatch/, 'indirect call'],
  [/table index|table access|element segment|table or element/i, 'table'],
  [/divide by zero|remainder by zero/, 'division by zero'],
  [/unrepresentable/, 'overflow or conversion'],
  [/null/, 'null'],
  [/Atomics\.wait|shared/, 'not shared'],
];

function kind(error) {
  if (error instanceof WebAssembly.Exception) return 'exception';
  if (error instanceof RangeError) return 'limit';
  if (error instanceof WebAssembly.RuntimeError) {
    const known = KINDS.find(([pattern]) => pattern.test(error.message));
    if (known) return known[1];
  }
  return `${error}`;
}

const word = new DataView(new ArrayBuffer(8));
function show(value) {
  if (value === null) return 'null';
  if (typeof value === 'bigint') return `i${BigInt.asUintN(64, value).toString(16)}`;
  if (typeof value !== 'number') return 'reference';
  if (Number.isNaN(value)) return 'nan';
  word.setFloat64(0, value);
  return word.getBigUint64(0).toString(16);
}

// Results of host functions: the letters behind the last dot of their names are the types.
function result(letter, calls, seed) {
  const n = Math.imul(calls, 0x9e3779b1) ^ seed;
  switch (letter) {
    case 'i': return n;
    case 'l': return BigInt.asIntN(64, BigInt(calls) * 0x9e3779b97f4a7c15n ^ BigInt(seed));
    case 'f': case 'd': return ((n % 1000) | 0) / 4; // no zero with a sign
    default: return null;
  }
}

function hosts(module, seed, log) {
  const imports = {};
  let calls = 0;
  for (const item of WebAssembly.Module.imports(module)) {
    if (item.kind !== 'function') throw new Error(`imports a ${item.kind}`);
    const letters = item.name.slice(item.name.lastIndexOf('.') + 1);
    (imports[item.module] ??= {})[item.name] = (...args) => {
      calls += 1;
      log.push(`host ${item.name} ${args.map(show).join(' ')}`);
      const results = [...letters].map((letter) => result(letter, calls, seed));
      return results.length > 1 ? results : results[0];
    };
  }
  return imports;
}

// The memory's bytes, in a buffer of their own if threads may share it.
function bytes(memory) {
  const { buffer } = memory;
  return buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : new Uint8Array(buffer).slice();
}

function nulls(table) {
  const length = Number(table.length);
  let nulls = 0;
  for (let n = 0; n < length; n += 1) {
    if (table.get(typeof table.length === 'bigint' ? BigInt(n) : n) === null) nulls += 1;
  }
  return `${length} with ${nulls} null`;
}

function instantiate(module, imports) {
  try {
    return new WebAssembly.Instance(module, imports);
  } catch (error) {
    // A start function that has overflowed the stack has run, and must not run again.
    if (!(error instanceof RangeError) || /call stack/.test(error.message)) throw error;
    // Address space of memories that are no longer used is only given back by a collection.
    gc();
    return new WebAssembly.Instance(module, imports);
  }
}

function run(seed, path) {
  const log = [];
  let module, imports, exports;
  try {
    module = new WebAssembly.Module(readFileSync(path));
    imports = hosts(module, seed, log);
  } catch (error) {
    return [`refused: ${error.message.replaceAll('\n', ' ')}`];
  }
  try {
    ({ exports } = instantiate(module, imports));
  } catch (error) {
    return [...log, `not instantiated: ${kind(error)}`];
  }
  const names = Object.keys(exports).sort();
  const all = (prefix) => names.filter((name) => name.startsWith(prefix));
  for (const name of all(CALL)) {
    log.push(name);
    try {
      exports[name]();
    } catch (error) {
      const what = kind(error);
      log.push(`trap: ${what}`);
      if (what === 'limit') return log;
    }
  }
  for (const name of all(VALUE)) log.push(`${name}: ${BigInt.asUintN(64, BigInt(exports[name].value)).toString(16)}`);
  for (const name of all(MEMORY)) {
    const contents = bytes(exports[name]);
    log.push(`${name}: ${contents.length} ${crc32(contents).toString(16)}`);
  }
  for (const name of all(TABLE)) log.push(`${name}: ${nulls(exports[name])}`);
  if (exports[COUNTS]) writeFileSync(`${path}.counts`, bytes(exports[COUNTS]));
  return log;
}

let [rest, runs] = ['', 0];
process.stdin.setEncoding('utf8').on('data', (text) => {
  const lines = (rest + text).split('\n');
  rest = lines.pop();
  for (const line of lines) {
    const space = line.indexOf(' ');
    const log = run(Number(line.slice(0, space)) | 0, line.slice(space + 1));
    process.stdout.write(`${log.join('\n')}\n\n`);
    runs += 1;
    if (runs % 64 === 0) gc();
  }
});
