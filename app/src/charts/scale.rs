//! From values to pixels and back, and the ticks between.

use super::text::{MINUS, superscript};

/// Values beyond this are treated as not finite: spans of such values overflow.
pub const LARGEST: f64 = 1e300;

/// Whether a value can be drawn at all.
pub fn drawable(value: f64) -> bool {
    value.is_finite() && value.abs() <= LARGEST
}

/// A mapping of values to pixels, linear or logarithmic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub log: bool,
    /// Lower and upper value, lower < upper; both positive on a logarithmic scale.
    pub domain: (f64, f64),
    /// Pixels of the lower and the upper value.
    pub range: (f64, f64),
}

/// A mark on an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    pub value: f64,
    pub label: String,
}

/// The range of the drawable values, widened by `pad` of its span on both sides; values that
/// are all equal get room around them. None where nothing can be drawn.
pub fn domain_of(values: impl IntoIterator<Item = f64>, log: bool, pad: f64) -> Option<(f64, f64)> {
    let mut ends: Option<(f64, f64)> = None;
    for v in values {
        if drawable(v) && !(log && v < 1e-300) {
            ends = Some(ends.map_or((v, v), |(low, high)| (low.min(v), high.max(v))));
        }
    }
    let (low, high) = ends?;
    Some(if log {
        let (a, b) = (low.log10(), high.log10());
        let room = if b - a < 1e-9 { 0.3 } else { (b - a) * pad };
        (10f64.powf((a - room).max(-305.0)), 10f64.powf((b + room).min(305.0)))
    } else if high - low <= f64::EPSILON * 16.0 * low.abs().max(high.abs()) {
        let room = if low == 0.0 { 0.5 } else { low.abs() * 0.1 };
        (low - room, high + room)
    } else {
        let room = (high - low) * pad;
        (low - room, high + room)
    })
}

impl Scale {
    pub fn new(log: bool, domain: (f64, f64), range: (f64, f64)) -> Self {
        Self { log, domain, range }
    }

    fn unit(&self, value: f64) -> f64 {
        let (low, high) = self.domain;
        if self.log {
            (value.log10() - low.log10()) / (high.log10() - low.log10())
        } else {
            (value - low) / (high - low)
        }
    }

    /// The place of a value; none where it has none (not finite, or not positive on a logarithmic scale).
    pub fn px(&self, value: f64) -> Option<f64> {
        if !drawable(value) || (self.log && value <= 0.0) {
            return None;
        }
        let px = self.range.0 + self.unit(value) * (self.range.1 - self.range.0);
        px.is_finite().then_some(px)
    }

    /// The value at a place.
    pub fn value(&self, px: f64) -> f64 {
        let unit = (px - self.range.0) / (self.range.1 - self.range.0);
        let (low, high) = self.domain;
        if self.log {
            10f64.powf(low.log10() + unit * (high.log10() - low.log10()))
        } else {
            low + unit * (high - low)
        }
    }

    /// About `most` ticks at round values within the domain, never none.
    pub fn ticks(&self, most: usize) -> Vec<Tick> {
        let most = most.max(2);
        if self.log { log_ticks(self.domain, most) } else { label(linear_ticks(self.domain, most)) }
    }
}

/// The step of 1, 2 or 5 times a power of ten that gives at most about `most` steps in a span.
pub fn nice_step(span: f64, most: usize) -> f64 {
    let raw = span / most as f64;
    let power = 10f64.powf(raw.log10().floor());
    let lead = raw / power;
    let nice = if lead <= 1.0 + 1e-9 {
        1.0
    } else if lead <= 2.0 + 1e-9 {
        2.0
    } else if lead <= 5.0 + 1e-9 {
        5.0
    } else {
        10.0
    };
    nice * power
}

fn linear_ticks((low, high): (f64, f64), most: usize) -> Vec<f64> {
    let step = nice_step(high - low, most);
    let (first, last) = ((low / step).ceil(), (high / step).floor());
    // Beyond the precision of f64 neighbouring ticks would coincide.
    if !step.is_normal() || first.abs().max(last.abs()) > 1e13 || last < first {
        return vec![low, high];
    }
    (0..=((last - first) as usize).min(100)).map(|i| (first + i as f64) * step).collect()
}

/// Labels for evenly spaced values: as many decimals as the step needs, thousands as k and M,
/// powers of ten where plain digits would be long.
fn label(values: Vec<f64>) -> Vec<Tick> {
    let largest = values.iter().fold(0f64, |m, v| m.max(v.abs()));
    let step = values.windows(2).map(|w| (w[1] - w[0]).abs()).fold(f64::INFINITY, f64::min);
    let step = if step.is_finite() && step > 0.0 { step } else { largest.max(1.0) };
    let decimals = |step: f64| (-(step.log10() + 1e-9).floor()).clamp(0.0, 12.0) as usize;
    let text = |v: f64| -> String {
        if v == 0.0 {
            "0".into()
        } else if largest >= 1e9 || step < 1e-4 {
            let power = largest.log10().floor() as i32;
            let unit = 10f64.powi(power);
            format!("{:.*}×10{}", decimals(step / unit).min(6), v / unit, superscript(power))
        } else if largest >= 1e6 && step >= 1e4 {
            format!("{:.*}M", decimals(step / 1e6), v / 1e6)
        } else if largest >= 1e4 && step >= 10.0 {
            format!("{:.*}k", decimals(step / 1e3), v / 1e3)
        } else {
            format!("{v:.*}", decimals(step))
        }
    };
    values.into_iter().map(|value| Tick { value, label: text(value).replace('-', MINUS) }).collect()
}

fn log_ticks((low, high): (f64, f64), most: usize) -> Vec<Tick> {
    let (a, b) = (low.log10(), high.log10());
    let (first, last) = (a.ceil() as i32, b.floor() as i32);
    let decades = last - first + 1;
    if decades >= 3 {
        // Whole decades, thinned where there are many.
        let every = (decades as usize).div_ceil(most).max(1) as i32;
        return (first..=last)
            .filter(|p| p.rem_euclid(every) == 0)
            .map(|p| Tick { value: 10f64.powi(p), label: power_label(p) })
            .collect();
    }
    let fine: Vec<Tick> = (first - 1..=last + 1)
        .flat_map(|p| [1.0, 2.0, 5.0].map(|m| (m, p)))
        .map(|(m, p)| (m * 10f64.powi(p), m, p))
        .filter(|(v, ..)| *v >= low * (1.0 - 1e-9) && *v <= high * (1.0 + 1e-9))
        .map(|(value, m, p)| Tick { value, label: plain_or_power(m, p) })
        .collect();
    // Less than about half a decade: round values as on a linear scale, at their logarithmic places.
    if fine.len() >= 3 { fine } else { label(linear_ticks((low, high), most)) }
}

fn power_label(p: i32) -> String {
    if (-3..=3).contains(&p) { plain_or_power(1.0, p) } else { format!("10{}", superscript(p)) }
}

fn plain_or_power(m: f64, p: i32) -> String {
    match p {
        -4..=-1 => format!("{:.*}", -p as usize, m * 10f64.powi(p)),
        0..=4 => format!("{:.0}", m * 10f64.powi(p)),
        _ => format!("{m:.0}×10{}", superscript(p)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(log: bool, low: f64, high: f64, most: usize) -> Vec<String> {
        Scale::new(log, (low, high), (0.0, 100.0)).ticks(most).into_iter().map(|t| t.label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(false, 0.0, 1.0, 5), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(false, -0.013, 0.011, 4), ["−0.01", "0", "0.01"]);
        assert_eq!(labels(false, 0.0, 30000.0, 4), ["0", "10k", "20k", "30k"]);
        assert_eq!(labels(false, 27.31, 31.9, 5), ["28", "29", "30", "31"]);
        assert_eq!(labels(false, 0.0, 2.2e-5, 3), ["0", "1×10⁻⁵", "2×10⁻⁵"]);
    }

    #[test]
    fn log_ticks_follow_the_span() {
        assert_eq!(labels(true, 1e-6, 1.0, 8), ["10⁻⁶", "10⁻⁵", "10⁻⁴", "0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(true, 0.15, 3.0, 5), ["0.2", "0.5", "1", "2"]);
        assert_eq!(labels(true, 0.41, 0.58, 4), ["0.45", "0.50", "0.55"]);
    }

    #[test]
    fn degenerate_ranges_have_room() {
        assert_eq!(domain_of([], false, 0.1), None);
        assert_eq!(domain_of([f64::NAN, f64::INFINITY], false, 0.1), None);
        assert_eq!(domain_of([0.0, 0.0], false, 0.1), Some((-0.5, 0.5)));
        assert_eq!(domain_of([-1.0, 0.0], true, 0.1), None);
        let (low, high) = domain_of([2.0], true, 0.1).unwrap();
        assert!(low < 2.0 && high > 2.0);
    }

    proptest! {
        #[test]
        fn any_domain_has_a_few_ticks_within(
            a in -1e30f64..1e30, span in 1e-12f64..1e30, log in any::<bool>(), most in 2usize..12,
        ) {
            let low = if log { a.abs().max(1e-200) } else { a };
            let high = low + span.max(low.abs() * 1e-6);
            let scale = Scale::new(log, (low, high), (0.0, 100.0));
            let ticks = scale.ticks(most);
            prop_assert!(!ticks.is_empty() && ticks.len() <= 40, "{}", ticks.len());
            for t in ticks {
                let px = scale.px(t.value).unwrap();
                prop_assert!((-0.01..=100.01).contains(&px), "{t:?} at {px}");
                prop_assert!((scale.px(scale.value(px)).unwrap() - px).abs() < 1e-3);
            }
        }

        #[test]
        fn any_values_have_a_usable_domain(values in proptest::collection::vec(any::<f64>(), 0..20), log in any::<bool>()) {
            if let Some((low, high)) = domain_of(values, log, 0.05) {
                prop_assert!(low < high && low.is_finite() && high.is_finite());
                prop_assert!(!Scale::new(log, (low, high), (0.0, 1.0)).ticks(5).is_empty());
            }
        }
    }
}
