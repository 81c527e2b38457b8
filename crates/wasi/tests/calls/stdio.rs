//! Standard streams: captured, streamed, and those of the process itself.
//!
//! The last kind is tested in a process of its own: this test binary again, started with a variable that says what
//! the guest in it is to do.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use epsilon_wasi::{Captured, Errno, InputStream, OutputStream};

use crate::guest::*;

#[test]
fn captured_output_is_there_at_once() {
    let mut guest = Guest::new();
    guest.write(1, b"out").unwrap();
    guest.write(2, b"err").unwrap();
    assert_eq!((guest.out.contents(), guest.err.contents()), (b"out".to_vec(), b"err".to_vec()));
    assert_eq!(guest.out.take(), b"out");
    assert_eq!(guest.out.contents(), b"");
}

/// POSIX `write`: "[ENOSPC] There was no free space remaining"; what fits is written first.
#[test]
fn captured_output_is_bounded() {
    let captured = Captured::with_limit(10);
    let mut guest = Guest::with(|builder| {
        builder.stdout(OutputStream::captured(captured.clone()));
    });
    assert_eq!(guest.write(1, b"12345678"), Ok(8));
    assert_eq!(guest.write(1, b"12345678"), Ok(2));
    assert_eq!(guest.write(1, b"x"), Err(Errno::Nospc));
    assert_eq!(guest.write(1, b""), Ok(0));
    assert_eq!(captured.contents(), b"1234567812");
}

#[test]
fn input_of_bytes_ends() {
    let mut guest = Guest::with(|builder| {
        builder.stdin(InputStream::bytes("some input"));
    });
    assert_eq!(guest.read(0, 4), Ok(b"some".to_vec()));
    assert_eq!(guest.read(0, 100), Ok(b" input".to_vec()));
    assert_eq!(guest.read(0, 100), Ok(vec![]));
    assert_eq!(Guest::new().read(0, 100), Ok(vec![]), "by default there is none");
}

#[test]
fn input_of_a_stream_is_read_as_it_comes() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut guest = Guest::with(|builder| {
        builder.stdin(InputStream::stream(reader));
    });
    writer.write_all(b"first").unwrap();
    assert_eq!(guest.read(0, 100), Ok(b"first".to_vec()));
    writer.write_all(b"second").unwrap();
    drop(writer);
    assert_eq!(guest.read(0, 3), Ok(b"sec".to_vec()));
    assert_eq!(guest.read(0, 100), Ok(b"ond".to_vec()));
    assert_eq!(guest.read(0, 100), Ok(vec![]));
}

/// A stream of the embedder's that counts how often it is written to.
struct Counting {
    writes: mpsc::Sender<usize>,
}

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writes.send(bytes.len()).map_err(|_| std::io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes until what comes next is held back: the first few writes go through at once.
fn use_up_prompt_writes(guest: &mut Guest) {
    for _ in 0..PROMPT_WRITES {
        guest.write(1, b".").unwrap();
    }
}

const PROMPT_WRITES: usize = 8;

#[test]
fn the_first_writes_go_through_at_once() {
    let (writes, seen) = mpsc::channel();
    let mut guest = Guest::with(|builder| {
        builder.stdout(OutputStream::stream(Counting { writes }));
    });
    for _ in 0..PROMPT_WRITES {
        guest.write(1, b"hello\n").unwrap();
        assert_eq!(seen.try_recv(), Ok(6));
    }
}

#[test]
fn short_lines_become_long_writes() {
    let (writes, seen) = mpsc::channel();
    let mut guest = Guest::with(|builder| {
        builder.stdout(OutputStream::stream(Counting { writes }));
    });
    for _ in 0..100_000 {
        guest.write(1, b"a short line\n").unwrap();
    }
    drop(guest);
    let sizes: Vec<usize> = seen.iter().collect();
    assert_eq!(sizes.iter().sum::<usize>(), 1_300_000, "dropping the context writes the rest");
    assert!(sizes.len() < 1000, "{} writes", sizes.len());
}

#[test]
fn output_appears_without_further_calls() {
    let (writes, seen) = mpsc::channel();
    let mut guest = Guest::with(|builder| {
        builder.stdout(OutputStream::stream(Counting { writes }));
    });
    use_up_prompt_writes(&mut guest);
    assert_eq!(seen.iter().take(PROMPT_WRITES).sum::<usize>(), PROMPT_WRITES);
    guest.write(1, b"held back").unwrap();
    assert_eq!(seen.recv_timeout(Duration::from_secs(10)), Ok(9));
}

#[test]
fn output_appears_when_asked_for() {
    let asks: &[(&str, &[u64])] = &[("fd_sync", &[1]), ("fd_datasync", &[1]), ("fd_close", &[1])];
    for (call, args) in asks {
        let (writes, seen) = mpsc::channel();
        let mut guest = Guest::with(|builder| {
            builder.stdout(OutputStream::stream(Counting { writes }));
        });
        use_up_prompt_writes(&mut guest);
        assert_eq!(seen.try_iter().count(), PROMPT_WRITES);
        guest.write(1, b"x").unwrap();
        guest.call(call, args).unwrap();
        assert_eq!(seen.try_recv(), Ok(1), "{call}");
    }
    let (writes, seen) = mpsc::channel();
    let mut guest = Guest::with(|builder| {
        builder.stdout(OutputStream::stream(Counting { writes }));
    });
    use_up_prompt_writes(&mut guest);
    assert_eq!(seen.try_iter().count(), PROMPT_WRITES);
    guest.write(1, b"x").unwrap();
    guest.ctx.flush().unwrap();
    assert_eq!(seen.try_recv(), Ok(1));
    guest.write(1, b"xy").unwrap();
    guest.write(2, b"an error").unwrap();
    assert_eq!(seen.try_recv(), Ok(2), "errors do not overtake");
    guest.write(1, b"xyz").unwrap();
    assert!(guest.call_or_exit("proc_exit", &[0]).is_err());
    assert_eq!(seen.try_recv(), Ok(3), "and the end comes last");
}

/// POSIX `write`: "[EPIPE] An attempt is made to write to a pipe [...] that is not open for reading by any process."
#[test]
fn a_reader_that_has_gone_is_a_broken_pipe() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut guest = Guest::with(|builder| {
        builder.stdout(OutputStream::stream(writer));
    });
    let mut result = Ok(0);
    for _ in 0..100_000 {
        result = guest.write(1, b"a line for nobody\n");
        if result.is_err() {
            break;
        }
    }
    assert_eq!(result, Err(Errno::Pipe));
    assert_eq!(guest.write(1, b"again"), Err(Errno::Pipe));
    assert!(guest.ctx.flush().is_err());
}

/// A process that does not listen is ended by the first SIGPIPE; a guest is told first, and not for ever.
#[test]
fn a_guest_that_does_not_listen_is_ended() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut guest = Guest::with(|builder| {
        builder.stdout(OutputStream::stream(writer));
    });
    let (buffer, size) = guest.bytes(b"a line for nobody\n");
    let (iovs, count) = guest.iovs(&[(buffer, size)]);
    let mut told = 0;
    let exit = loop {
        match guest.call_or_exit("fd_write", &[1, iovs, count, 16]) {
            Ok(Err(errno)) => {
                assert_eq!(errno, Errno::Pipe);
                told += 1;
            }
            Ok(Ok(())) => assert_eq!(told, 0),
            Err(exit) => break exit,
        }
        assert!(told < 2000);
    };
    assert_eq!(exit.0, 141, "128 and the number of SIGPIPE");
    assert!(told >= 1000);
}

#[test]
fn an_error_of_the_stream_arrives_late_but_arrives() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut guest = Guest::with(|builder| {
        builder.stdout(OutputStream::stream(Full(PROMPT_WRITES)));
    });
    use_up_prompt_writes(&mut guest);
    assert_eq!(guest.write(1, b"x"), Ok(1));
    assert_eq!(guest.close(1), Err(Errno::Nospc));
}

#[test]
fn streams_are_no_files() {
    let mut guest = Guest::with(|builder| {
        builder.stdin(InputStream::bytes("x"));
    });
    assert_eq!(guest.read(1, 1), Err(Errno::Badf));
    assert_eq!(guest.write(0, b"x"), Err(Errno::Badf));
    for fd in 0..3 {
        assert_eq!(guest.seek(fd, 0, CUR), Err(Errno::Spipe));
        assert_eq!(guest.tell(fd), Err(Errno::Spipe));
        assert_eq!(guest.stat(fd).unwrap().filetype, 0);
        assert_eq!(guest.call("fd_filestat_set_times", &[fd.into(), 0, 0, 4]), Err(Errno::Inval));
        let stat = guest.fdstat(fd).unwrap();
        assert_eq!(stat.filetype, 0, "unknown: not a terminal");
        assert_eq!(stat.base & RW, if fd == 0 { READ } else { WRITE });
    }
    assert_eq!(guest.pread(0, 1, 0), Err(Errno::Spipe));
    assert_eq!(guest.pwrite(1, b"x", 0), Err(Errno::Spipe));
    assert_eq!(guest.call("fd_allocate", &[1, 0, 1]), Err(Errno::Spipe));
}

// The process's own streams.

const TASK: &str = "EPSILON_WASI_TEST_TASK";

fn child(task: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "stdio::in_a_process_of_its_own", "--nocapture", "--test-threads=1"]);
    command.env(TASK, task).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What the guest wrote; the test harness has its say before.
fn said(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output).into_owned();
    text.split_once("GUEST:").map(|(_, said)| said.to_owned()).unwrap_or(text)
}

/// Not a test but the child of the tests below; on its own it does nothing.
#[test]
fn in_a_process_of_its_own() {
    let Ok(task) = std::env::var(TASK) else { return };
    let mut guest = Guest::with(|builder| {
        builder.inherit_stdio();
    });
    use_up_prompt_writes(&mut guest);
    guest.write(1, b"GUEST:").unwrap();
    let code = perform(&task, &mut guest);
    drop(guest);
    std::process::exit(code);
}

fn perform(task: &str, guest: &mut Guest) -> i32 {
    match task {
        "lines" => {
            for _ in 0..100_000 {
                guest.write(1, b"short line\n").unwrap();
            }
        }
        "turns" => {
            for i in 0..20 {
                guest.write(1 + i % 2, format!("{i} ").as_bytes()).unwrap();
            }
        }
        "ask" => {
            guest.write(1, b"name? ").unwrap();
            let name = guest.read(0, 100).unwrap();
            guest.write(1, &[b"hello ", &name[..]].concat()).unwrap();
        }
        "compute" => {
            guest.write(1, b"before the long computation").unwrap();
            std::thread::sleep(Duration::from_secs(30));
        }
        "describe" => {
            for fd in 0..3 {
                let stat = guest.fdstat(fd).unwrap();
                let seekable = stat.base & (1 << 2 | 1 << 5) != 0;
                let Stat { atim, mtim, ctim, .. } = guest.stat(fd).unwrap();
                assert_eq!((atim, mtim, ctim) == (0, 0, 0), stat.filetype != 4, "times are told of files only");
                guest.write(1, format!("{fd}:{}:{seekable} ", stat.filetype).as_bytes()).unwrap();
            }
        }
        "escapes" => {
            guest.write(1, b"\x1b[31mred\x1b[0m \x1b]52;c;eA==\x07\x1b[21t\xff end").unwrap();
        }
        "seek" => {
            guest.write(1, b"0123456789").unwrap();
            let end = guest.seek(1, 0, END).unwrap();
            guest.seek(1, -4, CUR).unwrap();
            guest.write(1, b"xy").unwrap();
            assert_eq!(guest.tell(1), Ok(end - 2));
            assert_eq!(guest.stat(1).unwrap().size, end);
        }
        "full" => {
            guest.call("fd_fdstat_set_flags", &[1, NONBLOCK]).unwrap();
            let mut written = 0;
            let errno = loop {
                match guest.write(1, &[b'x'; 1000]) {
                    Ok(count) => written += count,
                    Err(errno) => break errno,
                }
                assert!(written < 100_000_000);
            };
            assert_eq!(errno, Errno::Again);
            guest.write(2, format!("{written}").as_bytes()).unwrap();
        }
        "pipe" => loop {
            match guest.write(1, b"a line that nobody reads\n") {
                Ok(_) => {}
                Err(Errno::Pipe) => return 7,
                Err(_) => return 8,
            }
        },
        _ => return 99,
    }
    0
}

#[test]
fn many_lines_arrive_whole() {
    let output = child("lines").output().unwrap();
    let expected: String = (0..100_000).map(|_| "short line\n").collect();
    assert_eq!(said(&output.stdout), expected);
}

/// fdflags nonblock; POSIX `write`: "[EAGAIN] The file is [...] a pipe or FIFO, the O_NONBLOCK flag is set [...], and
/// the process would be delayed". What was taken still arrives.
#[test]
fn a_full_pipe_is_not_waited_for() {
    let mut child = child("full");
    let mut running = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (running.stdout.take().unwrap(), running.stderr.take().unwrap());
    // The number comes while nobody reads the output.
    let mut first = [0; 1];
    err.read_exact(&mut first).unwrap();
    let reader = std::thread::spawn(move || {
        let mut output = Vec::new();
        out.read_to_end(&mut output).map(|_| output)
    });
    let mut written = vec![first[0]];
    err.read_to_end(&mut written).unwrap();
    let output = reader.join().unwrap().unwrap();
    assert!(running.wait().unwrap().success());
    let count = String::from_utf8(written).unwrap().parse::<usize>().unwrap();
    assert_eq!(output.iter().filter(|byte| **byte == b'x').count(), count);
    assert!(count > 65536);
}

#[test]
fn streams_into_one_pipe_keep_their_order() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut child = child("turns");
    child.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut running = child.spawn().unwrap();
    drop(child);
    let mut output = Vec::new();
    reader.read_to_end(&mut output).unwrap();
    running.wait().unwrap();
    let expected: String = (0..20).map(|i| format!("{i} ")).collect();
    assert_eq!(said(&output), expected);
}

/// Reads until the text has come, or gives up.
fn wait_for(child: &mut Child, text: &str) -> bool {
    let mut stdout = child.stdout.take().unwrap();
    let (found, result) = mpsc::channel();
    let text = text.to_owned();
    std::thread::spawn(move || {
        let (mut seen, mut buffer) = (Vec::new(), [0; 1000]);
        while let Ok(count @ 1..) = stdout.read(&mut buffer) {
            seen.extend_from_slice(&buffer[..count]);
            if String::from_utf8_lossy(&seen).contains(&text) {
                let _ = found.send(());
                return;
            }
        }
    });
    result.recv_timeout(Duration::from_secs(20)).is_ok()
}

#[test]
fn questions_are_seen_before_the_answer() {
    let mut child = child("ask").stdin(Stdio::piped()).spawn().unwrap();
    assert!(wait_for(&mut child, "name? "));
    child.stdin.take().unwrap().write_all(b"you").unwrap();
    child.wait().unwrap();
}

#[test]
fn output_is_seen_while_the_guest_computes() {
    let mut child = child("compute").spawn().unwrap();
    let seen = wait_for(&mut child, "before the long computation");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(seen);
}

#[test]
fn a_broken_pipe_is_an_error_of_the_guest() {
    let mut child = child("pipe").spawn().unwrap();
    assert!(wait_for(&mut child, "nobody reads"), "then the reader goes");
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

/// C libraries call a character device that cannot seek a terminal, and nothing else.
#[test]
fn files_pipes_and_devices_are_told_apart() {
    assert_eq!(said(&child("describe").output().unwrap().stdout), "0:2:true 1:0:false 2:0:false ");
    let file = tempfile::tempfile().unwrap();
    let mut command = child("describe");
    command.stdout(file.try_clone().unwrap()).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
    assert_eq!(said(&contents(file)), "0:2:true 1:4:true 2:2:true ");
}

fn contents(mut file: File) -> Vec<u8> {
    use std::io::Seek;
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn output_that_is_a_file_can_seek() {
    let file = tempfile::tempfile().unwrap();
    assert!(child("seek").stdout(file.try_clone().unwrap()).status().unwrap().success());
    assert_eq!(said(&contents(file)), "012345xy89");
}

#[test]
fn pipes_get_every_byte() {
    let output = child("escapes").output().unwrap();
    assert!(output.stdout.ends_with(b"\x1b[31mred\x1b[0m \x1b]52;c;eA==\x07\x1b[21t\xff end"));
}

/// Runs a task on a new terminal and returns what the terminal got; nothing where terminals cannot be made.
fn on_a_terminal(task: &str) -> Option<String> {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).ok()?;
    grantpt(&main).ok()?;
    unlockpt(&main).ok()?;
    let name = ptsname(&main, Vec::new()).ok()?;
    let side: OwnedFd = File::options().read(true).write(true).open(name.to_str().ok()?).ok()?.into();
    let mut command = child(task);
    command.stdin(side.try_clone().ok()?).stdout(side.try_clone().ok()?).stderr(side);
    let mut running = command.spawn().unwrap();
    drop(command);
    let (mut terminal, mut output) = (File::from(main), Vec::new());
    // A terminal without programs is an error to its reader.
    let _ = terminal.read_to_end(&mut output);
    running.wait().unwrap();
    Some(said(&output))
}

#[test]
fn terminals_are_known_as_such() {
    let Some(output) = on_a_terminal("describe") else { return };
    assert_eq!(output, "0:2:false 1:2:false 2:2:false ");
}

#[test]
fn terminals_get_what_a_user_wants() {
    let Some(output) = on_a_terminal("escapes") else { return };
    assert_eq!(output, "\x1b[31mred\x1b[0m \u{fffd} end");
}

/// A writer of the embedder's needs what stack it needs, on whichever thread it is called.
#[test]
fn a_writer_may_need_stack() {
    struct Deep(std::sync::mpsc::Sender<usize>);
    impl std::io::Write for Deep {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut copy = [0u8; 512 << 10];
            copy[..bytes.len()].copy_from_slice(bytes);
            std::hint::black_box(&mut copy);
            self.0.send(bytes.len()).unwrap();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (sender, written) = std::sync::mpsc::channel();
    let mut guest = Guest::with(|builder| _ = builder.stdout(OutputStream::stream(Deep(sender))));
    for _ in 0..20 {
        assert_eq!(guest.write(1, b"hello\n"), Ok(6));
    }
    // Without a further call of the guest: the thread behind the buffer writes.
    let mut total = 0;
    while total < 120 {
        total += written.recv_timeout(std::time::Duration::from_secs(20)).expect("all of it is written");
    }
    assert_eq!(guest.write(1, b"more\n"), Ok(5), "and the guest goes on");
}
