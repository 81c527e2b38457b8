//! A plot of the programs' times: bars of each contender's median, in milliseconds, one group a program.

use crate::peers::Contender;
use crate::whole::Row;
use std::fmt::Write;

const BARS: [(Contender, &str, &str); 6] = [
    (Contender::Native, "native", "#8a8f98"),
    (Contender::EpsilonCached, "Epsilon, cached", "#0b6e4f"),
    (Contender::WasmtimeCached, "Wasmtime, cached", "#6a4fb3"),
    (Contender::Node, "V8 (Node)", "#d08c1d"),
    (Contender::EpsilonCold, "Epsilon, cold", "#6fbf9f"),
    (Contender::WasmtimeCold, "Wasmtime, cold", "#b7a6e3"),
];

const WIDTH: f64 = 860.0;
const LEFT: f64 = 150.0;
const TOP: f64 = 64.0;
const BAR: f64 = 11.0;

/// The plot, as SVG.
pub fn draw(rows: &[Row]) -> String {
    let time = |row: &Row, contender| row.figure(contender, |sample| sample.wall_s * 1e3);
    let times = rows.iter().flat_map(|row| BARS.iter().filter_map(|(contender, ..)| time(row, *contender)));
    let longest_ms = times.fold(1.0, f64::max);
    let group = BAR * (BARS.len() as f64 + 1.5);
    let height = TOP + group * rows.len() as f64 + 30.0;
    let scale = (WIDTH - LEFT - 70.0) / longest_ms;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n<text x=\"10\" y=\"20\" \
         font-size=\"15\">Whole processes, in milliseconds: shorter is better</text>\n"
    );
    for (at, (_, name, colour)) in BARS.iter().enumerate() {
        let x = 10.0 + at as f64 * 140.0;
        put(&mut svg, x, 34.0, 10.0, colour);
        writeln!(svg, "<text x=\"{}\" y=\"43\">{name}</text>", x + 15.0).expect("strings take all");
    }
    for (at, row) in rows.iter().enumerate() {
        let top = TOP + group * at as f64;
        let middle = top + BAR * BARS.len() as f64 / 2.0 + 4.0;
        let name = row.program.name.replace('&', "&amp;").replace('<', "&lt;");
        writeln!(svg, "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\" font-size=\"13\">{name}</text>", LEFT - 8.0)
            .expect("strings take all");
        for (bar, (contender, _, colour)) in BARS.iter().enumerate() {
            let Some(ms) = time(row, *contender) else { continue };
            let y = top + BAR * bar as f64;
            put(&mut svg, LEFT, y, ms * scale, colour);
            let decimals = if ms < 20.0 { 1 } else { 0 };
            let x = LEFT + ms * scale + 4.0;
            writeln!(svg, "<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"9\">{ms:.decimals$}</text>", y + BAR - 2.0)
                .expect("strings take all");
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn put(svg: &mut String, x: f64, y: f64, width: f64, colour: &str) {
    let height = BAR - 1.0;
    writeln!(svg, "<rect x=\"{x}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{colour}\"/>")
        .expect("strings take all");
}
