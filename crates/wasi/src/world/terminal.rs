//! What of a guest's output reaches a terminal.
//!
//! A terminal obeys its input. Colours, cursor movement, the title and links are what a user wants from a program;
//! writing the clipboard, reading the title back as if it had been typed, printing, or switching the character set
//! to something unreadable are not. Text and the sequences listed here pass, everything else is left out. Output to
//! files and pipes does not come this way. This file knows nothing of descriptors; it turns bytes into bytes.
//!
//! ```text
//! Ground --ESC--> Escape --[--> Csi  --final byte--> Ground
//!   |               |  \--]---> Osc  --BEL, ESC \--> Ground
//!   |               |  \-P X ^ _-> Swallow --ESC \-> Ground
//!   |               \--( )--> Charset --any--> Ground
//!   \--lead byte--> Utf8 --last byte--> Ground
//! ```

/// The longest control sequence that is passed.
const CSI_MAX: usize = 64;
/// The longest operating-system command (a title, a link) that is passed.
const OSC_MAX: usize = 4096;
/// What stands for bytes that are not text.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Ground,
    Escape,
    Charset,
    Csi,
    Osc,
    Swallow,
    Utf8 {
        missing: usize,
    },
}

/// The filter, with what it has seen of an unfinished sequence.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    state: State,
    /// The sequence or character so far, without its introducer.
    held: Vec<u8>,
    /// Inside a string: the last byte was ESC.
    escape: bool,
}

impl Filter {
    /// Appends to `out` what may pass of `input`.
    pub fn pass(&mut self, input: &[u8], out: &mut Vec<u8>) {
        for &byte in input {
            self.step(byte, out);
        }
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::Ground => self.ground(byte, out),
            State::Escape => self.after_escape(byte, out),
            State::Charset => {
                if matches!(byte, b'0' | b'A' | b'B') {
                    out.extend_from_slice(&[0x1b, self.held[0], byte]);
                }
                self.enter(State::Ground);
            }
            State::Csi => self.in_csi(byte, out),
            State::Osc => self.in_osc(byte, out),
            State::Swallow => {
                if self.escape && byte == b'\\' {
                    self.enter(State::Ground);
                }
                self.escape = byte == 0x1b;
            }
            State::Utf8 { missing } => self.in_character(byte, missing, out),
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.held.clear();
        self.escape = false;
    }

    fn ground(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            0x07..=0x0d | 0x20..=0x7e => out.push(byte),
            0x1b => self.enter(State::Escape),
            0xc2..=0xf4 => {
                let missing = 1 + usize::from(byte >= 0xe0) + usize::from(byte >= 0xf0);
                self.enter(State::Utf8 { missing });
                self.held.push(byte);
            }
            0x80.. => out.extend_from_slice(REPLACEMENT),
            _ => {}
        }
    }

    fn in_character(&mut self, byte: u8, missing: usize, out: &mut Vec<u8>) {
        if byte & 0xc0 != 0x80 {
            out.extend_from_slice(REPLACEMENT);
            self.enter(State::Ground);
            return self.ground(byte, out);
        }
        self.held.push(byte);
        if missing > 1 {
            self.state = State::Utf8 { missing: missing - 1 };
            return;
        }
        // The controls U+0080 to U+009F are sequences of their own to some terminals.
        let character = std::str::from_utf8(&self.held).ok().and_then(|text| text.chars().next());
        match character {
            Some(c) if !c.is_control() => out.extend_from_slice(&self.held),
            _ => out.extend_from_slice(REPLACEMENT),
        }
        self.enter(State::Ground);
    }

    fn after_escape(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'[' => self.enter(State::Csi),
            b']' => self.enter(State::Osc),
            b'P' | b'X' | b'^' | b'_' => self.enter(State::Swallow),
            b'(' | b')' => {
                self.enter(State::Charset);
                self.held.push(byte);
            }
            0x1b => {}
            _ => {
                if b"78=>MDEHc".contains(&byte) {
                    out.extend_from_slice(&[0x1b, byte]);
                }
                self.enter(State::Ground);
            }
        }
    }

    fn in_csi(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            0x20..=0x3f => {
                if self.held.len() <= CSI_MAX {
                    self.held.push(byte);
                }
            }
            0x40..=0x7e => {
                if self.held.len() <= CSI_MAX && csi_may_pass(&self.held, byte) {
                    out.extend_from_slice(b"\x1b[");
                    out.extend_from_slice(&self.held);
                    out.push(byte);
                }
                self.enter(State::Ground);
            }
            0x1b => self.enter(State::Escape),
            _ => self.enter(State::Ground),
        }
    }

    fn in_osc(&mut self, byte: u8, out: &mut Vec<u8>) {
        let ends = byte == 0x07 || (self.escape && byte == b'\\');
        if ends {
            if self.held.len() <= OSC_MAX && osc_may_pass(&self.held) {
                out.extend_from_slice(b"\x1b]");
                out.extend_from_slice(&self.held);
                out.extend_from_slice(b"\x1b\\");
            }
            return self.enter(State::Ground);
        }
        if self.escape {
            // Another sequence begins before this one has ended: it is given up.
            self.enter(State::Escape);
            return self.after_escape(byte, out);
        }
        match byte {
            0x1b => self.escape = true,
            0x00..=0x1f => self.enter(State::Ground),
            _ if self.held.len() <= OSC_MAX => self.held.push(byte),
            _ => {}
        }
    }
}

/// Colours, movement, erasing, modes, scrolling, and the harmless questions (position, kind, size).
fn csi_may_pass(held: &[u8], last: u8) -> bool {
    let intermediates = held.iter().filter(|byte| **byte < 0x30).count();
    if intermediates > 0 {
        return (last == b'q' && held.ends_with(b" ")) || (last == b'p' && held == b"!");
    }
    match last {
        // Of the window operations, the sizes and the stack of titles; never the title itself.
        b't' => {
            let number = held.split(|byte| *byte == b';').next().unwrap_or_default();
            matches!(number, b"14" | b"16" | b"18" | b"19" | b"22" | b"23")
        }
        _ => b"ABCDEFGHIJKLMPSTXZ@`abcdefghlmnrsu".contains(&last),
    }
}

/// Titles and links.
fn osc_may_pass(held: &[u8]) -> bool {
    let number = held.split(|byte| *byte == b';').next().unwrap_or_default();
    let text = std::str::from_utf8(held).is_ok_and(|text| !text.chars().any(char::is_control));
    text && matches!(number, b"0" | b"1" | b"2" | b"8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(input: &str) -> String {
        passed_bytes(input.as_bytes())
    }

    fn passed_bytes(input: &[u8]) -> String {
        let (mut whole, mut bytewise) = (Vec::new(), Vec::new());
        Filter::default().pass(input, &mut whole);
        let mut filter = Filter::default();
        for byte in input {
            filter.pass(std::slice::from_ref(byte), &mut bytewise);
        }
        assert_eq!(whole, bytewise, "the cuts between writes do not matter");
        String::from_utf8(whole).expect("only text reaches a terminal")
    }

    #[test]
    fn what_users_want_passes() {
        for text in [
            "plain text\r\n\ttabs, bells\x07 and ünïcödé 🦀\n",
            "\x1b[1;31mred\x1b[0m",
            "\x1b[2J\x1b[H\x1b[?25l\x1b[10;20Hx\x1b[K\x1b[?25h",
            "\x1b[?1049h\x1b[6n\x1b[18t",
            "\x1b]0;title\x1b\\",
            "\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\",
            "\x1b(0lqk\x1b(B",
            "\x1b[2 q\x1b[!p\x1b7\x1b8",
        ] {
            assert_eq!(passed(text), text);
        }
        assert_eq!(passed("\x1b]2;title\x07"), "\x1b]2;title\x1b\\");
    }

    #[test]
    fn what_users_do_not_want_is_left_out() {
        let cases = [
            ("clipboard", "a\x1b]52;c;cm0gLXJm\x07b", "ab"),
            ("title read back", "a\x1b[21tb", "ab"),
            ("printing", "a\x1b[5ib", "ab"),
            ("answerback", "a\x05b", "ab"),
            ("device control", "a\x1bP$qm\x1b\\b", "ab"),
            ("application command", "a\x1b_Gx\x1b\\b", "ab"),
            ("character set out of shape", "a\x0e\x1b(5b", "ab"),
            ("requests that answer with text", "a\x1b[?1$pb", "ab"),
            ("a control in a title", "a\x1b]0;x\ny\x07b", "ay\x07b"),
            ("a title cut short", "a\x1b]0;x\x1b[1mb", "a\x1b[1mb"),
        ];
        for (what, input, output) in cases {
            assert_eq!(passed(input), output, "{what}");
        }
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        assert_eq!(passed_bytes(b"a\x9b31mb"), "a\u{fffd}31mb");
        assert_eq!(passed_bytes(b"a\xc2\x9b31mb"), "a\u{fffd}31mb");
        assert_eq!(passed_bytes(b"a\xe2\x82b"), "a\u{fffd}b");
        assert_eq!(passed_bytes(b"\xff\xc0\xf5"), "\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn endless_sequences_hold_little() {
        let mut filter = Filter::default();
        let mut out = Vec::new();
        filter.pass(b"\x1b]0;", &mut out);
        filter.pass(&vec![b'x'; 1 << 20], &mut out);
        filter.pass(b"\x07\x1b[", &mut out);
        filter.pass(&vec![b'1'; 1 << 20], &mut out);
        filter.pass(b"mok", &mut out);
        assert_eq!(out, b"ok");
        assert!(filter.held.capacity() <= 2 * OSC_MAX);
    }
}
