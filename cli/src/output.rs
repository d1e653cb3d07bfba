//! What goes to stdout: a table for people, or exactly one JSON or YAML value.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;

use crate::failure::{Exit, Failure};

/// What `-o` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Wanted {
    /// Columns for people.
    Table,
    /// One JSON value.
    Json,
    /// One YAML value.
    Yaml,
    /// A report for spreadsheets.
    Csv,
    /// A report for people.
    Pdf,
}

impl Wanted {
    /// Its word on the command line.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Csv => "csv",
            Self::Pdf => "pdf",
        }
    }

    /// How everything but a report is printed.
    pub(crate) const fn format(self) -> Format {
        match self {
            Self::Json => Format::Json,
            Self::Yaml => Format::Yaml,
            Self::Table | Self::Csv | Self::Pdf => Format::Table,
        }
    }
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Columns for people.
    Table,
    /// One JSON value.
    Json,
    /// One YAML value.
    Yaml,
}

/// A column: its title and how to read it from an item.
pub(crate) type Column = (&'static str, fn(&Value) -> String);

/// Prints a list, which over REST is `{items, nextCursor}`.
pub(crate) fn list(format: Format, body: &Value, columns: &[Column]) -> Result<(), Failure> {
    if format != Format::Table {
        return value(format, body);
    }
    let items = body["items"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if items.is_empty() {
        eprintln!("nothing there");
        return Ok(());
    }
    let mut table = plain_table();
    table.set_header(columns.iter().map(|(title, _)| title.to_uppercase()));
    for item in items {
        table.add_row(columns.iter().map(|(_, cell)| cell(item)));
    }
    println!("{}", trimmed(&table));
    Ok(())
}

/// Prints one object: pairs of name and value for people.
pub(crate) fn object(format: Format, body: &Value, pairs: &[Column]) -> Result<(), Failure> {
    if format != Format::Table {
        return value(format, body);
    }
    let mut table = plain_table();
    for (title, cell) in pairs {
        let text = cell(body);
        if !text.is_empty() {
            table.add_row([format!("{title}:"), text]);
        }
    }
    println!("{}", trimmed(&table));
    Ok(())
}

/// Prints a value as JSON or, for people too, as YAML.
pub(crate) fn value(format: Format, body: &Value) -> Result<(), Failure> {
    let text = match format {
        Format::Json => serde_json::to_string(body).map_err(|error| error.to_string()),
        Format::Table | Format::Yaml => {
            serde_yaml_ng::to_string(body).map_err(|error| error.to_string())
        }
    };
    let unprintable =
        |error| Failure::new(Exit::Failed, "unprintable_answer", error, "use -o json");
    println!("{}", text.map_err(unprintable)?.trim_end());
    Ok(())
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// Without the padding that comfy-table puts at both ends of a line.
fn trimmed(table: &Table) -> String {
    let lines = table
        .lines()
        .map(|line| line.trim_end().trim_start_matches(' ').to_owned());
    lines.collect::<Vec<_>>().join("\n")
}
