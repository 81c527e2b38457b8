//! Arguments of a script to values, and comparing values with what a script expects.

use epsilon::{AnyRef, AsContextMut, ExternRef, Rooted, Store, Val};
use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::token::{F32, F64};
use wast::{WastArg, WastRet};

/// The value that an argument stands for.
pub fn argument(store: &mut Store<()>, arg: &WastArg<'_>) -> Result<Val, String> {
    let WastArg::Core(arg) = arg else { return Err("component values are not supported".into()) };
    Ok(match arg {
        WastArgCore::I32(n) => Val::I32(*n),
        WastArgCore::I64(n) => Val::I64(*n),
        WastArgCore::F32(n) => Val::F32(n.bits),
        WastArgCore::F64(n) => Val::F64(n.bits),
        WastArgCore::V128(v) => Val::from(u128::from_le_bytes(v.to_le_bytes())),
        WastArgCore::RefNull(ty) => null(ty)?,
        WastArgCore::RefExtern(n) => Val::ExternRef(Some(external(store, *n)?)),
        WastArgCore::RefHost(n) => {
            let reference = external(store, *n)?;
            let reference = AnyRef::convert_extern(store, reference).map_err(|error| error.to_string())?;
            Val::AnyRef(Some(reference))
        }
    })
}

fn external(store: &mut Store<()>, number: u32) -> Result<Rooted<ExternRef>, String> {
    ExternRef::new(store, number).map_err(|error| error.to_string())
}

fn null(ty: &HeapType<'_>) -> Result<Val, String> {
    use AbstractHeapType::{Exn, Extern, Func, NoExn, NoExtern, NoFunc};
    match ty {
        HeapType::Abstract { ty: Func | NoFunc, .. } | HeapType::Concrete(_) => Ok(Val::FuncRef(None)),
        HeapType::Abstract { ty: Exn | NoExn, .. } => Ok(Val::ExnRef(None)),
        HeapType::Abstract { ty: Extern | NoExtern, .. } => Ok(Val::ExternRef(None)),
        // All other references are of one family.
        HeapType::Abstract { .. } => Ok(Val::AnyRef(None)),
        other => Err(format!("null references of {other:?} are not supported")),
    }
}

/// Whether a value is what the script expects.
pub fn matches(store: &mut Store<()>, value: &Val, expected: &WastRet<'_>) -> bool {
    let WastRet::Core(expected) = expected else { return false };
    core_matches(store, value, expected)
}

fn core_matches(store: &mut Store<()>, value: &Val, expected: &WastRetCore<'_>) -> bool {
    match (value, expected) {
        (_, WastRetCore::Either(options)) => options.iter().any(|option| core_matches(store, value, option)),
        (Val::I32(n), WastRetCore::I32(want)) => n == want,
        (Val::I64(n), WastRetCore::I64(want)) => n == want,
        (Val::F32(bits), WastRetCore::F32(want)) => f32_matches(*bits, want),
        (Val::F64(bits), WastRetCore::F64(want)) => f64_matches(*bits, want),
        (Val::V128(bits), WastRetCore::V128(want)) => v128_matches(bits.as_u128(), want),
        (
            Val::FuncRef(None) | Val::ExternRef(None) | Val::ExnRef(None) | Val::AnyRef(None),
            WastRetCore::RefNull(None),
        ) => true,
        (Val::AnyRef(None), WastRetCore::RefNull(Some(ty))) => matches!(null(ty), Ok(Val::AnyRef(None))),
        (Val::AnyRef(Some(reference)), expected) => any_matches(store, reference, expected),
        (Val::ExnRef(None), WastRetCore::RefNull(Some(ty))) => matches!(null(ty), Ok(Val::ExnRef(None))),
        (Val::FuncRef(None), WastRetCore::RefNull(Some(ty))) => matches!(null(ty), Ok(Val::FuncRef(None))),
        (Val::ExternRef(None), WastRetCore::RefNull(Some(ty))) => matches!(null(ty), Ok(Val::ExternRef(None))),
        (Val::FuncRef(Some(_)), WastRetCore::RefFunc(None)) => true,
        (Val::ExternRef(Some(_)), WastRetCore::RefExtern(None)) => true,
        (Val::ExternRef(Some(reference)), WastRetCore::RefExtern(Some(want)) | WastRetCore::RefHost(want)) => {
            is_of_host(store, reference, *want)
        }
        _ => false,
    }
}

fn any_matches(store: &mut Store<()>, reference: &Rooted<AnyRef>, expected: &WastRetCore<'_>) -> bool {
    let is = match expected {
        WastRetCore::RefAny => Ok(true),
        WastRetCore::RefEq => reference.is_eqref(store),
        WastRetCore::RefI31 => reference.is_i31(store),
        WastRetCore::RefStruct => reference.is_struct(store),
        WastRetCore::RefArray => reference.is_array(store),
        WastRetCore::RefHost(want) => {
            let converted = ExternRef::convert_any(&mut *store, *reference);
            return converted.is_ok_and(|reference| is_of_host(store, &reference, *want));
        }
        _ => Ok(false),
    };
    is.unwrap_or(false)
}

fn is_of_host(store: &mut Store<()>, reference: &ExternRef, want: u32) -> bool {
    let context = store.as_context_mut();
    let data = reference.data(&context).ok().flatten();
    data.is_some_and(|data| data.downcast_ref::<u32>() == Some(&want))
}

const F32_CANONICAL_NAN: u32 = 0x7fc0_0000;
const F64_CANONICAL_NAN: u64 = 0x7ff8_0000_0000_0000;

/// Specification, appendix "Test suite": a canonical NaN has only the top bit of its payload set, an arithmetic NaN at
/// least that one; both of either sign.
fn f32_matches(bits: u32, expected: &NanPattern<F32>) -> bool {
    match expected {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff == F32_CANONICAL_NAN,
        NanPattern::ArithmeticNan => bits & F32_CANONICAL_NAN == F32_CANONICAL_NAN,
        NanPattern::Value(want) => bits == want.bits,
    }
}

fn f64_matches(bits: u64, expected: &NanPattern<F64>) -> bool {
    match expected {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff_ffff_ffff == F64_CANONICAL_NAN,
        NanPattern::ArithmeticNan => bits & F64_CANONICAL_NAN == F64_CANONICAL_NAN,
        NanPattern::Value(want) => bits == want.bits,
    }
}

fn v128_matches(bits: u128, expected: &V128Pattern) -> bool {
    let lane = |n: usize, width: u32| (bits >> (n as u32 * width)) as u64;
    match expected {
        V128Pattern::I8x16(want) => want.iter().enumerate().all(|(n, want)| lane(n, 8) as u8 as i8 == *want),
        V128Pattern::I16x8(want) => want.iter().enumerate().all(|(n, want)| lane(n, 16) as u16 as i16 == *want),
        V128Pattern::I32x4(want) => want.iter().enumerate().all(|(n, want)| lane(n, 32) as u32 as i32 == *want),
        V128Pattern::I64x2(want) => want.iter().enumerate().all(|(n, want)| lane(n, 64) as i64 == *want),
        V128Pattern::F32x4(want) => want.iter().enumerate().all(|(n, want)| f32_matches(lane(n, 32) as u32, want)),
        V128Pattern::F64x2(want) => want.iter().enumerate().all(|(n, want)| f64_matches(lane(n, 64), want)),
    }
}
