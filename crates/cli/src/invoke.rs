//! Calling one function of a module: its arguments from words, and its results to words.

use crate::report::Advice;
use anyhow::Result;
use epsilon::{Escaped, ExternType, FuncType, HeapType, Module, Val, ValType};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

/// A function to call, with its arguments.
#[derive(Debug)]
pub struct Call {
    /// The name of its export.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Val>,
    /// Its results, before the call.
    pub results: Vec<Val>,
}

impl Call {
    /// A call of the function exported as `name`, with arguments of the types that it takes.
    pub fn new(module: &Module, module_name: &str, name: &str, words: &[OsString]) -> Result<Self> {
        let ty = match module.get_export(name) {
            Some(ExternType::Func(ty)) => ty,
            Some(other) => {
                let message = format!("`{name}` of `{module_name}` is not a function but a {other}");
                return Err(Advice::error(message, functions(module)));
            }
            None => {
                let message = format!("`{module_name}` does not export a function `{name}`");
                return Err(Advice::error(message, functions(module)));
            }
        };
        if words.len() != ty.params().len() {
            return Err(wrong_count(name, &ty, words.len()));
        }
        let mut arguments = Vec::new();
        for (n, (ty_wanted, word)) in ty.params().zip(words).enumerate() {
            let Some(value) = word.to_str().and_then(|word| parse(word, &ty_wanted)) else {
                let message = format!("argument {} of `{name}`: {word:?} is not a valid {ty_wanted}", n + 1);
                return Err(Advice::error(
                    message,
                    format!("{}; the function is {name} {ty}", how_to_write(&ty_wanted)),
                ));
            };
            arguments.push(value);
        }
        let results = ty.results().map(|ty| ty.default_value().unwrap_or(Val::I32(0))).collect();
        Ok(Self { name: name.to_owned(), arguments, results })
    }

    /// The results, one a line.
    pub fn results_text(&self) -> String {
        let mut text = String::new();
        for value in &self.results {
            let _ = match value {
                Val::I32(n) => writeln!(text, "{n}"),
                Val::I64(n) => writeln!(text, "{n}"),
                Val::F32(bits) => match F32.show_nan((*bits).into()) {
                    Some(nan) => writeln!(text, "{nan}"),
                    None => writeln!(text, "{}", f32::from_bits(*bits)),
                },
                Val::F64(bits) => match F64.show_nan(*bits) {
                    Some(nan) => writeln!(text, "{nan}"),
                    None => writeln!(text, "{}", f64::from_bits(*bits)),
                },
                Val::V128(bits) => writeln!(text, "{bits}"),
                Val::FuncRef(None) | Val::ExternRef(None) | Val::ExnRef(None) | Val::AnyRef(None) => {
                    writeln!(text, "null")
                }
                Val::FuncRef(Some(_)) => writeln!(text, "<funcref>"),
                Val::ExternRef(Some(_)) => writeln!(text, "<externref>"),
                Val::ExnRef(Some(_)) => writeln!(text, "<exnref>"),
                Val::AnyRef(Some(_)) => writeln!(text, "<anyref>"),
            };
        }
        text
    }
}

/// The functions that can be called by name, for help.
pub fn functions(module: &Module) -> String {
    let mut lines = Vec::new();
    for export in module.exports() {
        if let Some(ty) = export.ty().func().filter(|_| !matches!(export.name(), "_start" | "_initialize")) {
            lines.push(format!("\n{} {ty}", Escaped::new(export.name())));
        }
    }
    match lines.len() {
        0 => "the module exports no functions that `--invoke` can call".into(),
        _ => format!("these functions can be called with `--invoke NAME`:{}", lines.concat()),
    }
}

fn wrong_count(name: &str, ty: &FuncType, count: usize) -> anyhow::Error {
    let message = match ty.param(count) {
        Some(missing) => format!("argument {} of `{name}` is missing; it is of type {missing}", count + 1),
        None => format!("too many arguments: `{name}` does not take an argument {}", ty.params().len() + 1),
    };
    Advice::error(message, format!("the function is {name} {ty}"))
}

/// The value that a word stands for.
fn parse(word: &str, ty: &ValType) -> Option<Val> {
    match ty {
        ValType::I32 => integer(word, i32::MIN.into()..=u32::MAX.into()).map(|n| Val::I32(n as i32)),
        ValType::I64 => integer(word, i64::MIN.into()..=u64::MAX.into()).map(|n| Val::I64(n as i64)),
        ValType::F32 => match F32.parse_nan(word) {
            Some(bits) => Some(Val::F32(bits? as u32)),
            None => word.parse().ok().map(|n: f32| Val::F32(n.to_bits())),
        },
        ValType::F64 => match F64.parse_nan(word) {
            Some(bits) => Some(Val::F64(bits?)),
            None => word.parse().ok().map(|n: f64| Val::F64(n.to_bits())),
        },
        ValType::V128 => vector(word).map(Val::from),
        ValType::Ref(_) if word == "null" => Val::default_for_ty(ty),
        ValType::Ref(_) => None,
    }
}

/// How values of a type are written, for help.
fn how_to_write(ty: &ValType) -> String {
    match ty {
        ValType::I32 | ValType::I64 => "write an integer in its range, such as 42, -1 or 0xff".into(),
        ValType::F32 | ValType::F64 => "write a number, such as 1.5, -2e9, inf, -nan or nan:0x200001".into(),
        ValType::V128 => "write all 128 bits as one number, such as 0x000102030405060708090a0b0c0d0e0f".into(),
        ValType::Ref(ty) if ty.is_nullable() && *ty.heap_type() != HeapType::Any => {
            "the only reference that can be written is null".into()
        }
        ValType::Ref(_) => "no reference of this type can be written".into(),
    }
}

/// A floating-point format, for what is not a number: a sign, all bits of the exponent, and a payload that is not zero.
struct Float {
    sign: u64,
    exponent: u64,
}

const F32: Float = Float { sign: 1 << 31, exponent: 0xff << 23 };
const F64: Float = Float { sign: 1 << 63, exponent: 0x7ff << 52 };

impl Float {
    /// The payload's bits.
    const fn payload(&self) -> u64 {
        self.sign - 1 - self.exponent
    }

    /// The payload of a NaN that names none: its highest bit, which makes it quiet.
    const fn canonical(&self) -> u64 {
        self.payload().wrapping_add(1) >> 1
    }

    /// The bits of a NaN in the notation of the text format: `nan`, `-nan`, `nan:0x200001`. Nothing if the word begins
    /// like none; nothing inside if the payload is not one.
    fn parse_nan(&self, word: &str) -> Option<Option<u64>> {
        let (sign, name) = match word.strip_prefix('-') {
            Some(name) => (self.sign, name),
            None => (0, word.strip_prefix('+').unwrap_or(word)),
        };
        let payload = match (name.get(..3)?.eq_ignore_ascii_case("nan"), &name[3..]) {
            (false, _) => return None,
            (true, "") => Some(u128::from(self.canonical())),
            (true, rest) => rest.strip_prefix(':').filter(|digits| digits.starts_with("0x")).and_then(vector),
        };
        let payload = payload.and_then(|n| u64::try_from(n).ok()).filter(|n| (1..=self.payload()).contains(n));
        Some(payload.map(|payload| sign | self.exponent | payload))
    }

    /// A NaN in the same notation; nothing for other numbers.
    fn show_nan(&self, bits: u64) -> Option<String> {
        let payload = bits & self.payload();
        if bits & self.exponent != self.exponent || payload == 0 {
            return None;
        }
        let sign = if bits & self.sign == 0 { "" } else { "-" };
        Some(if payload == self.canonical() { format!("{sign}nan") } else { format!("{sign}nan:{payload:#x}") })
    }
}

/// An integer in this range: signed and unsigned numbers are both accepted.
fn integer(word: &str, range: RangeInclusive<i128>) -> Option<i128> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let magnitude = i128::try_from(vector(digits)?).ok()?;
    Some(if negative { -magnitude } else { magnitude }).filter(|n| range.contains(n))
}

/// 128 bits: decimal or hexadecimal, with underscores between digits as in the text format.
fn vector(digits: &str) -> Option<u128> {
    let digits = digits.replace('_', "");
    if digits.starts_with(['+', '-']) {
        return None;
    }
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) if !digits.starts_with(['+', '-']) => u128::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None => digits.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Call, parse};
    use epsilon::{Val, ValType};

    /// A value's bits: values have no equality of their own.
    fn bits(word: &str, ty: ValType) -> Option<u128> {
        Some(match parse(word, &ty)? {
            Val::I32(n) => u128::from(n as u32),
            Val::I64(n) => u128::from(n as u64),
            Val::F32(bits) => u128::from(bits),
            Val::F64(bits) => u128::from(bits),
            Val::V128(bits) => bits.as_u128(),
            Val::FuncRef(reference) => u128::from(reference.is_some()),
            Val::ExternRef(reference) => u128::from(reference.is_some()),
            Val::ExnRef(reference) => u128::from(reference.is_some()),
            Val::AnyRef(reference) => u128::from(reference.is_some()),
        })
    }

    #[test]
    fn integers_may_be_signed_or_not_and_must_fit() {
        let cases = [
            ("0", 0),
            ("-1", 0xffff_ffff),
            ("4294967295", 0xffff_ffff),
            ("0xFF", 255),
            ("-0x10", 0xffff_fff0),
            ("1_000", 1000),
        ];
        for (word, value) in cases {
            assert_eq!(bits(word, ValType::I32), Some(value), "{word}");
        }
        for word in ["", "-", "4294967296", "-2147483649", "1.0", "0x", "--1", "0x-1", "-+1", "x"] {
            assert_eq!(bits(word, ValType::I32), None, "{word}");
        }
        assert_eq!(bits("-9223372036854775808", ValType::I64), Some(1 << 63));
        assert_eq!(bits("18446744073709551615", ValType::I64), Some(u128::from(u64::MAX)));
        assert_eq!(bits("18446744073709551616", ValType::I64), None);
    }

    #[test]
    fn numbers_vectors_and_null() {
        assert_eq!(bits("1.5", ValType::F32), Some(u128::from(1.5f32.to_bits())));
        assert_eq!(bits("-inf", ValType::F64), Some(u128::from(f64::NEG_INFINITY.to_bits())));
        assert_eq!(bits("one", ValType::F64), None);
        assert_eq!(bits("0xffffffffffffffffffffffffffffffff", ValType::V128), Some(u128::MAX));
        assert_eq!(bits("-1", ValType::V128), None);
        assert_eq!(bits("null", ValType::EXTERNREF), Some(0));
        assert_eq!(bits("0", ValType::FUNCREF), None);
    }

    #[test]
    fn a_nan_keeps_its_sign_and_payload() {
        let f32s = [
            ("nan", 0x7fc0_0000),
            ("+nan", 0x7fc0_0000),
            ("-nan", 0xffc0_0000),
            ("nan:0x123456", 0x7f92_3456),
            ("-nan:0x1", 0xff80_0001),
            ("nan:0x7f_ffff", 0x7fff_ffff),
        ];
        for (word, value) in f32s {
            assert_eq!(bits(word, ValType::F32), Some(value), "{word}");
            let call = Call { name: "f".into(), arguments: Vec::new(), results: vec![Val::F32(value as u32)] };
            let notation = word.trim_start_matches('+').replace('_', "");
            assert_eq!(call.results_text(), format!("{notation}\n"));
        }
        for (word, value) in [("-nan", 0xfff8 << 48), ("nan:0x8000000000001", (0x7ff8 << 48) + 1)] {
            assert_eq!(bits(word, ValType::F64), Some(value), "{word}");
            let call = Call { name: "f".into(), arguments: Vec::new(), results: vec![Val::F64(value as u64)] };
            assert_eq!(call.results_text(), format!("{word}\n"));
        }
        for word in ["nan:", "nan:0x0", "nan:0x800000", "nan:123", "nan0x1", "nan:0x-1", "--nan", "nänä", "n"] {
            assert_eq!(bits(word, ValType::F32), None, "{word}");
        }
        assert_eq!(bits("nan:0x10000000000000", ValType::F64), None);
    }

    #[test]
    fn results_are_lines() {
        let results = vec![
            Val::I32(-1),
            Val::I64(i64::MIN),
            Val::from(0.1f32),
            Val::from(-0.0f64),
            Val::from(255_u128),
            Val::FuncRef(None),
        ];
        let call = Call { name: "f".into(), arguments: Vec::new(), results };
        let vector = "0x000000000000000000000000000000ff";
        assert_eq!(call.results_text(), format!("-1\n-9223372036854775808\n0.1\n-0\n{vector}\nnull\n"));
    }
}
