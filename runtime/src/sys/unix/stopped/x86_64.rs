//! [`Stopped`] on x86_64.

/// The registers that matter of a thread stopped by a signal.
pub struct Stopped<'a>(&'a mut libc::ucontext_t);

impl<'a> Stopped<'a> {
    /// Reads a signal handler's third argument.
    ///
    /// # Safety
    /// `context` must be that argument, and not be used otherwise meanwhile.
    pub unsafe fn new(context: *mut libc::c_void) -> Self {
        // SAFETY: the kernel passes a valid ucontext to SA_SIGINFO handlers.
        Self(unsafe { &mut *context.cast() })
    }

    fn get(&self, register: i32) -> usize {
        self.0.uc_mcontext.gregs[register as usize] as usize
    }

    /// The program counter.
    pub fn pc(&self) -> usize {
        self.get(libc::REG_RIP)
    }

    /// The frame pointer.
    pub fn fp(&self) -> usize {
        self.get(libc::REG_RBP)
    }

    /// The stack pointer.
    pub fn sp(&self) -> usize {
        self.get(libc::REG_RSP)
    }

    /// The link register, which this architecture does not have.
    pub fn link(&self) -> usize {
        0
    }

    /// The pinned register.
    pub fn anchor(&self) -> usize {
        self.get(libc::REG_R15)
    }

    /// Makes the thread go on at `pc`.
    pub fn resume_at(&mut self, pc: usize) {
        self.0.uc_mcontext.gregs[libc::REG_RIP as usize] = pc as i64;
    }

    /// Makes the thread go on with this stack pointer.
    pub fn set_sp(&mut self, sp: usize) {
        self.0.uc_mcontext.gregs[libc::REG_RSP as usize] = sp as i64;
    }

    /// Keeps a signal from the thread until it returns from the handler that was stopped.
    pub fn block(&mut self, signal: i32) {
        // SAFETY: the kernel's part of the set has a place for every signal.
        unsafe { libc::sigaddset(&raw mut self.0.uc_sigmask, signal) };
    }
}
