//! What is valid but not translated: refused while a module is validated, so that nobody meets it at run time.

use crate::error::CompileError;
use wasmparser::{
    BinaryReader, FrameKind, FrameStack, FuncValidator, ValidatorResources, VisitOperator, VisitSimdOperator,
};

/// Validates a body, and refuses operators that are not translated.
pub(crate) fn validate(
    mut reader: BinaryReader<'_>,
    validator: &mut FuncValidator<ValidatorResources>,
) -> Result<(), CompileError> {
    validator.read_locals(&mut reader)?;
    while !reader.eof() {
        let offset = reader.original_position();
        reader.visit_operator(&mut Refusing { validator: validator.visitor(offset), offset })??;
    }
    let end = reader.original_position();
    Ok(reader.finish_expression(&validator.visitor(end))?)
}

/// Visits an operator: refuses it, or validates it.
struct Refusing<V> {
    validator: V,
    offset: u64,
}

/// The name of a proposal that can be switched on, but whose operators are not translated.
macro_rules! refused {
    (gc) => {
        Some("gc")
    };
    ($other:ident) => {
        None
    };
}

macro_rules! refuse_or_validate {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {$(
        #[inline]
        fn $visit(&mut self $($(, $arg: $argty)*)?) -> Self::Output {
            self.validator.$visit($($($arg),*)?)?;
            let refused: Option<&str> = refused!($proposal);
            match refused {
                None => Ok(()),
                Some(proposal) => Err(CompileError::unsupported_operator(proposal, stringify!($visit), self.offset)),
            }
        }
    )*};
}

macro_rules! validate_simd {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {$(
        fn $visit(&mut self $($(, $arg: $argty)*)?) -> Self::Output {
            match self.validator.simd_visitor() {
                Some(validator) => Ok(validator.$visit($($($arg),*)?)?),
                None => Err(CompileError::unsupported_operator(stringify!($proposal), stringify!($visit), self.offset)),
            }
        }
    )*};
}

impl<'a, V: VisitOperator<'a, Output = wasmparser::Result<()>>> VisitOperator<'a> for Refusing<V> {
    type Output = Result<(), CompileError>;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Self::Output>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(refuse_or_validate);
}

impl<'a, V: VisitOperator<'a, Output = wasmparser::Result<()>>> VisitSimdOperator<'a> for Refusing<V> {
    wasmparser::for_each_visit_simd_operator!(validate_simd);
}

impl<V: FrameStack> FrameStack for Refusing<V> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.validator.current_frame()
    }
}
