//! A guest's frames as text. Names and places come from the module, which may mean harm: they are found on a thread of
//! their own, with a stack of a known size, and what is shown of them is bounded and escaped.

use crate::exit::backtrace::{Frame, Symbol, WasmBacktrace};
use epsilon_abi::Escaped;
use std::fmt::{self, Write as _};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// What reading debug information and names may take: several times what they were measured to.
const STACK_BYTES: usize = 2 << 20;

/// Names and paths are cut at this length.
const MAX_NAME_CHARS: usize = 1 << 10;

/// Frames behind the one that makes the text as long as this are told without their places.
const MAX_TEXT_BYTES: usize = 128 << 10;

/// Nor are places looked for, or names made readable, when this much time has been spent on those of earlier frames.
const PATIENCE: Duration = Duration::from_millis(500);

/// What `run` gives on a thread of its own; `None` if there is no thread to be had, or if it panicked.
pub fn apart<R: Send>(run: impl FnOnce() -> R + Send) -> Option<R> {
    std::thread::scope(|scope| {
        let thread = Builder::new().name("epsilon-backtrace".into()).stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, run).ok()?.join().ok()
    })
}

/// How much is told of each frame.
#[derive(Clone, Copy)]
enum Detail {
    /// Names as the module has them: nothing is parsed.
    Raw,
    /// Names as people write them, and places in source code, until this time.
    Full { until: Instant },
}

impl Detail {
    fn full() -> Self {
        Self::Full { until: Instant::now() + PATIENCE }
    }

    /// Whether more than raw names is wanted behind `text`.
    fn is_full(self, text: &str) -> bool {
        matches!(self, Self::Full { until } if text.len() < MAX_TEXT_BYTES && Instant::now() < until)
    }
}

impl fmt::Display for WasmBacktrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = apart(|| self.text(Detail::full())).unwrap_or_else(|| self.text(Detail::Raw));
        f.write_str(&text)
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |detail| {
            let mut text = String::new();
            self.describe(&mut text, detail);
            text
        };
        f.write_str(&apart(|| text(Detail::full())).unwrap_or_else(|| text(Detail::Raw)))
    }
}

impl WasmBacktrace {
    fn text(&self, detail: Detail) -> String {
        let mut text = String::from("wasm backtrace, innermost first:");
        for (n, frame) in self.frames.iter().enumerate() {
            if n == self.omitted_at && self.omitted > 0 {
                let _ = write!(text, "\n       … {} more frames …", self.omitted);
            }
            let n = if n < self.omitted_at { n } else { n + self.omitted };
            let _ = write!(text, "\n{n:>5}: ");
            frame.describe(&mut text, detail);
        }
        text
    }
}

impl Frame {
    /// Appends the function, and where in the module and in the source it is.
    fn describe(&self, text: &mut String, detail: Detail) {
        if let Some(offset) = self.module_offset() {
            let _ = write!(text, "{offset:#8x} - ");
        }
        let _ = match (self.func_name(), self.export_name()) {
            (Some(name), _) => self.push_name(text, name, detail),
            (None, Some(export)) => {
                write!(text, "function {}, exported as `{}`", self.func_index(), cut(export))
            }
            (None, None) => write!(text, "function {}", self.func_index()),
        };
        if let Some(module) = self.module_name() {
            let _ = write!(text, " in {}", cut(module));
        }
        if !detail.is_full(text) {
            return;
        }
        let is_told = |symbol: &Symbol| symbol.name.is_some() || symbol.file.is_some() || symbol.line.is_some();
        for symbol in self.symbols_here().into_iter().filter(is_told) {
            let _ = self.push_place(text, &symbol, detail);
        }
    }

    fn push_name(&self, text: &mut String, name: &str, detail: Detail) -> fmt::Result {
        let readable = if detail.is_full(text) { self.symbolicate().demangle(name) } else { None };
        write!(text, "{}", cut(readable.as_deref().unwrap_or(name)))
    }

    fn push_place(&self, text: &mut String, symbol: &Symbol, detail: Detail) -> fmt::Result {
        write!(text, "\n             at {}", cut(symbol.file.as_deref().unwrap_or("an unknown file")))?;
        if let Some(line) = symbol.line {
            write!(text, ":{line}")?;
        }
        if let (Some(_), Some(column)) = (symbol.line, symbol.column) {
            write!(text, ":{column}")?;
        }
        let Some(name) = &symbol.name else { return Ok(()) };
        text.push_str(" (");
        self.push_name(text, name, detail)?;
        text.write_char(')')
    }
}

fn cut(text: &str) -> Escaped<'_> {
    Escaped::cut(text, MAX_NAME_CHARS)
}
