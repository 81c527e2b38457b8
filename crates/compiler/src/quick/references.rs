//! Which functions are left to Cranelift because they hold references that the collector follows: this tier keeps no stack
//! maps yet.

use super::Env;
use epsilon_abi::{DefinedFuncIndex, RefRepr, TypeIndex, ValType};
use wasmparser::{BinaryReader, BlockType, FunctionBody, Operator};

/// Whether an operand or a local of a function may be such a reference. The body has been validated.
pub(super) fn are_held(env: &Env<'_>, index: DefinedFuncIndex) -> bool {
    let info = env.info;
    if !info.uses_heap {
        // No such reference comes from anywhere but from operators that the first look finds.
        return false;
    }
    let traced = |types: &[ValType]| types.iter().any(|ty| ty.is_traced());
    let func_type = |ty: u32| info.type_func(TypeIndex(ty));
    let ty = info.func_type(info.func_index(index));
    if traced(&ty.params) || traced(&ty.results) {
        return true;
    }
    let may_be = |ty: wasmparser::ValType| crate::parse::val_type(ty, info, 0).map_or(true, |ty| ty.is_traced());
    let range = info.bodies[index.index()].clone();
    let body = FunctionBody::new(BinaryReader::new(&env.wasm[range.clone()], range.start as u64));
    let (Ok(locals), Ok(operators)) = (body.get_locals_reader(), body.get_operators_reader()) else { return true };
    if locals.into_iter().any(|local| local.map_or(true, |(_, ty)| may_be(ty))) {
        return true;
    }
    let tag_is = |tag: u32| traced(&info.type_func(info.tags[tag as usize]).params);
    operators.into_iter().any(|operator| match operator {
        Ok(Operator::Call { function_index }) => {
            traced(&info.func_type(epsilon_abi::FuncIndex(function_index)).results)
        }
        Ok(Operator::CallIndirect { type_index, .. } | Operator::CallRef { type_index }) => {
            traced(&func_type(type_index).results)
        }
        Ok(Operator::GlobalGet { global_index }) => info.globals[global_index as usize].value.is_traced(),
        Ok(Operator::TableGet { table }) => info.tables[table as usize].element.is_traced(),
        Ok(Operator::RefNull { hty }) => {
            crate::parse::ref_repr(hty, info, 0).map_or(true, |repr| repr == RefRepr::Index)
        }
        Ok(
            Operator::Block { blockty: BlockType::Type(ty) }
            | Operator::Loop { blockty: BlockType::Type(ty) }
            | Operator::If { blockty: BlockType::Type(ty) },
        ) => may_be(ty),
        Ok(Operator::Catch { tag_index }) => tag_is(tag_index),
        Ok(Operator::TryTable { try_table }) => try_table.catches.iter().any(|clause| match clause {
            wasmparser::Catch::One { tag, .. } | wasmparser::Catch::OneRef { tag, .. } => tag_is(*tag),
            wasmparser::Catch::All { .. } | wasmparser::Catch::AllRef { .. } => false,
        }),
        Ok(_) => false,
        Err(_) => true,
    })
}
