//! What must not compile: conversions between types whose parameters are related, threads that would share what they
//! must not, and ways into the runtime. One file in `compile_fail` for each public type with a parameter (`tests/tidy`
//! looks for it), with what the compiler says beside it; `TRYBUILD=overwrite` writes that anew.
//!
//! What must compile stands here.

use epsilon::{
    Caller, CustomSection, ExportType, ImportType, InstancePre, Linker, Store, StoreContext, StoreContextMut,
    TypedFunc, Watch,
};
use epsilon_runtime::{HostFunc, ImportItem};
use epsilon_wasi::{GuestMemory, Threads};
use std::cell::Cell;
use std::rc::Rc;

#[test]
fn what_must_not_compile_does_not() {
    // Not the workspace's own: a compiler chosen for one run, such as a nightly one, says it in other words.
    if std::env::var_os("RUSTUP_TOOLCHAIN").is_some_and(|toolchain| toolchain.to_string_lossy().contains("nightly")) {
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

const fn goes_to_threads<V: Send + Sync>() {}

/// What holds no data of a store goes to any thread, whatever that data is.
const _: () = {
    goes_to_threads::<Linker<Rc<Cell<u8>>>>();
    goes_to_threads::<InstancePre<Rc<Cell<u8>>>>();
    goes_to_threads::<HostFunc<Rc<Cell<u8>>>>();
    goes_to_threads::<ImportItem<'static, Rc<Cell<u8>>>>();
    goes_to_threads::<Threads<Rc<Cell<u8>>>>();
    goes_to_threads::<TypedFunc<(), ()>>();
    goes_to_threads::<Store<u8>>();
    goes_to_threads::<StoreContext<'static, u8>>();
    goes_to_threads::<StoreContextMut<'static, u8>>();
    goes_to_threads::<Caller<'static, u8>>();
    goes_to_threads::<ImportType<'static>>();
    goes_to_threads::<ExportType<'static>>();
    goes_to_threads::<CustomSection<'static>>();
    goes_to_threads::<Watch<'static>>();
};

/// What is borrowed can be borrowed for less.
const _: () = {
    macro_rules! shorter {
        ($($name:ident: $long:ty => $short:ty;)*) => {$(
            #[allow(dead_code, reason = "that it compiles is the test")]
            fn $name<'a>(long: $long) -> $short {
                long
            }
        )*};
    }
    shorter! {
        import: ImportType<'static> => ImportType<'a>;
        export: ExportType<'static> => ExportType<'a>;
        section: CustomSection<'static> => CustomSection<'a>;
        watch: Watch<'static> => Watch<'a>;
        memory: GuestMemory<'static> => GuestMemory<'a>;
        import_item: ImportItem<'static, u8> => ImportItem<'a, u8>;
        caller: Caller<'static, u8> => Caller<'a, u8>;
        context: StoreContext<'static, u8> => StoreContext<'a, u8>;
        context_mut: StoreContextMut<'static, u8> => StoreContextMut<'a, u8>;
    }
};
