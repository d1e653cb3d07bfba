//! Cells of tables: text out of JSON, bytes and times for people.

use jiff::Timestamp;
use serde_json::Value;

/// A field as text; empty when it is not there.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let pair = |(key, value): (&String, &Value)| format!("{key}={}", text(value));
            fields.iter().map(pair).collect::<Vec<_>>().join(",")
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Bytes with a binary unit.
pub(crate) fn bytes(value: &Value) -> String {
    value.as_u64().map(bytes_of).unwrap_or_default()
}

/// Bytes with a binary unit.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn bytes_of(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes as f64;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < units.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} B")
    } else {
        format!("{amount:.1} {}", units[unit])
    }
}

/// A time, in UTC to the second.
pub(crate) fn time(value: &Value) -> String {
    let parsed = value
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok());
    parsed
        .map(|time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
        .unwrap_or_default()
}

/// Seconds as people say them: `3.2 s`, `4 m 10 s`, `2 h 5 m`, `3 d 4 h`.
pub(crate) fn seconds(value: &Value) -> String {
    value.as_f64().map(seconds_of).unwrap_or_default()
}

/// Seconds as people say them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped at zero"
)]
pub(crate) fn seconds_of(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{:.1} s", seconds.max(0.0));
    }
    let whole = seconds as u64;
    match whole {
        0..3_600 => format!("{} m {} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {} m", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(bytes_of(512), "512 B");
        assert_eq!(bytes_of(1_572_864), "1.5 MiB");
        assert_eq!(seconds_of(3.21), "3.2 s");
        assert_eq!(seconds_of(250.0), "4 m 10 s");
        assert_eq!(seconds_of(7_500.0), "2 h 5 m");
        assert_eq!(
            time(&Value::from("2026-02-03T02:41:07.123456Z")),
            "2026-02-03 02:41:07Z"
        );
    }
}
