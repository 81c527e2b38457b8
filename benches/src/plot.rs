//! Plots of what was measured: groups of bars, one panel below the other.

use crate::inside::{Micro, Phases};
use crate::peers::Contender;
use crate::whole::Row;
use std::fmt::Write;

/// Groups of bars on one scale.
pub struct Panel {
    title: &'static str,
    /// What each bar of a group is, and its colour.
    bars: Vec<(&'static str, &'static str)>,
    groups: Vec<Group>,
}

/// A name, and the length of each bar, if it is there.
type Group = (String, Vec<Option<f64>>);

const EPSILON: &str = "#0b6e4f";
const PALE_EPSILON: &str = "#6fbf9f";
const WASMTIME: &str = "#6a4fb3";
const PALE_WASMTIME: &str = "#b7a6e3";
const OTHER: &str = "#d08c1d";
const GREY: &str = "#8a8f98";

const CONTENDERS: [(Contender, &str, &str); 6] = [
    (Contender::Native, "native", GREY),
    (Contender::EpsilonCached, "Epsilon, cached", EPSILON),
    (Contender::WasmtimeCached, "Wasmtime, cached", WASMTIME),
    (Contender::Node, "V8 (Node)", OTHER),
    (Contender::EpsilonCold, "Epsilon, cold", PALE_EPSILON),
    (Contender::WasmtimeCold, "Wasmtime, cold", PALE_WASMTIME),
];

/// Times of whole programs.
pub fn whole(rows: &[Row]) -> Panel {
    let time = |row: &Row, contender| row.figure(contender, |sample| sample.wall_s * 1e3);
    let group = |row: &Row| (row.program.name.into(), CONTENDERS.iter().map(|(who, ..)| time(row, *who)).collect());
    Panel {
        title: "Whole processes, in milliseconds: shorter is better",
        bars: CONTENDERS.iter().map(|(_, name, colour)| (*name, *colour)).collect(),
        groups: rows.iter().map(group).collect(),
    }
}

/// Phases of programs, as ratios.
pub fn phases(all: &[Phases]) -> Panel {
    const BARS: [(&str, &str); 5] = [
        ("validate", GREY),
        ("compile all", PALE_EPSILON),
        ("instantiate", OTHER),
        ("run", EPSILON),
        ("code", PALE_WASMTIME),
    ];
    let group = |phases: &Phases| {
        let ratio = |name| phases.figures.iter().find(|phase| phase.name == name).map(|phase| phase.ratio);
        (phases.program.name.into(), BARS.iter().map(|(name, _)| ratio(*name)).collect())
    };
    let title = "Inside of a process, Epsilon's share of Wasmtime's: below 1 is better";
    Panel { title, bars: BARS.to_vec(), groups: all.iter().map(group).collect() }
}

/// Micro costs, as ratios. Where more is better there is no bar.
pub fn micro(all: &[Micro]) -> Panel {
    let bars = vec![("Epsilon", EPSILON), ("Wasmtime with a pool", WASMTIME), ("Wasmtime with epochs", PALE_WASMTIME)];
    let group = |micro: &Micro| (micro.name.clone(), micro.ratios.iter().copied().map(Some).collect());
    let groups = all.iter().filter(|micro| !micro.ratios.is_empty()).map(group).collect();
    Panel { title: "Micro costs, as shares of Wasmtime's: below 1 is better", bars, groups }
}

const WIDTH: f64 = 940.0;
const LEFT: f64 = 230.0;
const HEAD: f64 = 64.0;
const BAR: f64 = 11.0;

impl Panel {
    fn group_height(&self) -> f64 {
        BAR * (self.bars.len() as f64 + 1.5)
    }

    fn height(&self) -> f64 {
        HEAD + self.group_height() * self.groups.len() as f64 + 16.0
    }

    fn draw(&self, svg: &mut String, top: f64) {
        text(svg, 10.0, top + 20.0, "font-size=\"15\"", self.title);
        for (at, (name, colour)) in self.bars.iter().enumerate() {
            let x = 10.0 + at as f64 * 150.0;
            bar(svg, x, top + 34.0, 10.0, colour);
            text(svg, x + 15.0, top + 43.0, "", name);
        }
        let longest = self.groups.iter().flat_map(|(_, lengths)| lengths).flatten().copied().fold(1.0, f64::max);
        let scale = (WIDTH - LEFT - 70.0) / longest;
        for (at, (name, lengths)) in self.groups.iter().enumerate() {
            let y = top + HEAD + self.group_height() * at as f64;
            let middle = y + BAR * self.bars.len() as f64 / 2.0 + 4.0;
            text(svg, LEFT - 8.0, middle, "text-anchor=\"end\" font-size=\"12\"", name);
            for (n, (length, (_, colour))) in lengths.iter().zip(&self.bars).enumerate() {
                let Some(length) = length else { continue };
                let y = y + BAR * n as f64;
                bar(svg, LEFT, y, length * scale, colour);
                let decimals = if *length < 2.0 { 2 } else { usize::from(*length < 20.0) };
                let label = format!("{length:.decimals$}");
                text(svg, LEFT + length * scale + 4.0, y + BAR - 2.0, "font-size=\"9\"", &label);
            }
        }
    }
}

/// The panels that have something to show, as SVG.
pub fn draw(panels: &[Panel]) -> String {
    let panels: Vec<_> = panels.iter().filter(|panel| !panel.groups.is_empty()).collect();
    let height: f64 = panels.iter().map(|panel| panel.height()).sum();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    let mut top = 0.0;
    for panel in panels {
        panel.draw(&mut svg, top);
        top += panel.height();
    }
    svg.push_str("</svg>\n");
    svg
}

fn bar(svg: &mut String, x: f64, y: f64, width: f64, colour: &str) {
    let height = BAR - 1.0;
    writeln!(svg, "<rect x=\"{x}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{colour}\"/>")
        .expect("strings take all");
}

fn text(svg: &mut String, x: f64, y: f64, attributes: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{text}</text>").expect("strings take all");
}
