//! Calls that the libraries of languages do not reach, with arguments that they would not pass: the functions of
//! `raw.wat`, each with what it must return and the passage that says so.

use epsilon::{Engine, Linker, Module, Store};
use epsilon_wasi::{Captured, Exit, WasiCtx};

use crate::world::World;
use crate::{engine, linker};

const BADF: i32 = 8;
const FAULT: i32 = 21;
const FBIG: i32 = 22;
const INVAL: i32 = 28;
const NOTSOCK: i32 = 57;
const NOTSUP: i32 = 58;
const SPIPE: i32 = 70;
const NOTCAPABLE: i32 = 76;

/// What a case ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Returns(i32),
    Exits(i32),
}

use End::{Exits, Returns};

/// Name, end, what the host must see afterwards, and the passage.
type Case = (&'static str, End, &'static str, &'static str);

const FILES: &[Case] = &[
    ("advise_on_a_stream", Returns(SPIPE), "", "POSIX posix_fadvise: [ESPIPE] associated with a pipe or FIFO"),
    ("advise_on_a_directory", Returns(BADF), "", "witx rights fd_advise is about files; practice is badf"),
    ("advise_that_is_none", Returns(INVAL), "", "POSIX posix_fadvise: [EINVAL] The value of advice is invalid"),
    ("advise_beyond_offsets", Returns(INVAL), "", "POSIX posix_fadvise: [EINVAL] the value of len is less than zero"),
    (
        "allocate_beyond_the_largest_file",
        Returns(FBIG),
        "size digits 10",
        "POSIX posix_fallocate: [EFBIG] offset+len is greater than the maximum file size",
    ),
    ("allocate_on_a_stream", Returns(SPIPE), "", "POSIX posix_fallocate: [ESPIPE] associated with a pipe or FIFO"),
];

const SHRINKS: &str = "witx fd_fdstat_set_rights: can only be used to remove rights, errno::notcapable otherwise";

const RIGHTS: &[Case] = &[
    ("rights_kept", Returns(0), "", SHRINKS),
    ("rights_added", Returns(NOTCAPABLE), "", SHRINKS),
    ("rights_that_do_not_exist", Returns(NOTCAPABLE), "", SHRINKS),
    ("rights_of_nothing", Returns(BADF), "", "witx errno badf: Bad file descriptor"),
    ("seek_without_right", Returns(NOTCAPABLE), "", "witx rights fd_seek: the right to invoke fd_seek"),
    ("tell_without_right", Returns(NOTCAPABLE), "", "witx rights fd_tell: the right to invoke fd_tell"),
    ("rights_shown_after_dropping", Returns(2), "", "witx fdstat fs_rights_base: rights that apply to this descriptor"),
    (
        "rights_inherited",
        Returns(BADF),
        "file digits 0123456789",
        "witx fdstat fs_rights_inheriting: maximum set of rights of descriptors created through this one",
    ),
];

const REPLACES: &str = "witx fd_renumber: atomically replace a file descriptor by renumbering another";

const RENUMBERING: &[Case] = &[
    ("renumber_standard_output", Returns(0), "file new bytes", REPLACES),
    ("renumber_frees_the_old_number", Returns(0), "", REPLACES),
    ("renumber_a_closed_one", Returns(BADF), "", "witx errno badf: Bad file descriptor"),
    ("renumber_to_a_closed_one", Returns(BADF), "", "witx errno badf: Bad file descriptor"),
    ("renumber_a_preopen_keeps_its_name", Returns(6), "", REPLACES),
];

const ENDS: &str = "POSIX: the default action of the signal; a shell shows 128 and its number";

const PROCESS: &[Case] = &[
    ("raise_none", Returns(0), "", "witx signal none: no signal; POSIX kill: error checking only"),
    ("raise_child", Returns(0), "", "witx signal chld: Action: Ignored"),
    ("raise_stop", Returns(NOTSUP), "", "witx signal stop: Action: Stops executing, which is not supported"),
    ("raise_what_is_no_signal", Returns(INVAL), "", "POSIX raise: [EINVAL] not a valid signal number"),
    ("raise_terminate", Exits(143), "", ENDS),
    ("raise_abort", Exits(134), "", ENDS),
    ("exit_zero", Exits(0), "", "witx proc_exit: an exit code of 0 indicates successful termination"),
    ("exit_large", Exits(125), "", "witx proc_exit: the meanings of other values depend on the environment"),
];

const SOCKETS: &[Case] = &[
    ("accept_on_a_file", Returns(NOTSOCK), "", "POSIX accept: [ENOTSOCK]"),
    ("accept_on_nothing", Returns(BADF), "", "POSIX accept: [EBADF]"),
    ("recv_on_a_file", Returns(NOTSOCK), "", "POSIX recv: [ENOTSOCK]"),
    ("send_on_a_directory", Returns(NOTSOCK), "", "POSIX send: [ENOTSOCK]"),
    ("shutdown_on_a_stream", Returns(NOTSOCK), "", "POSIX shutdown: [ENOTSOCK]"),
    ("shutdown_on_nothing", Returns(BADF), "", "POSIX shutdown: [EBADF]"),
];

const IN_THE_EVENT: &str = "witx event error: if non-zero, an error that occurred while processing the subscription";

const POLLING: &[Case] = &[
    ("poll_a_closed_descriptor", Returns(BADF), "", IN_THE_EVENT),
    ("poll_a_directory", Returns(BADF), "", IN_THE_EVENT),
    ("poll_output_for_reading", Returns(BADF), "", IN_THE_EVENT),
    ("poll_a_clock_that_does_not_exist", Returns(INVAL), "", IN_THE_EVENT),
    ("poll_a_clock_of_processor_time", Returns(NOTSUP), "", IN_THE_EVENT),
    ("poll_with_flags_that_do_not_exist", Returns(INVAL), "", IN_THE_EVENT),
    ("poll_for_what_does_not_exist", Returns(INVAL), "", "witx eventtype: clock, fd_read, fd_write"),
    ("poll_with_results_outside", Returns(FAULT), "", "witx errno fault: Bad address"),
    ("poll_with_a_count_outside", Returns(FAULT), "", "witx errno fault: Bad address"),
    ("poll_for_more_than_memory_holds", Returns(INVAL), "", "this crate's limit on subscriptions"),
    ("poll_tells_how_much", Returns(110), "", "witx event_fd_readwrite nbytes: the number of bytes available"),
    ("poll_for_a_hundred_timers", Returns(100), "", "witx event userdata: user-provided value of the subscription"),
    ("poll_for_a_mixture", Returns(4), "", "witx poll_oneoff: the number of events stored"),
];

const OUTSIDE: &str = "witx errno fault: Bad address; checked before anything is done";

const ADDRESSES: &[Case] = &[
    ("write_from_outside", Returns(FAULT), "", OUTSIDE),
    ("write_with_a_list_outside", Returns(FAULT), "", OUTSIDE),
    ("write_with_a_result_outside", Returns(FAULT), "size new 0", OUTSIDE),
    ("read_to_outside", Returns(FAULT), "", OUTSIDE),
    ("open_with_a_name_outside", Returns(FAULT), "", OUTSIDE),
    ("open_with_a_result_outside", Returns(FAULT), "none new", OUTSIDE),
    ("arguments_to_outside", Returns(FAULT), "", OUTSIDE),
    ("environment_to_outside", Returns(FAULT), "", OUTSIDE),
    ("time_to_outside", Returns(FAULT), "", OUTSIDE),
    ("time_to_the_last_bytes", Returns(0), "", "witx clock_time_get: a timestamp has 8 bytes"),
    ("random_to_outside", Returns(FAULT), "", OUTSIDE),
    ("random_over_all_memory", Returns(0), "", "witx random_get: write high-quality random data into a buffer"),
    ("list_to_outside", Returns(FAULT), "", OUTSIDE),
    ("filestat_has_64_bytes", Returns(7), "", "witx filestat: (@witx size 64), nlink at 24, size at 32"),
    ("fdstat_has_24_bytes", Returns(7), "", "witx fdstat: size 24, filetype at 0"),
    ("prestat_has_8_bytes", Returns(7), "", "witx prestat: size 8, tag at 0, pr_name_len at 4"),
];

/// What the cases of one text share.
struct Text {
    engine: Engine,
    linker: Linker<WasiCtx>,
    module: Module,
}

impl Text {
    fn new(wat: &str) -> Text {
        let engine = engine();
        let module = Module::new(&engine, wat).expect("a module");
        Text { linker: linker(&engine), module, engine }
    }

    fn run(&self, (name, end, host, passage): &Case) -> Vec<String> {
        let (world, output) = (World::new(), Captured::new());
        let ctx = world.context(&["raw"], &output, &output);
        let mut store = Store::new(&self.engine, ctx);
        let instance = self.linker.instantiate(&mut store, &self.module).expect("an instance");
        let case = instance.get_typed_func::<(), i32>(&mut store, name).expect("a case");
        let ended = match case.call(&mut store, ()) {
            Ok(value) => Ok(Returns(value)),
            Err(error) => error.downcast_ref::<Exit>().map(|exit| Exits(exit.0)).ok_or(error.to_string()),
        };
        drop(store);
        let mut complaints = world.complaints(&if host.is_empty() { String::new() } else { format!("host {host}") });
        if ended != Ok(*end) {
            complaints.push(format!("it ended with {ended:?} instead of {end:?} ({passage})"));
        }
        complaints
    }
}

#[test]
fn cases_in_text() {
    let text = Text::new(include_str!("raw.wat"));
    let groups = [FILES, RIGHTS, RENUMBERING, PROCESS, SOCKETS, POLLING, ADDRESSES];
    let mut wrong = String::new();
    let mut names: Vec<&str> = Vec::new();
    for case in groups.into_iter().flatten() {
        names.push(case.0);
        for complaint in text.run(case) {
            wrong.push_str(&format!("\nraw {}: {complaint}", case.0));
        }
    }
    let exports: Vec<_> = text.module.exports().map(|export| export.name().to_owned()).collect();
    for export in exports.iter().filter(|name| *name != "memory" && !names.contains(&name.as_str())) {
        wrong.push_str(&format!("\nraw {export} is not in the list"));
    }
    assert!(wrong.is_empty(), "{wrong}");
}
