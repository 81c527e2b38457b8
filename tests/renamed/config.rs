//! Settings.

use epsilon as wasmtime;
use wasmtime::*;

#[test]
fn settings_are_taken_and_given_back() -> Result<()> {
    let mut config = Config::new();
    config
        .wasm_simd(true)
        .wasm_relaxed_simd(true)
        .wasm_bulk_memory(true)
        .wasm_reference_types(true)
        .wasm_multi_value(true)
        .wasm_multi_memory(true)
        .wasm_memory64(true)
        .wasm_threads(true)
        .wasm_tail_call(true)
        .wasm_function_references(true)
        .wasm_gc(true)
        .wasm_exceptions(true)
        .wasm_extended_const(true)
        .wasm_wide_arithmetic(true)
        .wasm_custom_page_sizes(true)
        .wasm_branch_hinting(true)
        .wasm_component_model(false)
        .wasm_stack_switching(false)
        .wasm_shared_everything_threads(false)
        .strategy(Strategy::Cranelift)
        .collector(Collector::Null)
        .profiler(ProfilingStrategy::None)
        .cranelift_opt_level(OptLevel::SpeedAndSize)
        .cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass)
        .cranelift_nan_canonicalization(true)
        .cranelift_debug_verifier(false)
        .relaxed_simd_deterministic(true)
        .max_wasm_stack(1 << 20)
        .memory_reservation(4 << 30)
        .memory_guard_size(1 << 16)
        .memory_reservation_for_growth(1 << 20)
        .memory_may_move(false)
        .guard_before_linear_memory(false)
        .memory_init_cow(false)
        .memory_guaranteed_dense_image_size(1 << 20)
        .table_lazy_init(false)
        .parallel_compilation(false)
        .generate_address_map(true)
        .native_unwind_info(false)
        .debug_symbols(true)
        .debug_info(false)
        .guest_debug(false)
        .consume_fuel(false)
        .coredump_on_trap(false)
        .signals_based_traps(true)
        .async_support(false)
        .async_stack_size(1 << 20)
        .async_stack_zeroing(true)
        .gc_support(true)
        .gc_heap_reservation(1 << 20)
        .gc_heap_guard_size(1 << 16)
        .gc_heap_reservation_for_growth(1 << 16)
        .gc_heap_initial_size(1 << 16)
        .gc_heap_may_move(false)
        .shared_memory(true)
        .wasm_backtrace(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(2));
    let engine = Engine::new(&config)?;
    assert_eq!(engine.get_strategy(), Some(Strategy::Cranelift));
    assert_eq!(engine.get_collector(), Some(Collector::Null));
    assert_eq!(engine.get_cranelift_opt_level(), Some(OptLevel::SpeedAndSize));
    assert_eq!(engine.get_cranelift_regalloc_algorithm(), Some(RegallocAlgorithm::SinglePass));
    assert_eq!(engine.get_cranelift_nan_canonicalization(), Some(true));
    assert_eq!(engine.get_cranelift_debug_verifier(), Some(false));
    assert!(engine.get_relaxed_simd_deterministic() && engine.get_compiler_inlining());
    assert!(engine.get_wasm_branch_hinting() && !engine.get_epoch_interruption());
    assert_eq!(engine.get_max_wasm_stack(), 1 << 20);
    assert_eq!((engine.get_memory_reservation(), engine.get_memory_guard_size()), (4 << 30, 1 << 16));
    assert_eq!(engine.get_memory_reservation_for_growth(), 1 << 20);
    assert!(!engine.get_memory_may_move() && !engine.get_guard_before_linear_memory());
    assert!(!engine.get_memory_init_cow() && !engine.get_table_lazy_init() && !engine.get_parallel_compilation());
    assert_eq!(engine.get_memory_guaranteed_dense_image_size(), 1 << 20);
    assert!(engine.get_generate_address_map() && !engine.get_native_unwind_info() && engine.get_debug_symbols());
    assert!(!engine.get_debug_info() && !engine.get_guest_debug() && !engine.get_consume_fuel());
    assert!(engine.get_signals_based_traps() && engine.get_shared_memory() && engine.get_target().is_none());
    assert_eq!((engine.get_async_stack_size(), engine.get_async_stack_zeroing()), (1 << 20, true));
    assert_eq!((engine.get_gc_heap_reservation(), engine.get_gc_heap_guard_size()), (1 << 20, 1 << 16));
    assert_eq!((engine.get_gc_heap_reservation_for_growth(), engine.get_gc_heap_initial_size()), (1 << 16, 1 << 16));
    assert!(!engine.get_gc_heap_may_move());
    assert_eq!(engine.get_wasm_backtrace_max_frames(), 2);
    Ok(())
}

#[test]
fn what_there_is_not_is_an_error() {
    type Setting = fn(&mut Config) -> &mut Config;
    let cases: [(&str, Setting); 8] = [
        ("consume_fuel", |config| config.consume_fuel(true)),
        ("async_support", |config| config.async_support(true)),
        ("debug_info", |config| config.debug_info(true)),
        ("guest_debug", |config| config.guest_debug(true)),
        ("coredump_on_trap", |config| config.coredump_on_trap(true)),
        ("signals_based_traps", |config| config.signals_based_traps(false)),
        ("wasm_component_model", |config| config.wasm_component_model(true)),
        ("profiler", |config| config.profiler(ProfilingStrategy::PerfMap)),
    ];
    for (name, change) in cases {
        let error = Engine::new(change(&mut Config::new())).unwrap_err();
        assert!(error.to_string().starts_with(&format!("`Config::{name}` is not supported; ")), "{error}");
    }
}

#[test]
fn backtraces_are_as_long_as_asked_for() -> Result<()> {
    for (frames, expected) in [(None, None), (std::num::NonZeroUsize::new(2), Some(2))] {
        let engine = Engine::new(Config::new().wasm_backtrace_max_frames(frames))?;
        let wat = r#"(module (func (export "f") (call 1)) (func (call 2)) (func (call 3)) (func unreachable))"#;
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &Module::new(&engine, wat)?, &[])?;
        let error = instance.get_typed_func::<(), ()>(&mut store, "f")?.call(&mut store, ()).unwrap_err();
        assert_eq!(error.downcast_ref::<WasmBacktrace>().map(|backtrace| backtrace.frames().len()), expected);
    }
    Ok(())
}
