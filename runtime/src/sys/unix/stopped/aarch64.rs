//! [`Stopped`] on aarch64.

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

    /// The program counter.
    pub fn pc(&self) -> usize {
        self.0.uc_mcontext.pc as usize
    }

    /// The frame pointer.
    pub fn fp(&self) -> usize {
        self.0.uc_mcontext.regs[29] as usize
    }

    /// The stack pointer.
    pub fn sp(&self) -> usize {
        self.0.uc_mcontext.sp as usize
    }

    /// The link register.
    pub fn link(&self) -> usize {
        self.0.uc_mcontext.regs[30] as usize
    }

    /// The pinned register.
    pub fn anchor(&self) -> usize {
        self.0.uc_mcontext.regs[21] as usize
    }

    /// Makes the thread go on at `pc`.
    pub fn resume_at(&mut self, pc: usize) {
        self.0.uc_mcontext.pc = pc as u64;
    }

    /// Makes the thread go on with this stack pointer.
    pub fn set_sp(&mut self, sp: usize) {
        self.0.uc_mcontext.sp = sp as u64;
    }

    /// Keeps a signal from the thread until it returns from the handler that was stopped.
    pub fn block(&mut self, signal: i32) {
        // SAFETY: the kernel's part of the set has a place for every signal.
        unsafe { libc::sigaddset(&raw mut self.0.uc_sigmask, signal) };
    }
}
