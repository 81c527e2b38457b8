//! What is refused, and with which error. Nothing that a guest brings makes the compiler panic.

use epsilon_abi::{DefinedFuncIndex, RelocKind, TrapCode};
use epsilon_compiler::{CompileError, Compiler, Scratch, Settings, Target, WasmFeatures};

fn compiler_with(features: WasmFeatures) -> Compiler {
    let target = Target::named("x86_64-unknown-linux-gnu");
    Compiler::new(Settings { target, features, verify_ir: true, ..Settings::default() }).expect("good settings")
}

fn compiler() -> Compiler {
    compiler_with(WasmFeatures::WASM2)
}

fn compile(compiler: &Compiler, wasm: &[u8]) -> Result<usize, CompileError> {
    let module = compiler.parse(wasm)?;
    compiler.validate(&module, wasm)?;
    Ok(compiler.compile_all(&module, wasm)?.len())
}

fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("well-formed text")
}

#[test]
fn other_files_are_told_apart() {
    assert_eq!(compile(&compiler(), b""), Err(CompileError::NotWasm));
    assert_eq!(compile(&compiler(), b"\x7fELF\x02\x01\x01\0"), Err(CompileError::NotWasm));
    let component = compile(&compiler(), b"\0asm\x0d\0\x01\0").unwrap_err();
    assert_eq!(component, CompileError::Component);
    assert_eq!(component.to_string(), "this is a component; Epsilon runs core modules");
    assert!(matches!(compile(&compiler(), b"\0asm\x02\0\0\0"), Err(CompileError::Invalid { offset: 4, .. })));
    assert!(matches!(compile(&compiler(), b"\0asm\x01"), Err(CompileError::Invalid { .. })));
}

#[test]
fn the_error_at_the_least_offset_is_reported() {
    let mut text = String::from("(module");
    for at in 0..2000 {
        let body = if at >= 700 && at % 7 == 0 { "i32.add".to_owned() } else { "i32.const 1 drop ".repeat(30) };
        text.push_str(&format!("(func {body})"));
    }
    text.push(')');
    let wasm = wasm(&text);
    let compiler = compiler();
    let module = compiler.parse(&wasm).expect("only bodies are invalid");
    let first = module.info.bodies[700].start as u64;
    for _ in 0..3 {
        let error = compiler.validate(&module, &wasm).unwrap_err();
        assert_eq!(error.offset(), Some(first + 1), "{error}");
        assert_eq!(compiler.compile_all(&module, &wasm).unwrap_err(), error);
    }
}

#[test]
fn a_proposal_that_is_off_names_its_switch() {
    let error = compile(&compiler(), &wasm("(module (memory i64 1))")).unwrap_err();
    let CompileError::Unsupported { switch: Some(switch), .. } = &error else { panic!("{error:?}") };
    assert_eq!(switch, "memory64");
    assert!(error.to_string().contains("enable `memory64` to use it"), "{error}");
}

#[test]
fn what_cannot_be_reached_stays_in_step() {
    let exceptions = compiler_with(WasmFeatures::WASM2 | WasmFeatures::EXCEPTIONS | WasmFeatures::LEGACY_EXCEPTIONS);
    for unreached in [
        "(block $l (try_table (catch 0 $l)))",
        "try nop catch 0 nop catch_all (rethrow 0) end",
        "try try delegate 0 catch 0 end",
    ] {
        let text = format!("(module (tag) (func unreachable {unreached}))");
        assert_eq!(compile(&exceptions, &wasm(&text)), Ok(1), "{unreached}");
    }
}

#[test]
fn settings_without_effect_are_refused() {
    let settings = Settings { features: WasmFeatures::STACK_SWITCHING, ..Settings::default() };
    assert!(matches!(Compiler::new(settings), Err(CompileError::Unsupported { .. })));
    for triple in ["pdp11", "riscv64gc-unknown-linux-gnu", "i686-unknown-linux-gnu"] {
        let settings = Settings { target: Target::named(triple), ..Settings::default() };
        assert!(matches!(Compiler::new(settings), Err(CompileError::Target { .. })), "{triple}");
    }
    let cpu_features = vec!["has_everything".to_owned()];
    let target = Target::Named { triple: "x86_64-unknown-linux-gnu".into(), cpu_features };
    assert!(matches!(Compiler::new(Settings { target, ..Settings::default() }), Err(CompileError::Target { .. })));
}

/// A small generator, so that failures repeat.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

#[test]
fn broken_modules_never_panic() {
    let all = compiler_with(WasmFeatures::default() | WasmFeatures::CUSTOM_PAGE_SIZES);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");
    for case in std::fs::read_dir(cases).expect("the cases are there") {
        let path = case.expect("a readable entry").path();
        if path.extension().is_none_or(|ext| ext != "wat") {
            continue;
        }
        let whole = wat::parse_file(&path).expect("valid text");
        for length in 0..whole.len() {
            compile(&all, &whole[..length]).ok();
        }
        for _ in 0..300 {
            let mut broken = whole.clone();
            for _ in 0..=random.below(4) {
                let at = 8 + random.below(broken.len() - 8);
                broken[at] = random.next() as u8;
            }
            compile(&all, &broken).ok();
        }
    }
    for _ in 0..200 {
        let mut noise = b"\0asm\x01\0\0\0".to_vec();
        noise.extend((0..random.below(200)).map(|_| random.next() as u8));
        compile(&all, &noise).ok();
    }
}

#[test]
fn depth_and_width_are_bounded_by_nothing_but_size() {
    let deep = format!("(module (func {}{}))", "block ".repeat(200_000), "end ".repeat(200_000));
    assert_eq!(compile(&compiler(), &wasm(&deep)), Ok(1));
    let deep = format!("(module (func {}{}))", "i32.const 1 if ".repeat(3_000), "end ".repeat(3_000));
    assert_eq!(compile(&compiler(), &wasm(&deep)), Ok(1));
    let wide = format!("(module (func (param i32) local.get 0 br_table {} 0))", "0 ".repeat(50_000));
    assert_eq!(compile(&compiler(), &wasm(&wide)), Ok(1));
    let dead = format!("(module (func unreachable {}{}))", "loop ".repeat(20_000), "end ".repeat(20_000));
    assert_eq!(compile(&compiler(), &wasm(&dead)), Ok(1));
}

#[test]
fn passing_many_values_many_times_is_refused() {
    let types = "i32 ".repeat(1000);
    let branches = "local.get 0 br_if 0 ".repeat(40_000);
    let text = format!(
        "(module (func $f (result {types}) unreachable)
           (func (param i32) (block (result {types}) call $f {branches} unreachable) unreachable))"
    );
    let error = compile(&compiler(), &wasm(&text)).unwrap_err();
    assert!(matches!(error, CompileError::Limit { .. }), "{error:?}");
}

#[test]
fn what_would_explode_takes_a_cheaper_path() {
    let gets: String = (0..20_000).map(|local| format!("local.get {local} drop ")).collect();
    let locals = "i32 f64 i64 v128 ".repeat(5_000);
    let function = |before: &str, count: usize, after: &str| {
        wasm(&format!("(module (func (local {locals}) {} {gets} {}))", before.repeat(count), after.repeat(count)))
    };
    let started = std::time::Instant::now();
    // Each local becomes a parameter of each loop, or an argument of each branch: a billion values for 100 KB.
    assert_eq!(compile(&compiler(), &function("loop ", 5_000, "br 0 end ")), Ok(1));
    assert_eq!(compile(&compiler(), &function("i32.const 1 if ", 5_000, "br 0 end ")), Ok(1));
    let branches = format!("block {} end ", "i32.const 1 br_if 0 ".repeat(20_000));
    assert_eq!(compile(&compiler(), &function(&branches, 1, "")), Ok(1));
    // One long chain of blocks, each in the shadow of the last.
    let chain = format!("(module (func {}{}))", "i32.const 1 if ".repeat(30_000), "br 0 end ".repeat(30_000));
    assert_eq!(compile(&compiler(), &wasm(&chain)), Ok(1));
    assert!(started.elapsed().as_secs() < 60, "it took {:?}", started.elapsed());
    let loops = format!("(module (func {}{}))", "loop ".repeat(17_000), "end ".repeat(17_000));
    assert!(matches!(compile(&compiler(), &wasm(&loops)), Err(CompileError::Limit { .. })));
}

#[test]
fn locals_in_memory_are_as_good() {
    // So many locals that a loop in a loop is enough to move them to memory.
    let gets: String = (0..49_000).map(|local| format!("(drop (local.get {}))", local + 2)).collect();
    let text = format!(
        "(module (func (param $n i64) (result i64) (local $v v128) (local {}) (local $sum i64)
           (loop $a (loop $b (loop $c
             (local.set $sum (i64.add (local.get $sum) (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))
             (br_if $c (i64.ne (local.get $n) (i64.const 0))))))
           {gets}
           (local.get $sum)))",
        "f32 ".repeat(49_000)
    );
    let wasm = wasm(&text);
    let compiler = compiler();
    let module = compiler.parse(&wasm).expect("valid");
    let clif = compiler.clif(&module, &wasm, DefinedFuncIndex(0)).expect("valid");
    assert!(clif.contains("stack_addr"), "locals are not in memory");
    assert_eq!(compile(&compiler, &wasm), Ok(1));
}

#[test]
fn a_thousand_parameters_and_results() {
    let types = "i32 f32 i64 f64 v128 ".repeat(200);
    let gets: String = (0..1000).map(|local| format!("local.get {local} ")).collect();
    let text = format!(
        "(module (type $t (func (param {types}) (result {types}))) (table 1 funcref)
           (func $f (type $t) {gets})
           (func (type $t) {gets} call $f)
           (func (type $t) {gets} i32.const 0 call_indirect (type $t)))"
    );
    let wasm = wasm(&text);
    assert_eq!(compile(&compiler(), &wasm), Ok(3));
    let arm = Target::named("aarch64-unknown-linux-gnu");
    let arm = Compiler::new(Settings { target: arm, verify_ir: true, ..Settings::default() }).expect("good settings");
    assert_eq!(compile(&arm, &wasm), Ok(3));
}

#[test]
fn a_scratch_is_fit_for_use_after_an_error() {
    let wasm = wasm("(module (func i32.add drop) (func (result i32) i32.const 7))");
    let compiler = compiler();
    let module = compiler.parse(&wasm).expect("only a body is invalid");
    let mut scratch = Scratch::default();
    let mut compile = |at| compiler.compile_function(&module, &wasm, DefinedFuncIndex(at), &mut scratch);
    assert!(compile(0).is_err());
    let second = compile(1).expect("a valid body");
    assert!(compile(0).is_err());
    assert_eq!(compile(1).expect("a valid body"), second);
}

#[test]
fn tables_beside_the_code_are_sorted_and_true() {
    let wasm = wasm(
        "(module (memory 1)
           (func $g (param i32) (result i32) (i32.div_s (i32.const 1) (i32.load (local.get 0))))
           (func (param i32) (result i32) (call $g (call $g (local.get 0)))))",
    );
    let compiler = Compiler::new(Settings { inlining: false, ..Settings::default() }).expect("settings");
    let module = compiler.parse(&wasm).expect("valid");
    let functions = compiler.compile_all(&module, &wasm).expect("valid");
    let codes: Vec<TrapCode> = functions[0].sites.traps().map(|site| site.code).collect();
    assert!(codes.contains(&TrapCode::MemoryOutOfBounds) && codes.contains(&TrapCode::IntegerDivisionByZero));
    assert!(functions[0].sites.traps().is_sorted_by_key(|site| site.offset));
    for (function, body) in functions.iter().zip(&module.info.bodies) {
        assert!(function.sites.sources().is_sorted_by(|a, b| a.offset < b.offset));
        let inlined = function.sites.inlined();
        for site in function.sites.sources() {
            let outermost = site.position.offsets(&inlined).last();
            let inside = outermost.is_none_or(|offset| body.contains(&(offset as usize)));
            assert!(inside, "{site:?} is outside of {body:?}");
        }
        // As the processor likes it: short functions that lie in one line of its cache are called slowly.
        assert!(function.align_bytes.is_power_of_two() && function.align_bytes >= 32);
    }
    assert!(functions[0].relocations.is_empty());
    let calls = &functions[1].relocations;
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|r| r.kind == RelocKind::X86CallPcRel4 && r.target == DefinedFuncIndex(0)));
}

#[test]
fn module_info_tells_what_escapes() {
    let wasm = wasm(
        "(module $named
           (import \"m\" \"t\" (table 1 funcref))
           (table $private 1 funcref) (table $public (export \"t\") 1 funcref)
           (global funcref (ref.func $by_global))
           (elem declare func $declared) (elem (table $private) (i32.const 0) funcref (ref.func $by_expr))
           (func $by_global) (func $declared) (func $by_expr) (func $exported (export \"f\")) (func $kept)
           (start $kept))",
    );
    let info = compiler().parse(&wasm).expect("valid").info;
    assert_eq!(info.escaping_functions, [true, true, true, true, false]);
    assert_eq!(info.name.as_deref(), Some("named"));
    assert_eq!(info.function_name(&wasm, epsilon_abi::FuncIndex(3)), Some("exported"));
    assert_eq!(info.start, Some(epsilon_abi::FuncIndex(4)));
}

#[test]
fn parallel_output_is_the_output_of_one_thread() {
    let mut text = String::from("(module (memory 1) (func $f0 (param i32) (result i32) (local.get 0))");
    for at in 1..300 {
        let add = format!("(i32.add (i32.load offset={at} (local.get 0)) (call $f{} (local.get 0)))", at - 1);
        text.push_str(&format!("(func $f{at} (param i32) (result i32) {})", add));
    }
    text.push(')');
    let wasm = wasm(&text);
    let compiler = compiler();
    let module = compiler.parse(&wasm).expect("valid");
    let together = compiler.compile_all(&module, &wasm).expect("valid");
    let mut scratch = Scratch::default();
    for (at, function) in together.iter().enumerate() {
        let alone = compiler.compile_function(&module, &wasm, DefinedFuncIndex::new(at), &mut scratch).expect("valid");
        assert_eq!(&alone, function);
    }
}
