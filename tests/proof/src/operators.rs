//! Names of operators, from the parser's own list, and which of them Epsilon claims. Knows no engine.

use wasmparser::Operator;

macro_rules! names {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        /// An operator's name, without its immediates.
        pub fn name(operator: &Operator<'_>) -> &'static str {
            #[allow(unreachable_patterns)] // the list may grow without being a breaking change
            match operator {
                $(Operator::$op { .. } => stringify!($op),)*
                _ => "another",
            }
        }

        /// Every operator there is: proposal and name.
        const ALL: &[(&str, &str)] = &[$((stringify!($proposal), stringify!($op))),*];
    };
}

wasmparser::for_each_operator!(names);

/// The proposals whose operators Epsilon compiles (FEATURES.md), by the parser's names.
const CLAIMED: [&str; 13] = [
    "mvp",
    "sign_extension",
    "saturating_float_to_int",
    "bulk_memory",
    "reference_types",
    "simd",
    "relaxed_simd",
    "tail_call",
    "function_references",
    "exceptions",
    "legacy_exceptions",
    "threads",
    "wide_arithmetic",
];

/// Encodings that no version of the specification gives a meaning: a `select` with several types.
const RESERVED: [&str; 1] = ["TypedSelectMulti"];

/// Names of all operators that Epsilon claims.
pub fn claimed() -> impl Iterator<Item = &'static str> {
    let all = ALL.iter().filter(|(proposal, _)| CLAIMED.contains(proposal));
    all.map(|(_, name)| *name).filter(|name| !RESERVED.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_parser() {
        assert_eq!(name(&Operator::I32Const { value: 5 }), "I32Const");
        assert_eq!(name(&Operator::Else), "Else");
        assert!(claimed().any(|name| name == "TryTable") && claimed().any(|name| name == "I8x16RelaxedSwizzle"));
        assert!(claimed().all(|name| name != "StructNew"));
    }
}
