//! Who compiles what: a function is asked for once, however many threads want it at the same time, and nobody waits for
//! a function that it does not want.

use epsilon_abi::{
    CompiledFunction, CompositeType, DefinedFuncIndex, FuncType, MemoryPlan, ModuleInfo, TypeDef, TypeIndex,
};
use epsilon_runtime::{
    BoxedError, Demand, FunctionSource, LinkedModule, ModuleBytes, Runtime, RuntimeSettings, Symbol, Symbolicate,
    UNLIMITED,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

const FUNCTIONS: usize = 64;

/// How long something may take that takes no time, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(30);

/// A source whose function 0 takes until it is told to go on.
struct Slow {
    asked: [AtomicUsize; FUNCTIONS],
    may_go_on: Mutex<bool>,
    changed: Condvar,
}

impl Slow {
    fn new() -> Arc<Self> {
        let asked = std::array::from_fn(|_| AtomicUsize::new(0));
        Arc::new(Self { asked, may_go_on: Mutex::new(false), changed: Condvar::new() })
    }

    fn go_on(&self) {
        *self.may_go_on.lock().expect("no panic") = true;
        self.changed.notify_all();
    }
}

struct Source {
    slow: Arc<Slow>,
    info: Arc<ModuleInfo>,
    wasm: Arc<ModuleBytes>,
}

// SAFETY: nothing of what it gives is ever run.
unsafe impl FunctionSource for Source {
    fn plan(&self) -> MemoryPlan {
        MemoryPlan::CHECKED
    }

    fn info(&self) -> &Arc<ModuleInfo> {
        &self.info
    }

    fn wasm(&self) -> &Arc<ModuleBytes> {
        &self.wasm
    }

    fn function(
        &self,
        index: DefinedFuncIndex,
        _: Demand,
        _: &(dyn Fn() -> bool + Sync),
    ) -> Result<CompiledFunction, BoxedError> {
        self.slow.asked[index.index()].fetch_add(1, Ordering::SeqCst);
        if index.index() == 0 {
            let mut may_go_on = self.slow.may_go_on.lock().expect("no panic");
            while !*may_go_on {
                may_go_on = self.slow.changed.wait(may_go_on).expect("no panic");
            }
        }
        // Never run.
        Ok(CompiledFunction { code: vec![0; 64], align_bytes: 16, ..CompiledFunction::default() })
    }
}

struct NoSymbols;

impl Symbolicate for NoSymbols {
    fn symbols(&self, _: &LinkedModule, _: u32) -> Vec<Symbol> {
        Vec::new()
    }

    fn demangle(&self, _: &str) -> Option<String> {
        None
    }
}

fn module(slow: &Arc<Slow>) -> Arc<LinkedModule> {
    let settings = RuntimeSettings {
        pool: None,
        address_map: true,
        shared_memories: true,
        max_memory_size_bytes: usize::MAX,
        plan: MemoryPlan::CHECKED,
        max_wasm_stack_bytes: 1 << 20,
        backtrace_frames: usize::MAX,
        epochs: false,
        max_memory_bytes: UNLIMITED,
        samples: false,
        code_room_bytes: None,
        gc_heap_reservation_bytes: 0,
        gc_stress: 0,
        fault: None,
    };
    let info = ModuleInfo {
        types: vec![TypeDef {
            is_final: true,
            supertype: None,
            rec_group: 0..1,
            composite: CompositeType::Func(FuncType::default()),
        }],
        functions: vec![TypeIndex(0); FUNCTIONS],
        bodies: vec![0..0; FUNCTIONS],
        escaping_functions: vec![false; FUNCTIONS],
        ..ModuleInfo::default()
    };
    let runtime = Arc::new(Runtime::new(settings));
    let source = Source { slow: slow.clone(), info: Arc::new(info), wasm: Arc::new(Vec::new().into()) };
    LinkedModule::new(&runtime, 1 << 20, Box::new(source), Box::new(NoSymbols)).expect("room for code")
}

#[test]
fn nobody_waits_for_a_function_that_it_does_not_want() {
    let slow = Slow::new();
    let module = module(&slow);
    let (done, when_done) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| module.materialise(DefinedFuncIndex(0), Demand::Call).expect("code"));
        while slow.asked[0].load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let others = done.clone();
        let (module, slow) = (&module, &slow);
        scope.spawn(move || {
            for n in 1..FUNCTIONS {
                module.materialise(DefinedFuncIndex::new(n), Demand::Call).expect("code");
            }
            others.send(()).expect("somebody listens");
        });
        let others_done = when_done.recv_timeout(PATIENCE);
        let first_linked = module.is_linked(DefinedFuncIndex(0));
        slow.go_on();
        others_done.expect("the others do not wait for function 0");
        assert!(!first_linked, "function 0 was still being compiled");
    });
    assert_eq!(module.linked_functions(), FUNCTIONS);
}

#[test]
fn a_function_is_asked_for_once_whoever_wants_it() {
    let slow = Slow::new();
    let module = module(&slow);
    let addresses = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (module, addresses) = (&module, &addresses);
            scope.spawn(move || {
                let demand = if thread % 2 == 0 { Demand::Call } else { Demand::Background };
                // All want function 0 first, so that they wait for one of them; then each goes its own way.
                for n in 0..FUNCTIONS {
                    let index = DefinedFuncIndex::new(if n == 0 { 0 } else { (n * (2 * thread + 1)) % FUNCTIONS });
                    let address = module.materialise(index, demand).expect("code");
                    addresses.lock().expect("no panic").push((index.index(), address));
                }
            });
        }
        std::thread::sleep(Duration::from_millis(50));
        slow.go_on();
    });
    let mut addresses = addresses.into_inner().expect("no panic");
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), FUNCTIONS, "each function has one address");
    for asked in &slow.asked {
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}
