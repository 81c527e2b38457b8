//! Types, values and references.

use epsilon as wasmtime;
use wasmtime::*;

#[test]
fn function_types() -> Result<()> {
    let engine = Engine::default();
    let ty = FuncType::new(&engine, [ValType::I32, ValType::FUNCREF], [ValType::V128]);
    assert_eq!((ty.params().len(), ty.results().len()), (2, 1));
    assert!(ty.param(0).unwrap().is_i32() && ty.param(2).is_none() && ty.result(0).unwrap().is_v128());
    assert!(FuncType::eq(&ty, &FuncType::new(&engine, ty.params(), ty.results())));
    assert!(ty.finality().is_final() && ty.supertype().is_none());
    assert!(FuncType::try_new(&engine, None, None)?.params().next().is_none());
    let open = FuncType::with_finality_and_supertype(&engine, Finality::NonFinal, None, [], [ValType::FUNCREF])?;
    let closed = FuncType::with_finality_and_supertype(
        &engine,
        Finality::Final,
        Some(&open),
        [],
        [RefType::new(false, HeapType::Func).into()],
    )?;
    assert!(closed.matches(&open) && !open.matches(&closed) && closed.supertype() == Some(open.clone()));
    assert!(open.finality().is_non_final());
    assert!(FuncType::with_finality_and_supertype(&engine, Finality::Final, Some(&ty), [], []).is_err(), "it is final");
    assert!(FuncType::with_finality_and_supertype(&engine, Finality::Final, Some(&open), [], []).is_err());
    let other = Engine::default();
    let reference = ValType::from(RefType::new(true, HeapType::from(open)));
    assert!(FuncType::try_new(&other, [reference], []).is_err(), "of another engine");
    Ok(())
}

#[test]
fn value_types() {
    for ty in [ValType::I32, ValType::I64, ValType::F32, ValType::F64] {
        assert!(
            ty.is_num() && !ty.is_ref() && ty.default_value().is_some() && ty.matches(&ty) && ty.as_ref().is_none()
        );
    }
    assert!(ValType::I32.is_i32() && ValType::I64.is_i64() && ValType::F32.is_f32() && ValType::F64.is_f64());
    assert!(ValType::FUNCREF.is_funcref() && ValType::EXTERNREF.is_externref() && ValType::ANYREF.is_anyref());
    assert!(ValType::NULLFUNCREF.matches(&ValType::FUNCREF) && !ValType::FUNCREF.matches(&ValType::NULLFUNCREF));
    assert!(ValType::eq(&ValType::EXNREF, &ValType::Ref(RefType::EXNREF)));
    let reference = ValType::FUNCREF;
    let ty = reference.unwrap_ref();
    assert!(ty.is_nullable() && ty.heap_type().is_func() && ty.matches(&RefType::FUNCREF) && RefType::eq(ty, ty));
    assert!(ValType::Ref(RefType::new(false, HeapType::Extern)).default_value().is_none());
    assert_eq!(format!("{} {}", ValType::F64, RefType::EXTERNREF), "f64 externref");
}

#[test]
fn heap_types() {
    let engine = Engine::default();
    let concrete = HeapType::ConcreteFunc(FuncType::new(&engine, [], []));
    assert!(concrete.is_concrete() && concrete.is_concrete_func() && !concrete.is_abstract());
    assert_eq!(concrete.as_concrete_func().unwrap().results().len(), 0);
    assert_eq!(concrete.unwrap_concrete_func().params().len(), 0);
    assert!(!concrete.is_concrete_array() && concrete.as_concrete_array().is_none());
    assert!(!concrete.is_concrete_struct() && concrete.as_concrete_struct().is_none());
    assert!(concrete.matches(&HeapType::Func) && HeapType::NoFunc.matches(&concrete));
    assert!(HeapType::eq(&concrete.top(), &HeapType::Func) && concrete.bottom() == HeapType::NoFunc);
    assert!(HeapType::Any.is_top() && HeapType::None.is_bottom() && HeapType::I31.matches(&HeapType::Eq));
    assert!(HeapType::Extern.is_extern() && HeapType::Func.is_func() && HeapType::NoFunc.is_no_func());
    assert!(HeapType::Any.is_any() && HeapType::I31.is_i31() && HeapType::None.is_none());
    assert!(HeapType::Exn.is_exn() && HeapType::NoExn.is_no_exn() && HeapType::Struct.top().is_any());
    let array = HeapType::from(ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::I8)));
    assert!(array.is_concrete_array() && array.unwrap_concrete_array().element_type().is_i8());
    assert!(array.matches(&HeapType::Array) && array.matches(&HeapType::Eq));
    let empty = HeapType::from(StructType::new(&engine, []).unwrap());
    assert!(empty.is_concrete_struct() && empty.unwrap_concrete_struct().fields().len() == 0);
}

#[test]
fn structures_and_arrays() -> Result<()> {
    let engine = Engine::default();
    let byte = FieldType::new(Mutability::Const, StorageType::I8);
    let word = FieldType::new(Mutability::Var, ValType::I32.into());
    assert!(byte.mutability().is_const() && byte.element_type().is_i8() && !byte.element_type().is_i16());
    assert!(word.element_type().is_val_type() && word.element_type().unwrap_val_type().is_i32());
    assert_eq!(word.element_type().as_val_type(), Some(&ValType::I32));
    assert!(byte.element_type().unpack().is_i32() && StorageType::I16.is_i16());
    assert!(byte.matches(&byte) && FieldType::eq(&byte, &byte) && !byte.matches(&word));
    assert!(byte.element_type().matches(&StorageType::I8) && StorageType::eq(&StorageType::I8, &StorageType::I8));
    let open = StructType::with_finality_and_supertype(&engine, Finality::NonFinal, None, [byte.clone()])?;
    let longer = StructType::with_finality_and_supertype(&engine, Finality::Final, Some(&open), [byte.clone(), word])?;
    assert!(longer.matches(&open) && !StructType::eq(&longer, &open) && longer.supertype() == Some(open.clone()));
    assert_eq!((longer.fields().len(), longer.field(0), longer.field(2)), (2, Some(byte.clone()), None));
    assert!(open.finality().is_non_final());
    let bytes = ArrayType::new(&engine, byte.clone());
    assert!(bytes.field_type() == byte && bytes.mutability().is_const() && bytes.supertype().is_none());
    assert!(bytes.finality().is_final() && bytes.matches(&bytes) && ArrayType::eq(&bytes, &bytes));
    ArrayType::with_finality_and_supertype(&engine, Finality::NonFinal, None, byte)?;
    let exception = ExnType::new(&engine, [ValType::I32])?;
    assert_eq!((exception.fields().len(), exception.tag_type().ty().params().len()), (1, 1));
    assert!(exception.field(0).unwrap().element_type().unwrap_val_type().is_i32());
    assert!(ExnType::from_tag_type(&exception.tag_type())?.matches(&exception));
    Ok(())
}

#[test]
fn types_of_items() -> Result<()> {
    let memory = MemoryType::builder().min(1).max(Some(3)).memory64(true).build()?;
    assert!(memory.is_64() && !memory.is_shared());
    assert_eq!(
        (memory.minimum(), memory.maximum(), memory.page_size(), memory.page_size_log2()),
        (1, Some(3), 65536, 16)
    );
    assert!(MemoryTypeBuilder::new().shared(true).min(1).build().is_err());
    assert_eq!(MemoryTypeBuilder::default().page_size_log2(0).build()?.page_size(), 1);
    assert!(MemoryType::new64(1, None).is_64() && MemoryType::shared(1, 2).is_shared());
    let table = TableType::new64(RefType::EXTERNREF, 1, None);
    assert!(table.is_64() && !TableType::new(RefType::FUNCREF, 0, None).is_64());
    assert_eq!((table.element(), table.minimum(), table.maximum()), (&RefType::EXTERNREF, 1, None));
    let mut store = Store::<()>::default();
    for ty in [
        ExternType::from(memory),
        table.into(),
        GlobalType::new(ValType::I32, Mutability::Const).into(),
        FuncType::new(store.engine(), [], [ValType::I64]).into(),
        TagType::new(FuncType::new(store.engine(), [], [])).into(),
    ] {
        ty.default_value(&mut store)?;
    }
    assert!(ExternType::from(GlobalType::new(ValType::I32, Mutability::Var)).unwrap_global().mutability().is_var());
    Ok(())
}

#[test]
fn external_references() -> Result<()> {
    let mut store = Store::<()>::default();
    let reference: Rooted<ExternRef> = ExternRef::new(&mut store, "hello".to_string())?;
    let data = reference.data(&store)?.expect("it is there").downcast_ref::<String>();
    assert_eq!(data.map(String::as_str), Some("hello"));
    let wat = r#"(module (table (export "t") 1 externref)
        (func (export "same") (param externref) (result externref) (local.get 0)))"#;
    let module = Module::new(store.engine(), wat)?;
    let instance = Instance::new(&mut store, &module, &[])?;
    let same = instance.get_typed_func::<Option<Rooted<ExternRef>>, Option<Rooted<ExternRef>>>(&mut store, "same")?;
    assert!(same.call(&mut store, Some(reference))?.is_some() && same.call(&mut store, None)?.is_none());
    let table = instance.get_table(&mut store, "t").unwrap();
    table.set(&mut store, 0, Ref::from(reference))?;
    assert!(table.get(&mut store, 0).unwrap().unwrap_extern().unwrap().data(&store)?.is_some());
    assert!(Val::ExternRef(Some(reference)).unwrap_externref().is_some());
    Ok(())
}

#[test]
fn values_and_references() -> Result<()> {
    let mut store = Store::<()>::default();
    let func = Func::wrap(&mut store, || {});
    assert!(Val::from(func).ty(&store)?.matches(&ValType::FUNCREF));
    assert!(Val::I32(1).matches_ty(&store, &ValType::I32)? && !Val::I32(1).matches_ty(&store, &ValType::I64)?);
    assert!(Val::from(func).matches_ty(&store, &ValType::FUNCREF)?);
    assert!(Val::null_func_ref().matches_ty(&store, &ValType::NULLFUNCREF)?);
    assert!(
        Val::null_extern_ref().unwrap_externref().is_none() && Val::null_ref(&HeapType::Exn).unwrap_exnref().is_none()
    );
    assert!(Val::default_for_ty(&ValType::F32).unwrap().unwrap_f32() == 0.0);
    assert_eq!((Val::from(1.5f64).f64(), Val::from(3u128).v128()), (Some(1.5), Some(V128::from(3))));
    assert!(Val::from(func).funcref().unwrap().is_some() && Val::I64(1).ref_().is_none());
    let reference = Val::from(func).ref_().unwrap();
    assert!(reference.is_func() && !reference.is_extern() && !reference.is_exn() && reference.is_non_null());
    assert!(reference.as_func().is_some() && reference.as_extern().is_none() && reference.as_exn().is_none());
    assert!(!reference.ty(&store)?.is_nullable() && reference.matches_ty(&store, &RefType::FUNCREF)?);
    assert!(Ref::null(&HeapType::Extern).unwrap_extern().is_none() && Ref::null(&HeapType::Exn).unwrap_exn().is_none());
    Ok(())
}
