//! What differs between two texts, line by line.

/// Lines of context around a difference.
const CONTEXT: usize = 3;
/// More lines than this are not compared one by one.
const MAX_LINES: usize = 3_000;

/// A line of one text, or of both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Line<'a> {
    Both(&'a str),
    Old(&'a str),
    New(&'a str),
}

/// The lines that differ, marked with `-` and `+`, with some around them.
pub fn diff(old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let lines = lines(&old, &new);
    let is_near = |at: usize| {
        let around = at.saturating_sub(CONTEXT)..lines.len().min(at + CONTEXT + 1);
        lines[around].iter().any(|line| !matches!(line, Line::Both(_)))
    };
    let (mut text, mut left_out) = (String::new(), false);
    for (at, line) in lines.iter().enumerate() {
        if !is_near(at) {
            left_out = true;
            continue;
        }
        if std::mem::take(&mut left_out) {
            text += "  …\n";
        }
        let (mark, line) = match line {
            Line::Both(line) => (' ', line),
            Line::Old(line) => ('-', line),
            Line::New(line) => ('+', line),
        };
        text += &format!("{mark} {line}\n");
    }
    text
}

/// All lines in order, by a longest common subsequence of what lies between equal beginnings and ends.
fn lines<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let rest = old[start..].iter().rev().zip(new[start..].iter().rev());
    let end = rest.take_while(|(old, new)| old == new).count();
    let mut lines: Vec<_> = old[..start].iter().map(|line| Line::Both(line)).collect();
    let (a, b) = (&old[start..old.len() - end], &new[start..new.len() - end]);
    if a.len().max(b.len()) > MAX_LINES {
        lines.extend(a.iter().map(|line| Line::Old(line)).chain(b.iter().map(|line| Line::New(line))));
    } else {
        between(a, b, &mut lines);
    }
    lines.extend(old[old.len() - end..].iter().map(|line| Line::Both(line)));
    lines
}

fn between<'a>(a: &[&'a str], b: &[&'a str], lines: &mut Vec<Line<'a>>) {
    // How many lines the rests have in common.
    let mut common = vec![vec![0_u16; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            lines.push(Line::Both(a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || i < a.len() && common[i + 1][j] >= common[i][j + 1] {
            lines.push(Line::Old(a[i]));
            i += 1;
        } else {
            lines.push(Line::New(b[j]));
            j += 1;
        }
    }
}

/// Panics if differences are not told as they are.
pub fn check() {
    let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\n";
    assert_eq!(diff(old, old), "");
    let new = "a\nb\nc\nd\nE\ne\nf\nh\ni\n";
    assert_eq!(diff(old, new), "  b\n  c\n  d\n+ E\n  e\n  f\n- g\n  h\n  i\n".replacen("  b", "  …\n  b", 1));
    assert_eq!(diff("", "x\n"), "+ x\n");
}
