//! The labels of fixed code, the same on every architecture: where it begins, where it ends, and from where on it has
//! looked at the pending flag for the last time. The code that holds them is in the file of the architecture.

/// A label in assembly, which the whole crate can name.
macro_rules! mark {
    ($name:literal) => {
        concat!(".globl ", $name, "\n.hidden ", $name, "\n", $name, ":")
    };
}
pub(super) use mark;

unsafe extern "C" {
    pub(super) fn epsilon_landing_pad();
    pub(super) fn epsilon_landing_left();
    pub(super) fn epsilon_enter_switched();
    pub(super) fn epsilon_enter_return();
    pub(super) fn epsilon_enter_left();
    pub(super) fn epsilon_enter_window();
    pub(super) fn epsilon_host_window();
    pub(super) fn epsilon_host_end();
    pub(super) fn epsilon_host_start();
    pub(super) fn epsilon_switch_start();
    pub(super) fn epsilon_switch_end();
    pub(super) fn epsilon_switch_restore();
    pub(super) fn epsilon_libcall_start();
    pub(super) fn epsilon_libcall_window();
    pub(super) fn epsilon_libcall_end();
    pub(super) fn epsilon_materialise_start();
    pub(super) fn epsilon_materialise_window();
    pub(super) fn epsilon_materialise_end();
    pub(super) fn epsilon_bulk_copy();
    pub(super) fn epsilon_bulk_copy_end();
    pub(super) fn epsilon_bulk_many();
    pub(super) fn epsilon_bulk_many_end();
    pub(super) fn epsilon_bulk_fill();
    pub(super) fn epsilon_bulk_fill_end();
}

/// Where every activation can be ended, given its anchor in the pinned register.
pub fn landing_pad() -> usize {
    epsilon_landing_pad as *const () as usize
}

/// The return address of an activation's outermost wasm frame.
pub fn enter_return() -> usize {
    epsilon_enter_return as *const () as usize
}

/// The return address of whatever a thunk between instances calls: the frame around it is the thunk's.
pub fn switch_restore() -> usize {
    epsilon_switch_restore as *const () as usize
}

/// A place in fixed code; only its address is used.
pub(super) type Label = unsafe extern "C" fn();

/// Whether `pc` is in code that moves bytes for wasm: an activation may be ended there, as in wasm itself.
fn is_bulk_routine(pc: usize) -> bool {
    is_between(pc, epsilon_bulk_copy, epsilon_bulk_copy_end)
        || is_between(pc, epsilon_bulk_many, epsilon_bulk_many_end)
        || is_between(pc, epsilon_bulk_fill, epsilon_bulk_fill_end)
}

fn is_between(pc: usize, start: Label, end: Label) -> bool {
    (start as *const () as usize..end as *const () as usize).contains(&pc)
}

/// Whether `pc` is in fixed code that runs on the wasm stack: a fault there is a stack overflow.
pub fn runs_on_wasm_stack(pc: usize) -> bool {
    is_between(pc, epsilon_host_start, epsilon_host_end)
        || is_between(pc, epsilon_switch_start, epsilon_switch_end)
        || is_between(pc, epsilon_libcall_start, epsilon_libcall_end)
        || is_between(pc, epsilon_materialise_start, epsilon_materialise_end)
        || is_between(pc, epsilon_enter_switched, epsilon_enter_left)
        || is_bulk_routine(pc)
}

/// Whether `pc` is in the landing pad, before that has left the wasm stack.
pub fn is_landing(pc: usize) -> bool {
    is_between(pc, epsilon_landing_pad, epsilon_landing_left)
}

/// How many bytes `pc` lies behind the beginning of fixed code that wasm calls: there its frame is made, by the same
/// instructions as in compiled functions.
pub fn fixed_code_offset(pc: usize) -> Option<u32> {
    let starts = [
        epsilon_host_start,
        epsilon_switch_start,
        epsilon_libcall_start,
        epsilon_materialise_start,
        epsilon_bulk_copy,
        epsilon_bulk_fill,
    ];
    let offset = |start: &Label| pc.checked_sub(*start as *const () as usize).filter(|offset| *offset <= 8);
    starts.iter().find_map(offset).map(|offset| offset as u32)
}

/// Whether `pc` is in fixed code behind its last look at the pending flag: an interruption there acts at once.
pub fn is_past_pending_check(pc: usize) -> bool {
    is_between(pc, epsilon_enter_window, epsilon_enter_return)
        || is_between(pc, epsilon_host_window, epsilon_host_end)
        || is_between(pc, epsilon_switch_start, epsilon_switch_end)
        || is_between(pc, epsilon_libcall_window, epsilon_libcall_end)
        || is_between(pc, epsilon_materialise_window, epsilon_materialise_end)
        || is_bulk_routine(pc)
}
