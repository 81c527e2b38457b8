//! [`Compiler`]: the stages one by one, and all of them over all functions.

use crate::codegen::{self, Effort};
use crate::error::CompileError;
use crate::estimate::{self, FunctionSize, Room, Unlimited};
use crate::isa::Isa;
use crate::limits::CompileLimits;
use crate::merging;
use crate::parallel::for_each_body;
use crate::parse::{self, CodePlaces, ParsedModule};
use crate::passes;
use crate::quick::{self, Left};
use crate::settings::Settings;
use crate::translate::{self, Env, FunctionSource, LocalsIn, Notes, RelaxedSimd, Size};
use crate::watch::{Unwatched, Watch, go_on};
use cranelift_codegen::Context;
use cranelift_frontend::FunctionBuilderContext;
use epsilon_abi::{CodeTier, CompiledFunction, DefinedFuncIndex, Position};
use wasmparser::{FuncValidatorAllocations, FunctionBody};

/// Below this many bytes of bodies, validation is not worth a second thread.
const PARALLEL_VALIDATION_BYTES: usize = 128 << 10;
/// Below this many bytes of bodies, compilation is not worth a second thread.
const PARALLEL_COMPILATION_BYTES: usize = 2 << 10;

/// A function that takes more than this to compile leaves nothing for the next one to use again.
const MAX_KEPT_BYTES: u64 = 6 << 20;

/// Compiles modules for one machine with one set of settings. Any number of threads may use it.
#[derive(Debug)]
pub struct Compiler {
    settings: Settings,
    isa: Isa,
    relaxed_simd: RelaxedSimd,
    quick_features: quick::Features,
}

/// What compiling one function leaves for the next one to use again. One for each thread.
pub struct Scratch {
    context: Context,
    builder: FunctionBuilderContext,
    /// What was noted of the function that was translated last.
    notes: Notes,
    validator: FuncValidatorAllocations,
    quick: quick::QuickScratch,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            context: Context::new(),
            builder: FunctionBuilderContext::new(),
            notes: Notes::default(),
            validator: Default::default(),
            quick: Default::default(),
        }
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

impl Compiler {
    /// A compiler with these settings.
    ///
    /// # Errors
    /// If the target is not supported, or a proposal is asked for of which nothing is there.
    pub fn new(settings: Settings) -> Result<Self, CompileError> {
        settings.check()?;
        let isa = Isa::new(&settings)?;
        let relaxed_simd = RelaxedSimd::new(isa.target(), settings.deterministic_relaxed_simd);
        let quick_features = isa.quick_features(relaxed_simd);
        Ok(Self { settings, isa, relaxed_simd, quick_features })
    }

    /// The machine that code is made for.
    pub const fn isa(&self) -> &Isa {
        &self.isa
    }

    /// What the compiler was made with.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Everything but the module that decides what code is made, by name: for cache keys (invariant 9), and to say what
    /// differs. `processor` lists features; code runs on a processor that has more of them.
    pub fn fingerprint(&self) -> Vec<(&'static str, String)> {
        let Settings {
            plan,
            tier,
            opt_level,
            target: _,
            features,
            deterministic_relaxed_simd,
            canonical_nans: _, // a flag
            branch_hints,
            inlining,
            drop_repeated_checks,
            verify_ir,
            // Of the limits, only these decide what code is made.
            limits: CompileLimits { max_optimised_bytes, max_optimised_values, .. },
        } = &self.settings;
        let (processor, flags): (Vec<String>, Vec<String>) =
            self.isa.flags().into_iter().partition(|flag| flag.starts_with("has_") || flag.starts_with("use_"));
        let present = processor.into_iter().filter(|flag| flag.ends_with("=1")).collect::<Vec<_>>();
        vec![
            ("version", concat!(env!("CARGO_PKG_VERSION"), " ", env!("EPSILON_COMPILER_FINGERPRINT")).into()),
            ("code generator", cranelift_codegen::VERSION.into()),
            ("target", self.isa.triple()),
            ("processor", present.join(" ")),
            // Where both tiers are, a function says by itself of which it is.
            ("tier", format!("{:?}", tier.last())),
            ("memory plan", format!("{plan:?}")),
            ("features", format!("{:#x}, deterministic {deterministic_relaxed_simd}", features.bits())),
            ("passes", format!("{opt_level:?}, hints {branch_hints}, inlining {inlining}, verify {verify_ir}")),
            ("limits", format!("optimised to {max_optimised_bytes} bytes, {max_optimised_values} values")),
            ("checks", format!("repeated ones dropped {drop_repeated_checks}")),
            ("settings", flags.join(" ")),
        ]
    }

    /// How much memory [`Self::parse`] takes at most, with what it returns: an estimate, made without allocating.
    pub fn parsing_bytes(&self, wasm: &[u8]) -> usize {
        parse::parsing_bytes(wasm)
    }

    /// Parses a module, and validates everything but its function bodies.
    ///
    /// # Errors
    /// If the module is malformed, invalid, or uses what is not compiled.
    pub fn parse(&self, wasm: &[u8]) -> Result<ParsedModule, CompileError> {
        self.parse_with(wasm, None)
    }

    /// Parses a module whose code is elsewhere ([`ModuleParts`](crate::ModuleParts)). None of its functions can be compiled.
    ///
    /// # Errors
    /// As [`Compiler::parse`], and if there are other functions than bodies.
    pub fn parse_without_code(&self, wasm: &[u8], places: CodePlaces) -> Result<ParsedModule, CompileError> {
        self.parse_with(wasm, Some(places))
    }

    fn parse_with(&self, wasm: &[u8], places: Option<CodePlaces>) -> Result<ParsedModule, CompileError> {
        let module = parse::parse(wasm, self.settings.features, self.settings.branch_hints, places)?;
        module.check_limits(&self.settings.limits)?;
        Ok(module)
    }

    /// Validates all function bodies of the `module` that `wasm` was parsed to.
    ///
    /// # Errors
    /// If a body is invalid, or uses what is not compiled; of several errors, the one at the least offset.
    ///
    /// # Panics
    /// If `wasm` is not what the module was parsed from, which other methods may not notice.
    pub fn validate(&self, module: &ParsedModule, wasm: &[u8]) -> Result<(), CompileError> {
        self.validate_watched(module, wasm, &Unwatched)
    }

    /// As [`Compiler::validate`], watched.
    ///
    /// # Errors
    /// Likewise, and if the watch ends it.
    ///
    /// # Panics
    /// Likewise.
    pub fn validate_watched(&self, module: &ParsedModule, wasm: &[u8], watch: &dyn Watch) -> Result<(), CompileError> {
        for_each_body(&module.info.bodies, PARALLEL_VALIDATION_BYTES, |scratch, index| {
            go_on(watch)?;
            validate_body(module, wasm, index, scratch)
        })?;
        module.note_validated();
        Ok(())
    }

    /// Validates and compiles one function.
    ///
    /// # Errors
    /// If its body is invalid, uses what is not compiled, or is refused by the code generator.
    ///
    /// # Panics
    /// If the function is not of this module, or `wasm` not what the module was parsed from.
    pub fn compile_function(
        &self,
        module: &ParsedModule,
        wasm: &[u8],
        index: DefinedFuncIndex,
        scratch: &mut Scratch,
    ) -> Result<CompiledFunction, CompileError> {
        self.compile_function_within(self.settings.tier.last(), module, wasm, index, scratch, &Unlimited)
    }

    /// As [`Compiler::compile_function`], to code of a tier at least, and within a room for the memory that it takes.
    ///
    /// # Errors
    /// Likewise; and [`CompileError::NoRoom`] if the room is too small. The function can be compiled again when there is
    /// more.
    ///
    /// # Panics
    /// Likewise.
    pub fn compile_function_within(
        &self,
        tier: CodeTier,
        module: &ParsedModule,
        wasm: &[u8],
        index: DefinedFuncIndex,
        scratch: &mut Scratch,
        room: &dyn Room,
    ) -> Result<CompiledFunction, CompileError> {
        let func = module.info.func_index(index);
        let body_bytes = module.info.bodies[index.index()].len() as u64;
        if tier == CodeTier::Quick {
            if !module.is_validated() {
                validate_body(module, wasm, index, scratch)?;
            }
            let bytes = estimate::quick_bytes(body_bytes);
            if !room.hold(bytes) {
                return Err(CompileError::NoRoom { func, bytes });
            }
            if let Ok(function) = self.compile_quickly(module, wasm, index, scratch) {
                return Ok(function);
            }
        }
        self.translate(module, wasm, index, scratch, room)?;
        let (effort, merged) = self.effort(module, index, &scratch.context);
        let size = FunctionSize::of(&scratch.context.func, body_bytes);
        let bytes = size.generation_bytes(effort, merged);
        let compiled = match room.hold(bytes) {
            true => codegen::generate(&self.isa, effort, func, &mut scratch.context, &scratch.notes.inlined),
            false => Err(CompileError::NoRoom { func, bytes }),
        };
        if bytes > MAX_KEPT_BYTES {
            // What is kept for the next function has the size of the largest one so far.
            *scratch = Scratch::default();
        }
        compiled
    }

    /// Compiles one function in one pass, whatever the settings say of tiers. [`Compiler::compile_function`]
    /// does this if they say so, and knows what else to do.
    ///
    /// # Errors
    /// If the function has to be left to Cranelift: why.
    ///
    /// # Panics
    /// If the function is not of this module, or has not been validated.
    pub fn compile_quickly(
        &self,
        module: &ParsedModule,
        wasm: &[u8],
        index: DefinedFuncIndex,
        scratch: &mut Scratch,
    ) -> Result<CompiledFunction, Left> {
        let env = quick::Env {
            info: &module.info,
            wasm,
            layout: &module.layout,
            plan: &self.settings.plan,
            features: self.quick_features,
            limits: &self.settings.limits,
        };
        quick::compile(&env, index, &mut scratch.quick)
    }

    /// How hard to try for a function that has been translated, and what merging its values may cost.
    fn effort(&self, module: &ParsedModule, index: DefinedFuncIndex, context: &Context) -> (Effort, u64) {
        let CompileLimits { max_optimised_bytes, max_optimised_values, .. } = self.settings.limits;
        let (bytes, values) = (module.info.bodies[index.index()].len(), context.func.dfg.num_values());
        let large = bytes as u64 > max_optimised_bytes || values as u64 > max_optimised_values;
        if large || codegen::catches_too_often(&context.func) {
            return (Effort::Least, 0);
        }
        let merged = merging::sum_of_squares(&context.func);
        (if merged > merging::MAX_SUM_OF_SQUARES { Effort::Least } else { Effort::Usual }, merged)
    }

    /// Validates and compiles all functions. The result does not depend on the number of threads.
    ///
    /// # Errors
    /// As for [`Compiler::compile_function`]; of several functions that fail, the first one's.
    ///
    /// # Panics
    /// If `wasm` is not what the module was parsed from.
    pub fn compile_all(&self, module: &ParsedModule, wasm: &[u8]) -> Result<Vec<CompiledFunction>, CompileError> {
        self.for_each_function(module, |scratch, index| self.compile_function(module, wasm, index, scratch))
    }

    /// Does `work` that compiles a function for each that the module defines, on several threads where that pays. The result
    /// does not depend on how many.
    ///
    /// # Errors
    /// What the work gives for the first of the functions that fail.
    ///
    /// # Panics
    /// If the work panics.
    pub fn for_each_function<T: Send, E: Send>(
        &self,
        module: &ParsedModule,
        work: impl Fn(&mut Scratch, DefinedFuncIndex) -> Result<T, E> + Sync,
    ) -> Result<Vec<T>, E> {
        for_each_body(&module.info.bodies, PARALLEL_COMPILATION_BYTES, work)
    }

    /// The CLIF of one function, after our passes and before Cranelift's.
    ///
    /// # Errors
    /// As for [`Compiler::compile_function`].
    pub fn clif(&self, module: &ParsedModule, wasm: &[u8], index: DefinedFuncIndex) -> Result<String, CompileError> {
        let mut scratch = Scratch::default();
        self.translate(module, wasm, index, &mut scratch, &Unlimited)?;
        Ok(scratch.context.func.display().to_string())
    }

    /// The machine code of one function as Cranelift prints it.
    ///
    /// # Errors
    /// As for [`Compiler::compile_function`].
    pub fn disassemble(
        &self,
        module: &ParsedModule,
        wasm: &[u8],
        index: DefinedFuncIndex,
    ) -> Result<String, CompileError> {
        let mut scratch = Scratch::default();
        self.translate(module, wasm, index, &mut scratch, &Unlimited)?;
        let (effort, _) = self.effort(module, index, &scratch.context);
        codegen::disassemble(
            &self.isa,
            effort,
            module.info.func_index(index),
            &mut scratch.context,
            &scratch.notes.inlined,
        )
    }

    /// Validates a function and translates it to CLIF, into the scratch's context, with our passes behind it.
    fn translate(
        &self,
        module: &ParsedModule,
        wasm: &[u8],
        index: DefinedFuncIndex,
        scratch: &mut Scratch,
        room: &dyn Room,
    ) -> Result<(), CompileError> {
        if self.translate_with(LocalsIn::Values, module, wasm, index, scratch, room)? == Size::TooManyLocalsInValues {
            let again = self.translate_with(LocalsIn::Memory, module, wasm, index, scratch, room)?;
            assert_eq!(again, Size::Fits, "locals in memory are not values");
        }
        // Very large functions are spared all that is not needed.
        let is_usual = |context: &Context| self.effort(module, index, context).0 == Effort::Usual;
        if self.settings.drop_repeated_checks && scratch.notes.has_checks && is_usual(&scratch.context) {
            passes::repeated_checks::run(&mut scratch.context.func);
        }
        Ok(())
    }

    fn translate_with(
        &self,
        locals: LocalsIn,
        module: &ParsedModule,
        wasm: &[u8],
        index: DefinedFuncIndex,
        scratch: &mut Scratch,
        room: &dyn Room,
    ) -> Result<Size, CompileError> {
        let func = module.info.func_index(index);
        scratch.context.clear();
        let mut validator = module.validator(func, std::mem::take(&mut scratch.validator));
        let reader = module.body(wasm, module.info.bodies[index.index()].clone());
        let env = Env {
            module,
            wasm,
            info: &module.info,
            layout: &module.layout,
            plan: &self.settings.plan,
            relaxed_simd: self.relaxed_simd,
            hints: module.hints.of(func),
            limits: &self.settings.limits,
            room,
            inlining: self.settings.inlining && wasm.len() < Position::FIRST_INLINED as usize,
        };
        let source = FunctionSource { index, reader, validator: &mut validator };
        let config = self.isa.target().frontend_config();
        let ir = &mut scratch.context.func;
        let notes = &mut scratch.notes;
        let translated = translate::translate(env, source, locals, ir, &mut scratch.builder, config, notes);
        if let Ok(Size::Fits) = translated {
            scratch.validator = validator.into_allocations();
        } else {
            // A builder that is dropped half-way leaves its context unfit for another function.
            *scratch = Scratch::default();
        }
        translated
    }
}

/// Validates one body.
fn validate_body(
    module: &ParsedModule,
    wasm: &[u8],
    index: DefinedFuncIndex,
    scratch: &mut Scratch,
) -> Result<(), CompileError> {
    let func = module.info.func_index(index);
    let mut validator = module.validator(func, std::mem::take(&mut scratch.validator));
    let body = module.body(wasm, module.info.bodies[index.index()].clone());
    validator.validate(&FunctionBody::new(body))?;
    scratch.validator = validator.into_allocations();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{OptLevel, Target, Tier};
    use epsilon_abi::{HeapPlan, MemoryPlan, MemoryStyle};
    use std::collections::HashSet;
    use wasmparser::WasmFeatures;

    fn target(triple: &str, cpu_features: &[&str]) -> Target {
        let cpu_features = cpu_features.iter().map(|feature| (*feature).to_owned()).collect();
        Target::Named { triple: triple.into(), cpu_features }
    }

    const X86_64: &str = "x86_64-unknown-linux-gnu";

    fn base() -> Settings {
        Settings { target: target(X86_64, &[]), plan: MemoryPlan::GUARDED, ..Settings::default() }
    }

    /// Each setting changed by itself. One that is not named does not compile, and one that is named and not changed is a
    /// warning that is denied.
    #[deny(unused_variables)]
    fn changed() -> Vec<Settings> {
        let Settings {
            plan,
            tier,
            opt_level,
            target: _, // Several changes of it are in `targets`.
            features,
            deterministic_relaxed_simd,
            canonical_nans,
            branch_hints,
            drop_repeated_checks,
            inlining,
            verify_ir,
            limits,
        } = base();
        let MemoryPlan { style, anchored, heap } = plan;
        let MemoryStyle::Guarded { guard_bytes } = style else { panic!("the base is guarded") };
        let wider = MemoryStyle::Guarded { guard_bytes: guard_bytes / 2 };
        assert_eq!(heap, HeapPlan::Whole);
        let plans = [
            MemoryPlan::CHECKED,
            MemoryPlan { style: wider, ..plan },
            MemoryPlan { anchored: !anchored, ..plan },
            MemoryPlan { heap: HeapPlan::Masked, ..plan },
        ];
        let other_level = if opt_level == OptLevel::None { OptLevel::Speed } else { OptLevel::None };
        let max_optimised_bytes = limits.max_optimised_bytes + 1;
        let max_optimised_values = limits.max_optimised_values + 1;
        let other_tier = if tier == Tier::Quick { Tier::Optimised } else { Tier::Quick };
        let mut all = vec![
            Settings { tier: other_tier, ..base() },
            Settings { opt_level: other_level, ..base() },
            Settings { deterministic_relaxed_simd: !deterministic_relaxed_simd, ..base() },
            Settings { canonical_nans: !canonical_nans, ..base() },
            Settings { branch_hints: !branch_hints, ..base() },
            Settings { drop_repeated_checks: !drop_repeated_checks, ..base() },
            Settings { inlining: !inlining, ..base() },
            Settings { verify_ir: !verify_ir, ..base() },
            Settings { limits: CompileLimits { max_optimised_bytes, ..limits }, ..base() },
            Settings { limits: CompileLimits { max_optimised_values, ..limits }, ..base() },
        ];
        all.extend(plans.map(|plan| Settings { plan, ..base() }));
        let switches = WasmFeatures::all().iter().map(|feature| Settings { features: features ^ feature, ..base() });
        all.extend(switches.filter(|settings| settings.check().is_ok()));
        all
    }

    fn targets() -> [Settings; 6] {
        [
            (X86_64, &["has_avx"][..]),
            (X86_64, &["has_avx", "has_avx2"]),
            (X86_64, &["has_bmi1"]),
            ("x86_64-unknown-linux-musl", &[]),
            ("aarch64-unknown-linux-gnu", &[]),
            ("aarch64-unknown-linux-gnu", &["has_lse"]),
        ]
        .map(|(triple, features)| Settings { target: target(triple, features), ..base() })
    }

    /// The limits that decide whether a module is compiled, and not to which code: all but two.
    fn refusing() -> Vec<CompileLimits> {
        let CompileLimits {
            max_function_bytes,
            max_function_values,
            max_function_blocks,
            max_passed_values,
            max_loop_depth,
            max_signature_values,
            max_optimised_bytes: _,
            max_optimised_values: _,
        } = CompileLimits::default();
        let limits = CompileLimits::default();
        vec![
            CompileLimits { max_function_bytes: max_function_bytes + 1, ..limits },
            CompileLimits { max_function_values: max_function_values + 1, ..limits },
            CompileLimits { max_function_blocks: max_function_blocks + 1, ..limits },
            CompileLimits { max_passed_values: max_passed_values + 1, ..limits },
            CompileLimits { max_loop_depth: max_loop_depth + 1, ..limits },
            CompileLimits { max_signature_values: max_signature_values + 1, ..limits },
        ]
    }

    /// Whatever changes code has a key of its own (invariant 9).
    #[test]
    fn everything_that_affects_code_is_in_the_fingerprint() {
        let fingerprint = |settings| Compiler::new(settings).expect("a compiler").fingerprint();
        let all: Vec<Settings> = [base()].into_iter().chain(changed()).chain(targets()).collect();
        let count = all.len();
        let distinct: HashSet<_> = all.into_iter().map(fingerprint).collect();
        assert_eq!(distinct.len(), count);
        let both = Settings { tier: Tier::Auto, ..base() };
        assert_eq!(
            fingerprint(both),
            fingerprint(Settings { tier: Tier::Optimised, ..base() }),
            "code of both is kept together"
        );
        for limits in refusing() {
            assert_eq!(fingerprint(Settings { limits, ..base() }), fingerprint(base()), "{limits:?}");
        }
    }
}
