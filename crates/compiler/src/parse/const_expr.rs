//! Constant expressions, and which functions they let out of the module.

use super::{Parse, types};
use crate::error::CompileError;
use epsilon_abi::{
    ConstExpr, ConstOp, ElementItems, EntityIndex, FuncIndex, GlobalIndex, ModuleInfo, RefType, TypeIndex,
};
use wasmparser::Operator;

/// A constant expression. It is valid, so what is not known here belongs to a proposal that is not translated.
pub(super) fn const_expr(expr: &wasmparser::ConstExpr<'_>, info: &ModuleInfo) -> Result<ConstExpr, CompileError> {
    let mut ops = Vec::new();
    let mut reader = expr.get_operators_reader();
    while !reader.is_end_then_eof() {
        let (operator, offset) = reader.read_with_offset()?;
        ops.push(const_op(&operator, info, offset)?);
    }
    Ok(ConstExpr(ops.into()))
}

fn const_op(operator: &Operator<'_>, info: &ModuleInfo, offset: u64) -> Result<ConstOp, CompileError> {
    Ok(match *operator {
        Operator::I32Const { value } => ConstOp::I32(value),
        Operator::I64Const { value } => ConstOp::I64(value),
        Operator::F32Const { value } => ConstOp::F32(value.bits()),
        Operator::F64Const { value } => ConstOp::F64(value.bits()),
        Operator::V128Const { value } => ConstOp::V128(*value.bytes()),
        Operator::GlobalGet { global_index } => ConstOp::GlobalGet(GlobalIndex(global_index)),
        Operator::RefFunc { function_index } => ConstOp::RefFunc(FuncIndex(function_index)),
        Operator::RefNull { hty } => {
            ConstOp::RefNull(RefType { nullable: true, heap: types::heap_type(hty, info, offset)? })
        }
        Operator::I32Add => ConstOp::I32Add,
        Operator::I32Sub => ConstOp::I32Sub,
        Operator::I32Mul => ConstOp::I32Mul,
        Operator::I64Add => ConstOp::I64Add,
        Operator::I64Sub => ConstOp::I64Sub,
        Operator::I64Mul => ConstOp::I64Mul,
        Operator::StructNew { struct_type_index } => ConstOp::StructNew(TypeIndex(struct_type_index)),
        Operator::StructNewDefault { struct_type_index } => ConstOp::StructNewDefault(TypeIndex(struct_type_index)),
        Operator::ArrayNew { array_type_index } => ConstOp::ArrayNew(TypeIndex(array_type_index)),
        Operator::ArrayNewDefault { array_type_index } => ConstOp::ArrayNewDefault(TypeIndex(array_type_index)),
        Operator::ArrayNewFixed { array_type_index, array_size } => {
            ConstOp::ArrayNewFixed(TypeIndex(array_type_index), array_size)
        }
        Operator::RefI31 => ConstOp::RefI31,
        Operator::AnyConvertExtern => ConstOp::AnyConvertExtern,
        Operator::ExternConvertAny => ConstOp::ExternConvertAny,
        ref other => {
            let what = format!("constant expression with the operator {other:?}");
            return Err(CompileError::unsupported(what, offset));
        }
    })
}

impl Parse<'_> {
    /// Which functions something outside can reach. `ref.func` in a body may only name functions that
    /// appear outside of bodies as well, so bodies need not be looked at.
    pub(super) fn note_reachability(&mut self) {
        let info = &mut self.info;
        let mut escaping = vec![false; info.functions.len()];
        for export in &info.exports {
            if let EntityIndex::Func(func) = export.entity {
                escaping[func.index()] = true;
            }
        }
        let mut note_expr = |expr: &ConstExpr| {
            for op in &expr.0 {
                if let ConstOp::RefFunc(func) = op {
                    escaping[func.index()] = true;
                }
            }
        };
        info.global_inits.iter().for_each(&mut note_expr);
        info.table_inits.iter().flatten().for_each(&mut note_expr);
        for element in &info.elements {
            if let ElementItems::Exprs(exprs) = &element.items {
                exprs.iter().for_each(&mut note_expr);
            }
        }
        for element in &info.elements {
            if let ElementItems::Functions(functions) = &element.items {
                functions.iter().for_each(|func| escaping[func.index()] = true);
            }
        }
        info.escaping_functions = escaping;
    }
}
