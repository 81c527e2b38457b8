//! The driver: locals, then operator by operator, each one validated before it is translated.

use super::variable::LocalsIn;
use super::{Env, FuncTranslator, Translated, clif_signature, clif_type, control, defined_name, heap};
use crate::error::CompileError;
use crate::parse::val_type;
use cranelift_codegen::ir::{self, InstBuilder, Value, types};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use epsilon_abi::{DefinedFuncIndex, InlinedSite, ValType};
use std::collections::{BTreeSet, HashMap};
use wasmparser::{
    BinaryReader, FrameKind, FrameStack, FuncValidator, Operator, OperatorsReader, ValidatorResources, VisitOperator,
    VisitSimdOperator,
};

/// A function body and what validates it.
pub(crate) struct FunctionSource<'w, 'v> {
    /// Which function it is.
    pub index: DefinedFuncIndex,
    /// The body, from its locals on.
    pub reader: BinaryReader<'w>,
    /// Fresh, for this function.
    pub validator: &'v mut FuncValidator<ValidatorResources>,
}

/// What has come of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Size {
    /// It is translated.
    Fits,
    /// It is given up: it has to be translated again with [`LocalsIn::Memory`].
    TooManyLocalsInValues,
}

/// What the stages after translation want to know of a function.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Operators of other functions that it took in.
    pub inlined: Vec<InlinedSite>,
    /// Whether accesses to linear memory are checked in it.
    pub has_checks: bool,
}

/// Validates and translates a body into `func`.
pub(crate) fn translate(
    env: Env<'_>,
    source: FunctionSource<'_, '_>,
    locals: LocalsIn,
    func: &mut ir::Function,
    context: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
    notes: &mut Notes,
) -> Result<Size, CompileError> {
    let ty = env.info.func_type(env.info.func_index(source.index));
    func.signature = clif_signature(ty);
    func.name = ir::UserFuncName::User(defined_name(source.index));

    let mut builder = FunctionBuilder::new(func, context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    let mut translator = FuncTranslator::new(builder, env, entry, locals, source.index);
    translator.declare_params(&ty.params);
    let FunctionSource { index, mut reader, validator } = source;
    translator.budget.func = Some(env.info.func_index(index));
    translator.body_start = reader.original_position();
    translator.declare_locals(&mut reader, validator)?;
    translator.open_body(control::FrameKind::Body, &ty.results);
    translator.budget.body_bytes = reader.bytes_remaining() as u64;
    let size = translator.operators(reader, validator)?;
    if size == Size::Fits {
        let inlined = std::mem::take(&mut translator.inlining.sites);
        *notes = Notes { inlined, has_checks: translator.has_checks };
        let in_frame = translator.locals.traced_in_frame();
        translator.builder.finalize(config);
        if let Some((slot, traced)) = in_frame {
            heap::list_locals(func, slot, &traced);
        }
    }
    Ok(size)
}

impl FuncTranslator<'_> {
    fn declare_params(&mut self, params: &[ValType]) {
        for (at, ty) in params.iter().enumerate() {
            let value = self.builder.block_params(self.entry)[at];
            self.declare_local(*ty, value);
        }
    }

    /// Reads the declarations of locals. Each starts as zero, or null; one constant of each type serves all.
    pub(super) fn declare_locals(
        &mut self,
        reader: &mut BinaryReader<'_>,
        validator: &mut FuncValidator<ValidatorResources>,
    ) -> Translated {
        let mut runs: Vec<(u32, ValType)> = Vec::new();
        for _ in 0..reader.read_var_u32()? {
            let offset = reader.original_position();
            let (count, ty) = (reader.read_var_u32()?, reader.read()?);
            // This also bounds the number of locals.
            validator.define_locals(offset, count, ty)?;
            runs.push((count, val_type(ty, self.env.info, offset)?));
        }
        let params = self.locals.len() as u32;
        let count = params + runs.iter().map(|(count, _)| *count).sum::<u32>();
        // Declaring fifty thousand locals takes three bytes of a module.
        let used = if count > MANY_LOCALS { used_locals(reader.clone()) } else { None };
        self.sparse_locals = used.as_ref().map(|_| (0..params).map(|n| (n, n)).collect());
        let mut zeros: HashMap<(ir::Type, bool), Value> = HashMap::new();
        let mut end = params;
        for (count, ty) in runs {
            let start = end;
            end += count;
            match &used {
                None => (start..end).for_each(|_| self.declare_zero(ty, &mut zeros)),
                Some(used) => used.range(start..end).for_each(|local| {
                    let place = self.locals.len() as u32;
                    self.sparse_locals.get_or_insert_default().insert(*local, place);
                    self.declare_zero(ty, &mut zeros);
                }),
            }
        }
        Ok(())
    }

    fn declare_zero(&mut self, ty: ValType, zeros: &mut HashMap<(ir::Type, bool), Value>) {
        // References have a null of their own: that is kept in the frame over calls, which a number is not.
        let key = (clif_type(ty), ty.is_traced());
        let zero = match zeros.get(&key) {
            Some(zero) => *zero,
            None => *zeros.entry(key).or_insert(self.zero(clif_type(ty))),
        };
        self.declare_local(ty, zero);
    }

    fn zero(&mut self, ty: ir::Type) -> Value {
        match ty {
            types::F32 => self.ins().f32const(0.0),
            types::F64 => self.ins().f64const(0.0),
            types::I8X16 => {
                let zero = self.builder.func.dfg.constants.insert(vec![0; 16].into());
                self.ins().vconst(ty, zero)
            }
            _ => self.ins().iconst(ty, 0),
        }
    }

    pub(super) fn operators(
        &mut self,
        mut reader: BinaryReader<'_>,
        validator: &mut FuncValidator<ValidatorResources>,
    ) -> Result<Size, CompileError> {
        while !reader.eof() {
            self.offset = reader.original_position();
            self.set_position();
            if self.env.info.uses_heap {
                let operand = |n| validator.get_operand_type(n).flatten().and_then(|ty| ty.as_reference_type());
                self.reference_types = std::array::from_fn(operand);
            }
            let mut both = Checked { validator: validator.visitor(self.offset), translator: self };
            reader.visit_operator(&mut both)??;
            self.charge_room()?;
            if self.inlining.gave_up || self.check_size()? == Size::TooManyLocalsInValues {
                return Ok(Size::TooManyLocalsInValues);
            }
        }
        let end = reader.original_position();
        reader.finish_expression(&validator.visitor(end))?;
        debug_assert!(!self.body_is_open(), "a valid body closes its frames");
        Ok(Size::Fits)
    }
}

/// Functions with more locals are looked through for those that are used, and only these are declared.
const MANY_LOCALS: u32 = 1000;

/// The locals that a body names; `None` if it is malformed, which validation will tell in better words.
fn used_locals(reader: BinaryReader<'_>) -> Option<BTreeSet<u32>> {
    let mut operators = OperatorsReader::new(reader);
    let mut used = BTreeSet::new();
    while !operators.eof() {
        if let Operator::LocalGet { local_index }
        | Operator::LocalSet { local_index }
        | Operator::LocalTee { local_index } = operators.read().ok()?
        {
            used.insert(local_index);
        }
    }
    Some(used)
}

/// Visits an operator twice: validates it, then translates it if it can be reached.
struct Checked<'t, 'b, V> {
    validator: V,
    translator: &'t mut FuncTranslator<'b>,
}

/// Whether an operator is translated even where it cannot be reached, because it opens or closes a frame.
macro_rules! frames_control {
    (visit_block) => {
        true
    };
    (visit_loop) => {
        true
    };
    (visit_if) => {
        true
    };
    (visit_else) => {
        true
    };
    (visit_end) => {
        true
    };
    (visit_try_table) => {
        true
    };
    (visit_try) => {
        true
    };
    (visit_catch) => {
        true
    };
    (visit_catch_all) => {
        true
    };
    (visit_delegate) => {
        true
    };
    ($other:ident) => {
        false
    };
}

macro_rules! validate_then_translate {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {$(
        #[inline]
        fn $visit(&mut self $($(, $arg: $argty)*)?) -> Translated {
            self.validator.$visit($($($arg.clone()),*)?)?;
            if self.translator.reachable || frames_control!($visit) {
                self.translator.$visit($($($arg),*)?)?;
            }
            Ok(())
        }
    )*};
}

macro_rules! validate_then_translate_simd {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {$(
        fn $visit(&mut self $($(, $arg: $argty)*)?) -> Translated {
            let Some(validator) = self.validator.simd_visitor() else {
                return Err(self.translator.unsupported(stringify!($proposal), stringify!($visit)));
            };
            validator.$visit($($($arg),*)?)?;
            if self.translator.reachable {
                self.translator.$visit($($($arg),*)?)?;
            }
            Ok(())
        }
    )*};
}

#[allow(clippy::clone_on_copy)] // some arguments are copied, some are not: the list does not say
impl<'a, V: VisitOperator<'a, Output = wasmparser::Result<()>>> VisitOperator<'a> for Checked<'_, '_, V> {
    type Output = Result<(), CompileError>;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Self::Output>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(validate_then_translate);
}

impl<'a, V: VisitOperator<'a, Output = wasmparser::Result<()>>> VisitSimdOperator<'a> for Checked<'_, '_, V> {
    wasmparser::for_each_visit_simd_operator!(validate_then_translate_simd);
}

impl<V: FrameStack> FrameStack for Checked<'_, '_, V> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.validator.current_frame()
    }
}
