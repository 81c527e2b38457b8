//! The end of a guest, signals, and giving way.

use epsilon_wasi::{Errno, Exit, NOT_YET, Param, Version, calls};

use crate::guest::Guest;

/// witx `proc_exit`: "Terminate the process normally. An exit code of 0 indicates successful termination of the
/// program. The meanings of other values is dependent on the environment."
#[test]
fn exit_codes_arrive() {
    for code in [0, 1, 42, 255, 256, u64::from(u32::MAX)] {
        assert_eq!(Guest::new().call_or_exit("proc_exit", &[code]), Err(Exit(code as u32 as i32)));
    }
    let error: Box<dyn std::error::Error> = Box::new(Exit(3));
    assert_eq!(error.downcast_ref::<Exit>(), Some(&Exit(3)));
    assert_eq!(error.to_string(), "the guest ended with exit code 3");
}

/// witx `proc_raise`: "Send a signal to the process of the caller. Note: This is similar to `raise` in POSIX."
#[test]
fn signals_do_what_they_do_without_a_handler() {
    let mut guest = Guest::new();
    for ignored in [0, 16, 17, 22, 27] {
        assert_eq!(guest.call("proc_raise", &[ignored]), Ok(()));
    }
    for stopping in 18..=21 {
        assert_eq!(guest.call("proc_raise", &[stopping]), Err(Errno::NotSup));
    }
    for (deadly, code) in [(6, 134), (9, 137), (15, 143), (30, 158)] {
        assert_eq!(guest.call_or_exit("proc_raise", &[deadly]), Err(Exit(code)));
    }
    for unknown in [31, 255, u64::from(u32::MAX)] {
        assert_eq!(guest.call("proc_raise", &[unknown]), Err(Errno::Inval));
    }
}

/// witx `sched_yield`: "Temporarily yield execution of the calling thread."
#[test]
fn giving_way_succeeds() {
    assert_eq!(Guest::new().call("sched_yield", &[]), Ok(()));
}

#[test]
fn no_call_is_missing() {
    let names = |version| {
        let mut names: Vec<_> = calls(version).iter().map(|call| call.name).collect();
        names.sort();
        names.dedup();
        names
    };
    let preview1 = names(Version::Preview1);
    assert_eq!(preview1.len(), 46);
    let mut unstable = names(Version::Unstable);
    unstable.push("sock_accept");
    unstable.sort();
    assert_eq!(unstable, preview1, "accepting connections came later than the rest");
    assert!(NOT_YET.is_empty());
}

#[test]
fn signatures_are_those_of_the_specification() {
    let table = calls(Version::Preview1);
    let shape = |name: &str| {
        let call = table.iter().find(|call| call.name == name).unwrap();
        let params: String = call.params.iter().map(|param| if *param == Param::I32 { 'i' } else { 'l' }).collect();
        (params, call.returns_errno)
    };
    let cases = [
        ("args_get", "ii"),
        ("clock_time_get", "ili"),
        ("fd_advise", "illi"),
        ("fd_allocate", "ill"),
        ("fd_fdstat_set_rights", "ill"),
        ("fd_filestat_set_size", "il"),
        ("fd_filestat_set_times", "illi"),
        ("fd_pread", "iiili"),
        ("fd_readdir", "iiili"),
        ("fd_seek", "ilii"),
        ("path_filestat_set_times", "iiiilli"),
        ("path_link", "iiiiiii"),
        ("path_open", "iiiiillii"),
        ("path_readlink", "iiiiii"),
        ("path_rename", "iiiiii"),
        ("path_symlink", "iiiii"),
        ("poll_oneoff", "iiii"),
        ("sched_yield", ""),
        ("sock_accept", "iii"),
        ("sock_recv", "iiiiii"),
        ("sock_send", "iiiii"),
    ];
    for (name, params) in cases {
        assert_eq!(shape(name), (params.to_owned(), true), "{name}");
    }
    assert_eq!(shape("proc_exit"), ("i".to_owned(), false));
}

/// A store and its data move between threads.
#[test]
fn contexts_move_between_threads() {
    let mut ctx = Guest::new().ctx;
    let table = calls(Version::Preview1);
    std::thread::spawn(move || {
        let close = table.iter().find(|call| call.name == "fd_close").unwrap();
        close.run(Version::Preview1, &mut ctx, epsilon_wasi::GuestMemory::new(&mut []), &[3]).unwrap();
    })
    .join()
    .unwrap();
}
