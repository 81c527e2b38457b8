//! Arguments and environment.

use epsilon_wasi::{BuildError, Errno, WasiCtx};

use crate::guest::Guest;

/// witx `args_get`: "Read command-line argument data. The size of the array should match that returned by
/// `args_sizes_get`. Each argument is expected to be `\0` terminated."
fn read_list(guest: &mut Guest, what: &str) -> Vec<Vec<u8>> {
    let (count_at, size_at) = (guest.room(4), guest.room(4));
    guest.call(&format!("{what}_sizes_get"), &[count_at, size_at]).unwrap();
    let (count, size) = (guest.u32_at(count_at), guest.u32_at(size_at));
    let (ptrs, texts) = (guest.room(count as usize * 4), guest.room(size as usize));
    guest.call(&format!("{what}_get"), &[ptrs, texts]).unwrap();
    let list: Vec<Vec<u8>> = (0..u64::from(count))
        .map(|i| {
            let at = u64::from(guest.u32_at(ptrs + 4 * i));
            let end = guest.memory[at as usize..].iter().position(|byte| *byte == 0).unwrap();
            guest.slice(at, end as u64).to_vec()
        })
        .collect();
    assert_eq!(list.iter().map(|text| text.len() + 1).sum::<usize>(), size as usize);
    list
}

#[test]
fn arguments_arrive_as_given() {
    let lists: &[&[&str]] = &[&[], &["program"], &["program", "", "-x", "ünï cödé", "a=b"]];
    for list in lists {
        let mut guest = Guest::with(|builder| {
            builder.try_args(*list).unwrap();
        });
        let read = read_list(&mut guest, "args");
        assert_eq!(read, list.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
    }
}

#[test]
fn many_and_long_arguments_arrive() {
    let long = "x".repeat(100_000);
    let many: Vec<String> = (0..10_000).map(|i| i.to_string()).collect();
    let mut guest = Guest::with(|builder| {
        builder.try_arg(&long).unwrap().try_args(&many).unwrap();
    });
    let read = read_list(&mut guest, "args");
    assert_eq!(read.len(), 10_001);
    assert_eq!(read[0].len(), 100_000);
    assert_eq!(read[10_000], b"9999");
}

#[test]
fn the_environment_arrives_as_given() {
    let mut guest = Guest::with(|builder| {
        builder.try_env("A", "1").unwrap().try_env("EMPTY", "").unwrap().try_env("EQUALS", "a=b").unwrap();
        builder.try_env("A", "2").unwrap();
    });
    let read = read_list(&mut guest, "environ");
    assert_eq!(read, [b"EMPTY=".to_vec(), b"EQUALS=a=b".to_vec(), b"A=2".to_vec()], "the last value of a name counts");
}

#[test]
fn lists_that_do_not_fit_change_nothing() {
    let mut guest = Guest::with(|builder| {
        builder.try_arg("program").unwrap();
    });
    let end = guest.memory.len() as u64;
    assert_eq!(guest.call("args_get", &[0, end - 4]), Err(Errno::Fault));
    assert_eq!(guest.call("args_get", &[end - 2, 0]), Err(Errno::Fault));
    assert_eq!(guest.call("args_sizes_get", &[0, end - 3]), Err(Errno::Fault));
    assert_eq!(guest.call("environ_sizes_get", &[end, 0]), Err(Errno::Fault));
    assert_eq!(guest.call("args_get", &[end - 4, end - 12]), Ok(()), "the last bytes can be used");
}

#[test]
fn what_cannot_be_told_apart_is_refused() {
    let mut builder = WasiCtx::builder();
    assert!(matches!(builder.try_arg("a\0b"), Err(BuildError::ZeroByte { .. })));
    assert!(matches!(builder.try_env("A", "a\0b"), Err(BuildError::ZeroByte { .. })));
    assert!(matches!(builder.try_env("A=B", ""), Err(BuildError::VariableName(_))));
    assert!(matches!(builder.try_env("", "x"), Err(BuildError::VariableName(_))));
    let error = builder.directory("/no/such/place", "/", epsilon_wasi::Access::ReadOnly).unwrap_err();
    assert_eq!(error.to_string(), "cannot open directory \"/no/such/place\"");
}
