//! Numbers, units, durations and dates as text: the same characters on server and client.

use transferscope_domain::MetricKind;

/// Shown where there is no value.
pub const NONE: &str = "–";

/// A number with fixed decimals and a true minus sign; [`NONE`] unless finite.
pub fn number(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let text = format!("{:.decimals$}", value.abs());
    // A value that rounds to zero has no sign.
    if value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        format!("\u{2212}{text}")
    } else {
        text
    }
}

/// A number with its sign, also the plus.
pub fn signed(value: f64, decimals: usize) -> String {
    let text = number(value, decimals);
    if value > 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) { format!("+{text}") } else { text }
}

/// A number of unknown size in about four significant digits; powers of ten outside
/// 0.001 to 99999.
pub fn significant(value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-3..1e5).contains(&size) {
        let text = format!("{size:.2e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mantissa = if mantissa.contains('.') {
            mantissa.trim_end_matches('0').trim_end_matches('.')
        } else {
            mantissa
        };
        let sign = if value < 0.0 { "\u{2212}" } else { "" };
        return format!("{sign}{mantissa}e{}", exponent.replace('-', "\u{2212}"));
    }
    let decimals = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
    let text = number(value, decimals);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The metric of a full name such as `val/dice`, or of its own.
fn kind_of(name: &str) -> Option<MetricKind> {
    MetricKind::of_name(name).or_else(|| name.parse().ok())
}

/// A metric's value with the decimals of its kind, without unit.
pub fn metric_value(name: &str, value: f64) -> String {
    match kind_of(name) {
        // Learning rates span decades.
        Some(MetricKind::Lr) | None => significant(value),
        Some(kind) => number(value, kind.decimals()),
    }
}

/// A difference of two values of one metric, with sign and without unit.
pub fn metric_difference(name: &str, value: f64) -> String {
    match kind_of(name) {
        Some(MetricKind::Lr) | None => significant(value),
        Some(kind) => signed(value, kind.decimals()),
    }
}

/// A metric's full name for people: `test/psnr_db@zero-filled` is "PSNR, zero-filled (test)".
pub fn metric_label(name: &str) -> String {
    let (split, rest) = name.split_once('/').unwrap_or(("", name));
    let (base, baseline) = rest.split_once('@').map_or((rest, None), |(b, n)| (b, Some(n)));
    let class = base.split_once('.').map(|(_, c)| c);
    let mut text = match (MetricKind::of_name(name), base) {
        (Some(kind), _) => kind.label().to_owned(),
        // What a classification says of a case, and what is so.
        (None, "probability") => "Probability of cancer".to_owned(),
        (None, "truth") => "Cancer, 1 = yes".to_owned(),
        (None, other) => other.replace('_', " "),
    };
    for part in [class, baseline].into_iter().flatten() {
        text.push_str(", ");
        text.push_str(part);
    }
    if !split.is_empty() {
        text.push_str(&format!(" ({})", split_label(split)));
    }
    text
}

fn split_label(split: &str) -> &str {
    match split {
        "train" => "training",
        "val" => "validation",
        other => other,
    }
}

/// With its first letter large.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(char::to_uppercase).into_iter().flatten().chain(letters).collect()
}

/// "1 run", "2 runs", "12 000 runs".
pub fn plural(n: u64, one: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {one}{s}", count(n))
}

/// A whole number in groups of three, with a thin space from five digits on.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 * 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(c);
    }
    text
}

/// A number of parameters: "980 k", "4.21 M".
pub fn parameters(n: u64) -> String {
    let v = n as f64;
    match n {
        0..1_000 => n.to_string(),
        1_000..1_000_000 => format!("{} k", significant3(v / 1e3)),
        1_000_000..1_000_000_000 => format!("{} M", significant3(v / 1e6)),
        _ => format!("{} G", significant3(v / 1e9)),
    }
}

/// Bytes in binary units: "512 B", "1.5 GiB".
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{n} B") } else { format!("{} {unit}", significant3(value)) }
}

fn significant3(value: f64) -> String {
    let decimals = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}")
}

/// A length of time: "0.4 s", "45 s", "3 min 20 s", "2 h 05 min", "3 d 4 h".
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return NONE.to_owned();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// How long ago something was, in the coarsest unit that says enough.
pub fn ago(then_ms: i64, now_ms: i64) -> String {
    let s = now_ms.saturating_sub(then_ms).max(0) / 1000;
    match s {
        0..2 => "just now".to_owned(),
        2..120 => format!("{s} s ago"),
        120..7200 => format!("{} min ago", s / 60),
        7200..172_800 => format!("{} h ago", s / 3600),
        _ => format!("{} d ago", s / 86_400),
    }
}

/// A point in time, "2026-01-21 14:03 UTC".
pub fn date_time(ms: i64) -> String {
    let minutes = ms.div_euclid(60_000);
    let (days, minute) = (minutes.div_euclid(1440), minutes.rem_euclid(1440));
    let (y, m, d) = civil_from_days(days);
    format!("{y:04}-{m:02}-{d:02} {:02}:{:02} UTC", minute / 60, minute % 60)
}

/// The same for the `datetime` attribute of `<time>`.
pub fn date_time_iso(ms: i64) -> String {
    let seconds = ms.div_euclid(1000);
    let (days, s) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (y, m, d) = civil_from_days(days);
    format!("{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}Z", s / 3600, s % 3600 / 60, s % 60)
}

/// Days since 1970-01-01 to year, month and day of the Gregorian calendar.
///
/// # Source
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// A text as HTML, between tags and in quoted attributes.
#[cfg(feature = "ssr")]
pub fn html(text: &str) -> String {
    let entities = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#39;")];
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match entities.iter().find(|(special, _)| *special == c) {
            Some((_, entity)) => html.push_str(entity),
            None => html.push(c),
        }
    }
    html
}

/// A name as a part of a path: everything but letters, digits and `-._~` in percent code.
pub fn path_part(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// A hash short enough for a table.
pub fn short_hash(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// A share in percent without decimals, never rounded up to 100.
pub fn percent(fraction: f64) -> String {
    let p = (fraction.clamp(0.0, 1.0) * 100.0).floor();
    format!("{p:.0} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number(0.81249, 4), "0.8125");
        assert_eq!(number(-1.5, 1), "\u{2212}1.5");
        assert_eq!(number(-0.0001, 2), "0.00");
        assert_eq!(number(f64::NAN, 2), NONE);
        assert_eq!(signed(0.25, 2), "+0.25");
        assert_eq!(signed(0.001, 2), "0.00");
        assert_eq!(significant(0.0005), "5e\u{2212}4");
        assert_eq!(significant(1e-3), "0.001");
        assert_eq!(significant(12.0), "12");
        assert_eq!(significant(123_456.0), "1.23e5");
        assert_eq!(significant(-250.5), "\u{2212}250.5");
        assert_eq!(significant(1000.0), "1000");
        assert_eq!(count(12_345_678), "12\u{202f}345\u{202f}678");
        assert_eq!(count(1234), "1234");
        assert_eq!(parameters(4_212_000), "4.21 M");
        assert_eq!(bytes(1_610_612_736), "1.50 GiB");
        assert_eq!(plural(1, "run"), "1 run");
        assert_eq!(percent(0.999), "99 %");
        assert_eq!(path_part("ProstateX-0000 ü/.."), "ProstateX-0000%20%C3%BC%2F..");
    }

    #[test]
    fn times() {
        assert_eq!(duration(0.44), "0.4 s");
        assert_eq!(duration(59.6), "1 min 00 s");
        assert_eq!(duration(7_530.0), "2 h 05 min");
        assert_eq!(duration(100_000.0), "1 d 3 h");
        assert_eq!(duration(-1.0), NONE);
        assert_eq!(ago(0, 1_500), "just now");
        assert_eq!(ago(0, 90_000), "90 s ago");
        assert_eq!(ago(5_000, 0), "just now");
        assert_eq!(date_time(0), "1970-01-01 00:00 UTC");
        assert_eq!(date_time(1_769_004_180_000), "2026-01-21 14:03 UTC");
        assert_eq!(date_time_iso(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(date_time_iso(-1000), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn metrics() {
        assert_eq!(metric_label("test/psnr_db@zero-filled"), "PSNR, zero-filled (test)");
        assert_eq!(metric_label("val/dice.peripheral"), "Dice, peripheral (validation)");
        assert_eq!(metric_label("train/lr"), "Learning rate (training)");
        assert_eq!(metric_label("odd_name"), "odd name");
        assert_eq!(metric_value("test/psnr_db", 31.237), "31.24");
        assert_eq!(metric_value("dice", 3.6e-6), "0.0000");
        assert_eq!(metric_value("train/lr", 5e-4), "5e\u{2212}4");
        assert_eq!(metric_difference("test/dice", -0.01), "\u{2212}0.0100");
    }
}
