//! Names of functions as their authors wrote them, where they are mangled names of Rust or C++. A mangled name of some
//! hundred bytes can stand for gigabytes, or take hours to parse: what is long or nested deeply stays as it is.

/// What `name` stands for, if it is such a name and can be read within bounds.
#[cfg(feature = "demangle")]
pub fn demangle(name: &str) -> Option<String> {
    if name.len() > MAX_MANGLED_BYTES {
        return None;
    }
    rust(name).or_else(|| cpp(name))
}

#[cfg(not(feature = "demangle"))]
pub fn demangle(_: &str) -> Option<String> {
    None
}

/// Longer names are not parsed.
#[cfg(feature = "demangle")]
const MAX_MANGLED_BYTES: usize = 512;

/// Names that become longer stay as they are.
#[cfg(feature = "demangle")]
const MAX_READABLE_BYTES: usize = 4 << 10;

/// How deeply the parser for C++ may recurse. It goes back and tries again, so that its time can grow exponentially with
/// this: at 32, the worst that a search found takes tens of milliseconds, and of the 43,000 names that a large library
/// exports 97 % are read.
#[cfg(feature = "demangle")]
const MAX_CPP_DEPTH: u32 = 32;

#[cfg(feature = "demangle")]
fn rust(name: &str) -> Option<String> {
    use std::fmt::Write as _;
    let mangled = rustc_demangle::try_demangle(name).ok()?;
    let mut out = Bounded::default();
    write!(out, "{mangled:#}").ok()?;
    Some(out.0)
}

#[cfg(feature = "demangle")]
fn cpp(name: &str) -> Option<String> {
    use cpp_demangle::{DemangleOptions, ParseOptions, Symbol};
    if !name.starts_with("_Z") {
        return None;
    }
    let limits = ParseOptions::default().recursion_limit(MAX_CPP_DEPTH);
    let symbol = Symbol::new_with_options(name, &limits).ok()?;
    let mut out = Bounded::default();
    symbol.structured_demangle(&mut out, &DemangleOptions::new()).ok()?;
    Some(out.0)
}

/// Text that refuses to become longer than [`MAX_READABLE_BYTES`].
#[cfg(feature = "demangle")]
#[derive(Default)]
struct Bounded(String);

#[cfg(feature = "demangle")]
impl std::fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len() + text.len() > MAX_READABLE_BYTES {
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(all(test, feature = "demangle"))]
mod tests {
    use super::*;
    use std::time::Instant;

    fn demangle(name: &str) -> String {
        super::demangle(name).unwrap_or_else(|| name.to_owned())
    }

    #[test]
    fn names_of_rust_and_cpp_become_readable() {
        assert_eq!(demangle("_ZN4core9panicking5panic17h0123456789abcdefE"), "core::panicking::panic");
        assert_eq!(demangle("_RNvC6_123foo3bar"), "123foo::bar");
        assert_eq!(demangle("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(demangle("_ZNSt6vectorISt4pairIiSsESaIS1_EE9push_backERKS1_"), {
            "std::vector<std::pair<int, std::string>, std::allocator<std::pair<int, std::string> > >\
             ::push_back(std::pair<int, std::string> const&)"
        });
        assert_eq!(demangle("main"), "main");
    }

    #[test]
    fn names_that_stand_for_too_much_stay_as_they_are() {
        let doubled: String = (0..20).map(|n| format!("IS{0}_S{0}_E", radix_36(n))).collect();
        let cpp = format!("_Z1f1bI1aS0_E{doubled}");
        // Each `B` refers to the pair before it.
        let rust = format!("_RINvC1a1b{}E", "TTuuEB8_".repeat(40));
        let nested = format!("_Z1f{}i", "P".repeat(400));
        let long = format!("_ZN{}1aE", "1a".repeat(5000));
        let tried_again = format!("_Z2dclC1Sa{}", "1clC1I2SsclcvC1I2Ss".repeat(20));
        for name in [cpp, rust, nested, long, tried_again, "_R".repeat(256), "_Z".into(), "_ZN".into()] {
            let before = Instant::now();
            let text = demangle(&name);
            assert!(text == name || text.len() <= MAX_READABLE_BYTES, "{name}: {} bytes", text.len());
            assert!(before.elapsed().as_secs() < 5, "{name}");
        }
    }

    fn radix_36(n: u32) -> String {
        char::from_digit(n, 36).unwrap().to_uppercase().to_string()
    }
}
