//! Medians and how far values spread.

/// The median of pairs' ratios, and the half of them that lies in the middle.
#[derive(Clone, Copy)]
pub struct Spread {
    /// A quarter lies below.
    pub low: f64,
    /// Half lies below.
    pub median: f64,
    /// Three quarters lie below.
    pub high: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Self { low: quantile(&values, 0.25), median: quantile(&values, 0.5), high: quantile(&values, 0.75) }
    }
}

/// The median of at least one value.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    Spread::of(values).median
}

/// The geometric mean; `None` of nothing.
pub fn geometric_mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let logarithms: Vec<f64> = values.map(f64::ln).collect();
    let sum: f64 = logarithms.iter().sum();
    (!logarithms.is_empty()).then(|| (sum / logarithms.len() as f64).exp())
}

/// Between the two values that are nearest in rank.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    below + (above - below) * rank.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_values() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0].into_iter());
        assert_eq!([spread.low, spread.median, spread.high], [1.75, 2.5, 3.25]);
        assert_eq!(median([7.0].into_iter()), 7.0);
        assert_eq!(median([7.0, 1.0, 2.0].into_iter()), 2.0);
    }

    #[test]
    fn means_are_geometric() {
        assert_eq!(geometric_mean([].into_iter()), None);
        assert!((geometric_mean([0.5, 8.0].into_iter()).expect("two values") - 2.0).abs() < 1e-12);
    }
}
