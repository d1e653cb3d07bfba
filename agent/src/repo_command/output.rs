//! Printing: results on stdout, and nothing else there.

use std::io::{self, Write};

use holdfast_types::Failure;
use serde::Serialize;
use serde_json::json;

use crate::command_error::CommandError;

/// Prints one JSON value.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    print_text(&text)
}

/// Prints a list as the contract has it.
pub(super) fn print_items(items: &impl Serialize) -> Result<(), CommandError> {
    print_json(&json!({"items": items, "nextCursor": null}))
}

/// Prints lines.
pub(super) fn print_text(text: &str) -> Result<(), CommandError> {
    writeln!(io::stdout().lock(), "{text}").map_err(|error| {
        CommandError::failed(Failure::permanent(
            "output_failed",
            format!("the result cannot be printed: {error}"),
            "check where stdout goes",
        ))
    })
}

/// Prints a table: the first row is its head.
pub(super) fn print_table(rows: &[Vec<String>]) -> Result<(), CommandError> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    print_text(&lines.collect::<Vec<_>>().join("\n"))
}

/// A number of bytes for people.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = UNITS.into_iter().find(|(_, shift)| bytes >> shift > 0);
    let Some((name, shift)) = unit else {
        return format!("{bytes} B");
    };
    let tenths = bytes.saturating_mul(10) >> shift;
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(5 << 30), "5.0 GiB");
    }
}
