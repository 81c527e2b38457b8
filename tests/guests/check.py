"""Runs the guests' cases and compares what they print with `expected/`.

    check.py [--with native|node|wasmtime] [--bless] [CASE...]

A case is a file `expected/CASE.case` (README.md tells its form), with what the
guest must print beside it in `expected/CASE.stdout`. `--bless` writes the
latter from what was printed; let only native runs do that. The peers that this
can ask are Node and Python's `wasmtime` package; Epsilon's own tests read the
same cases.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "target" / "guests"
NATIVE = ROOT / os.environ.get("EPSILON_NATIVE_DIR", "target/native-guests")
GUEST_DIR = "/data"


class Case:
    """One `.case` file: lines of a key and the rest; `#` begins a comment line."""

    def __init__(self, path):
        self.name = path.stem
        self.stdout_path = path.with_suffix(".stdout")
        self.guest, self.args, self.env, self.dir, self.stdin = self.name, [], {}, None, None
        self.exit, self.trap, self.frames = 0, None, []
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                key, _, value = line.partition(" ")
                getattr(self, "read_" + key)(value)

    def read_guest(self, value):
        self.guest = value

    def read_arg(self, value):
        self.args.append(value)

    def read_env(self, value):
        name, _, text = value.partition("=")
        self.env[name] = text

    def read_dir(self, value):
        self.dir = value

    def read_stdin(self, value):
        self.stdin = HERE / value

    def read_exit(self, value):
        self.exit = int(value)

    def read_trap(self, value):
        self.trap = value

    def read_frame(self, value):
        self.frames.append(value)

    def argv(self, first, dir_name):
        return [first] + [arg.replace("{dir}", dir_name) for arg in self.args]


class Outcome:
    def __init__(self, stdout, code, seconds, message=""):
        self.stdout, self.code, self.seconds, self.message = stdout, code, seconds, message


def run_process(command, case, env):
    with open(case.stdin or os.devnull, "rb") as stdin:
        begin = time.perf_counter()
        done = subprocess.run(command, stdin=stdin, capture_output=True, env=env, check=False)
        seconds = time.perf_counter() - begin
    return Outcome(done.stdout, done.returncode, seconds, done.stderr.decode("utf-8", "replace"))


def run_native(case, host_dir):
    if case.trap:
        return None
    return run_process(case.argv(str(NATIVE / case.guest), host_dir or ""), case, case.env)


NODE_SCRIPT = """
const { WASI } = require('node:wasi');
const fs = require('node:fs');
const [file, dir, env, ...args] = JSON.parse(process.argv[1]);
const wasi = new WASI({ version: 'preview1', args, env, preopens: dir ? { '%s': dir } : {} });
const module = new WebAssembly.Module(fs.readFileSync(file));
const instance = new WebAssembly.Instance(module, wasi.getImportObject());
process.exitCode = wasi.start(instance);
""" % GUEST_DIR


def run_node(case, host_dir):
    wasm = HERE / "prebuilt" / (case.guest + ".wasm")
    words = [str(wasm), host_dir, case.env] + case.argv(case.guest, GUEST_DIR)
    env = dict(os.environ, NODE_NO_WARNINGS="1")
    # Node's fast paths into its WASI may start a collection where V8 is not
    # ready for one, and the process dies: nodejs/node issue 46777.
    command = ["node", "--no-turbo-fast-api-calls", "-e", NODE_SCRIPT, json.dumps(words)]
    return run_process(command, case, env)


def wasmtime_module(engine, guest):
    """A compiled module, kept below `target` until the guest is newer."""
    import wasmtime

    wasm, kept = HERE / "prebuilt" / (guest + ".wasm"), WORK / "wasmtime" / (guest + ".cwasm")
    if kept.exists() and kept.stat().st_mtime > wasm.stat().st_mtime:
        try:
            return wasmtime.Module.deserialize_file(engine, str(kept))
        except wasmtime.WasmtimeError:
            pass  # Of another version: compile it anew.
    module = wasmtime.Module.from_file(engine, str(wasm))
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(module.serialize())
    return module


def run_wasmtime(case, host_dir):
    os.environ["WASMTIME_BACKTRACE_DETAILS"] = "1"
    import wasmtime

    engine = wasmtime.Engine()
    module = wasmtime_module(engine, case.guest)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    wasi.argv = case.argv(case.guest, GUEST_DIR)
    wasi.env = list(case.env.items())
    if host_dir:
        wasi.preopen_dir(host_dir, GUEST_DIR)
    with tempfile.TemporaryDirectory() as box:
        stdout = os.path.join(box, "stdout")
        wasi.stdin_file = str(case.stdin or os.devnull)
        wasi.stdout_file = stdout
        store.set_wasi(wasi)
        begin = time.perf_counter()
        code, message = 0, ""
        try:
            linker.instantiate(store, module).exports(store)["_start"](store)
        except wasmtime.ExitTrap as error:
            code = error.code
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            code, message = None, str(error)
        seconds = time.perf_counter() - begin
        return Outcome(pathlib.Path(stdout).read_bytes(), code, seconds, message)


def frames_of(message):
    """Frames of a Wasmtime backtrace with source positions, innermost first."""
    pattern = re.compile(r" - (?:\S+!)?(\w+)\n\s+at (?:\./)?(\S+?):(\d+):\d+")
    return [f"{name} {path}:{line}" for name, path, line in pattern.findall(message)]


def complaint(case, outcome, runner):
    """What is wrong with an outcome, or None."""
    if case.trap:
        if outcome.code == 0:
            return "it did not trap"
        if runner is run_wasmtime and case.trap not in outcome.message:
            return f"it did not trap with '{case.trap}': {outcome.message}"
        if runner is run_wasmtime and frames_of(outcome.message)[: len(case.frames)] != case.frames:
            return "its frames are " + ", ".join(frames_of(outcome.message))
    elif outcome.code != case.exit:
        return f"exit code {outcome.code} instead of {case.exit}: {outcome.message}"
    if not case.stdout_path.exists():
        return "there is no " + case.stdout_path.name
    if outcome.stdout != case.stdout_path.read_bytes():
        kept = WORK / (case.name + ".stdout")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(outcome.stdout)
        return f"it printed something else, see {kept.relative_to(ROOT)}"
    return None


def run_case(case, runner):
    if case.dir is None:
        return runner(case, None)
    with tempfile.TemporaryDirectory() as box:
        if case.dir != "scratch":
            shutil.copytree(HERE / case.dir, box, dirs_exist_ok=True, ignore=shutil.ignore_patterns("src", "Cargo.*"))
        return runner(case, box)


def main():
    runners = {"native": run_native, "node": run_node, "wasmtime": run_wasmtime}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--with", dest="peer", choices=runners, default="wasmtime")
    parser.add_argument("--bless", action="store_true")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()

    paths = [HERE / "expected" / (name + ".case") for name in options.cases]
    bad = 0
    for path in paths or sorted((HERE / "expected").glob("*.case")):
        case = Case(path)
        outcome = run_case(case, runners[options.peer])
        if outcome is None:
            print(f"{case.name:20} skipped: not for {options.peer}")
            continue
        if options.bless:
            case.stdout_path.write_bytes(outcome.stdout)
        wrong = complaint(case, outcome, runners[options.peer])
        bad += wrong is not None
        print(f"{case.name:20} {outcome.seconds:7.3f} s  {wrong or 'ok'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
