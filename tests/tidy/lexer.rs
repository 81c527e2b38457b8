//! Rust source to tokens: as much of the language's lexical structure (reference, chapter 2) as it takes to tell code
//! from comments, strings, characters and lifetimes. Knows nothing of grammar.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A name or keyword. Raw names are without their `r#`.
    Ident,
    /// `//` or `/* */`, documentation included.
    Comment,
    /// A string, character, byte or number.
    Literal,
    /// `'a`.
    Lifetime,
    /// One character of punctuation.
    Punct,
}

/// A token: what it is and where.
#[derive(Clone, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where in the text.
    pub range: Range<usize>,
    /// Its first line, from 1.
    pub line: usize,
}

/// All tokens of a text. What is not Rust gives some tokens, and never panics.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0 };
    let (mut tokens, mut line, mut counted) = (Vec::new(), 1, 0);
    while let Some((kind, range)) = lexer.next() {
        line += text[counted..range.start].matches('\n').count();
        counted = range.start;
        tokens.push(Token { kind, range, line });
    }
    tokens
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<(Kind, Range<usize>)> {
        self.skip_while(char::is_whitespace);
        let start = self.at;
        let first = self.peek(0)?;
        let kind = match first {
            '/' if self.peek(1) == Some('/') => self.line_comment(),
            '/' if self.peek(1) == Some('*') => self.block_comment(),
            '"' => self.string(),
            '\'' => self.character_or_lifetime(),
            '0'..='9' => self.number(),
            c if is_name_start(c) => return Some(self.name_or_prefixed(start)),
            c => {
                self.at += c.len_utf8();
                Kind::Punct
            }
        };
        Some((kind, start..self.at))
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.text[self.at..].chars().nth(ahead)
    }

    fn skip_while(&mut self, accept: impl Fn(char) -> bool) {
        let rest = &self.text[self.at..];
        self.at += rest.find(|c| !accept(c)).unwrap_or(rest.len());
    }

    /// Goes behind the next `end`, or to the end of the text.
    fn skip_past(&mut self, end: &str) {
        let rest = &self.text[self.at..];
        self.at += rest.find(end).map_or(rest.len(), |found| found + end.len());
    }

    fn line_comment(&mut self) -> Kind {
        self.skip_while(|c| c != '\n');
        Kind::Comment
    }

    fn block_comment(&mut self) -> Kind {
        let mut depth = 0;
        loop {
            let rest = &self.text[self.at..];
            let Some(found) = rest.find("/*").into_iter().chain(rest.find("*/")).min() else {
                self.at = self.text.len();
                return Kind::Comment;
            };
            depth += if rest[found..].starts_with("/*") { 1 } else { -1 };
            self.at += found + 2;
            if depth == 0 {
                return Kind::Comment;
            }
        }
    }

    fn string(&mut self) -> Kind {
        self.at += 1;
        loop {
            self.skip_while(|c| c != '"' && c != '\\');
            match self.peek(0) {
                Some('\\') => self.skip_escape(),
                Some(_) => {
                    self.at += 1;
                    return Kind::Literal;
                }
                None => return Kind::Literal,
            }
        }
    }

    fn skip_escape(&mut self) {
        self.at += 1;
        self.at += self.peek(0).map_or(0, char::len_utf8);
    }

    fn raw_string(&mut self, hashes: usize) -> Kind {
        self.at += hashes + 1;
        self.skip_past(&format!("\"{}", "#".repeat(hashes)));
        Kind::Literal
    }

    fn character_or_lifetime(&mut self) -> Kind {
        let is_character = self.peek(1) == Some('\\') || self.peek(2) == Some('\'');
        self.at += 1;
        if !is_character {
            self.skip_while(is_name_part);
            return Kind::Lifetime;
        }
        match self.peek(0) {
            Some('\\') => self.skip_escape(),
            Some(c) => self.at += c.len_utf8(),
            None => {}
        }
        self.skip_past("'");
        Kind::Literal
    }

    fn number(&mut self) -> Kind {
        self.skip_while(is_name_part);
        if self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            self.skip_while(is_name_part);
        }
        Kind::Literal
    }

    /// A name, or what names can be the prefix of: raw names, raw strings, byte and C strings, bytes.
    fn name_or_prefixed(&mut self, start: usize) -> (Kind, Range<usize>) {
        self.skip_while(is_name_part);
        let prefix = &self.text[start..self.at];
        let rest = &self.text[self.at..];
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let kind = match (prefix, rest[hashes..].chars().next()) {
            ("r" | "br" | "cr", Some('"')) => self.raw_string(hashes),
            ("b" | "c", Some('"')) if hashes == 0 => self.string(),
            ("b", Some('\'')) if hashes == 0 => self.character_or_lifetime(),
            ("r", Some(c)) if hashes == 1 && is_name_start(c) => {
                self.at += 1;
                let name = self.at;
                self.skip_while(is_name_part);
                return (Kind::Ident, name..self.at);
            }
            _ => Kind::Ident,
        };
        (kind, start..self.at)
    }
}

fn is_name_start(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn is_name_part(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idents(text: &str) -> Vec<&str> {
        tokens(text).into_iter().filter(|t| t.kind == Kind::Ident).map(|t| &text[t.range]).collect()
    }

    #[test]
    fn names_in_comments_and_literals_are_not_code() {
        let text = r####"
            a // b
            /* c /* d */ e */ f "g \" h" r#"i " j"# br"k" b"l" c"m" 'n' '\'' b'o' '\u{70}' q<'r> r#s
            "####;
        assert_eq!(idents(text), ["a", "f", "q", "s"]);
    }

    #[test]
    fn names_that_contain_other_names_are_whole() {
        assert_eq!(idents("unsafe_code, r, br, b, 1.5f32.max(0..2u8)"), ["unsafe_code", "r", "br", "b", "max"]);
    }

    #[test]
    fn lines_are_those_of_the_first_character() {
        let lines: Vec<_> = tokens("a\n\"x\ny\"\n  b").iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 2, 4]);
    }

    #[test]
    fn what_is_not_rust_ends_too() {
        for text in ["\"", "'", "/*", "r#\"", "b'", "'\\", "\u{1f980} é '", "#[", "0."] {
            assert!(tokens(text).len() <= 4, "{text}");
        }
    }
}
