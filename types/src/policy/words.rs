//! Spans, rates and lists as sentences say them.

use crate::{ByteSize, Span};

const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Seconds in at most two units: `45s`, `3h 20m`, `2d 4h`. Rounded up, for it is
/// how long something may take.
pub(super) fn about(seconds: f64) -> String {
    let whole = whole(seconds.ceil());
    let Some(place) = UNITS.iter().position(|(_, unit)| whole >= *unit) else {
        return "0s".to_owned();
    };
    let (name, unit) = UNITS[place];
    let (count, rest) = (whole / unit, whole % unit);
    match UNITS.get(place + 1) {
        Some((smaller, size)) if rest / size > 0 => {
            format!("{count}{name} {}{smaller}", rest / size)
        }
        _ => format!("{count}{name}"),
    }
}

/// A span that a policy names, as it would be written: whole units.
pub(super) fn span(seconds: f64) -> Span {
    Span::from_secs(whole(seconds.ceil()).max(1))
}

/// Bytes a second, as a size: `96MiB/s`.
pub(super) fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", size(bytes_per_second))
}

/// Bytes in their largest unit of which there are at least two digits.
pub(super) fn size(bytes: f64) -> String {
    let bytes = whole(bytes.max(0.0));
    let shift = [40, 30, 20, 10]
        .into_iter()
        .find(|shift| bytes >> shift >= 10);
    let shift = shift.unwrap_or(0);
    ByteSize::new((bytes >> shift) << shift).to_string()
}

/// `a`, `a and b`, `a, b and c`, and after `most` of them how many more there are.
pub(super) fn list(names: &[String], most: usize) -> String {
    let (shown, more) = names.split_at(names.len().min(most));
    if !more.is_empty() {
        return format!("{} and {} more", shown.join(", "), more.len());
    }
    match shown {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The whole part of what is not negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what fits"
)]
fn whole(number: f64) -> u64 {
    number.clamp(0.0, 9_007_199_254_740_992.0) as u64
}

/// A number of bytes for arithmetic that is an estimate anyway.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub(super) fn real(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(about(0.0), "0s");
        assert_eq!(about(44.2), "45s");
        assert_eq!(about(12_000.0), "3h 20m");
        assert_eq!(about(7_200.0), "2h");
        assert_eq!(about(187_201.0), "2d 4h");
        assert_eq!(rate(100.0 * 1_048_576.0), "100MiB/s");
        assert_eq!(size(3.5 * 1_073_741_824.0), "3584MiB");
        assert_eq!(span(90.0).to_string(), "90s");
        let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        assert_eq!(list(&names, 3), "a, b and c");
        assert_eq!(list(&names, 1), "a and 2 more");
        assert_eq!(list(&names[..1], 1), "a");
    }
}
