//! Transforms of lengths of all kinds, there and back, so many times: `rustfft` (floating point, SIMD). `fourier [ROUNDS]`

use bench_guests::{Random, size};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

fn main() {
    let rounds = size(24);
    let mut random = Random(5);
    // Sines and roundings differ between C libraries and processors in the last bits: sums are printed to six digits.
    for length in [1 << 15, 30_030, 20_011] {
        let mut planner = FftPlanner::<f64>::new();
        let (there, back) = (planner.plan_fft_forward(length), planner.plan_fft_inverse(length));
        let mut signal: Vec<_> =
            (0..length).map(|_| Complex::new(random.signed_unit(), random.signed_unit())).collect();
        let before: f64 = signal.iter().map(|value| value.norm_sqr()).sum();
        let mut loudest = 0.0;
        for _ in 0..rounds {
            there.process(&mut signal);
            loudest = signal.iter().map(|value| value.norm()).fold(0.0, f64::max);
            back.process(&mut signal);
            signal.iter_mut().for_each(|value| *value /= length as f64);
        }
        let after: f64 = signal.iter().map(|value| value.norm_sqr()).sum();
        println!("{length}: {before:.6} {after:.6}, loudest {loudest:.6}");
    }
}
