//! Text from modules, made fit to be shown: no name can move a terminal's cursor, hide or reorder what stands beside it,
//! or begin a line of its own.

use std::fmt::{self, Write as _};

/// Displays text that somebody else chose: control characters, and those that are invisible or change the direction of
/// writing, as `\n` or `\u{1b}`; and no more than a number of characters, if one is set.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a> {
    text: &'a str,
    max_chars: usize,
}

impl<'a> Escaped<'a> {
    /// All of the text.
    pub const fn new(text: &'a str) -> Self {
        Self { text, max_chars: usize::MAX }
    }

    /// The first `max_chars` characters of the text, with an ellipsis behind them if there are more.
    pub const fn cut(text: &'a str, max_chars: usize) -> Self {
        Self { text, max_chars }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, char) in self.text.chars().enumerate() {
            if n == self.max_chars {
                return f.write_char('…');
            }
            match char {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                _ if is_unfit(char) => write!(f, "\\u{{{:x}}}", u32::from(char))?,
                _ => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// Text of several lines that has parts which somebody else chose: as [`Escaped`], but lines stay lines, and tabs tabs.
pub fn escape_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive(['\n', '\t']) {
        let end = part.strip_suffix(['\n', '\t']).map_or(part.len(), str::len);
        let _ = write!(out, "{}", Escaped::new(&part[..end]));
        out.push_str(&part[end..]);
    }
    out
}

/// Whether a character is a control character, or one that shows nothing and acts on what is beside it.
pub fn is_unfit(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        let text = "a\u{1b}[2Jb\nc\r\t\u{7f}\u{9b}\u{202e}d\u{200b}é漢\\";
        let shown = "a\\u{1b}[2Jb\\nc\\r\\t\\u{7f}\\u{9b}\\u{202e}d\\u{200b}é漢\\";
        assert_eq!(Escaped::new(text).to_string(), shown);
        assert_eq!(escape_lines("a\u{1b}\n\tb\u{85}\n"), "a\\u{1b}\n\tb\\u{85}\n");
        assert_eq!(escape_lines("a"), "a");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(Escaped::cut("äöü", 3).to_string(), "äöü");
        assert_eq!(Escaped::cut("äöüß", 3).to_string(), "äöü…");
    }

    #[test]
    fn every_control_character_is_unfit() {
        assert!((0..=0x10ffff).filter_map(char::from_u32).filter(|c| c.is_control()).all(is_unfit));
        assert!(!"abc äöü 漢字 → `…".chars().any(is_unfit));
    }
}
