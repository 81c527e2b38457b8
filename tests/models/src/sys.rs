//! The system calls of an interruption.

pub mod signal {
    //! Which signal it is does not matter.

    pub fn interrupt_signal() -> i32 {
        0
    }
}

pub mod thread {
    //! The barrier over all threads, and signals.
    //!
    //! `membarrier` makes every thread that runs pass a full barrier between two of its instructions, at some time
    //! between the call and its return; a thread that does not run passes one when it is switched. So in the model the
    //! sender asks, and the other thread passes a fence where it next stands between two steps, or has none left.

    use loom::sync::atomic::{AtomicBool, AtomicI32, Ordering, fence};
    use std::cell::RefCell;
    use std::io;
    use std::sync::Arc;

    /// The kernel, as two threads see it.
    #[derive(Default)]
    pub struct Kernel {
        asked: AtomicBool,
        passed: AtomicBool,
        /// The thread that was sent a signal.
        pub signalled: AtomicI32,
        /// Whether the barrier is left out, to see what it is for.
        has_no_barrier: bool,
    }

    std::thread_local! {
        static KERNEL: RefCell<Option<Arc<Kernel>>> = const { RefCell::new(None) };
    }

    impl Kernel {
        pub fn new(has_no_barrier: bool) -> Arc<Self> {
            Arc::new(Self { has_no_barrier, ..Self::default() })
        }

        /// A point between two instructions of the thread that may be interrupted.
        pub fn between_instructions(&self) {
            if self.asked.load(Ordering::Relaxed) {
                self.pass();
            }
        }

        /// The end of its instructions: from here on it can be made to pass a barrier at any time.
        pub fn pass(&self) {
            fence(Ordering::SeqCst);
            self.passed.store(true, Ordering::Release);
        }

        /// Makes system calls inside of `body` those of this kernel.
        pub fn serve(self: &Arc<Self>, body: impl FnOnce()) {
            KERNEL.with(|kernel| *kernel.borrow_mut() = Some(self.clone()));
            body();
            KERNEL.with(|kernel| *kernel.borrow_mut() = None);
        }
    }

    fn kernel() -> Arc<Kernel> {
        KERNEL.with(|kernel| kernel.borrow().clone().expect("a model that serves system calls"))
    }

    pub fn fence_all_threads() -> bool {
        let kernel = kernel();
        if !kernel.has_no_barrier {
            fence(Ordering::SeqCst);
            kernel.asked.store(true, Ordering::Release);
            while !kernel.passed.load(Ordering::Acquire) {
                loom::thread::yield_now();
            }
            fence(Ordering::SeqCst);
        }
        true
    }

    pub fn interrupt(thread: i32, _: i32) -> io::Result<()> {
        kernel().signalled.store(thread, Ordering::SeqCst);
        Ok(())
    }
}
