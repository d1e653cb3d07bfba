//! Rows that are equally wide, and cells that nothing executes.

use std::fmt::Display;

/// As many cells as the widest table has.
pub(super) const WIDTH: usize = 26;

#[derive(Debug, Default)]
pub(super) struct Sheet {
    text: String,
    section: &'static str,
}

impl Sheet {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    /// Begins a table.
    pub(super) fn table(&mut self, section: &'static str, columns: &[&str]) {
        self.section = section;
        let mut row = Row::new("section");
        for column in columns {
            row.raw(column);
        }
        row.end(&mut self.text);
    }

    pub(super) fn row(&mut self, fill: impl FnOnce(&mut Row)) {
        let mut row = Row::new(self.section);
        fill(&mut row);
        row.end(&mut self.text);
    }
}

#[derive(Debug)]
pub(super) struct Row {
    line: String,
    cells: usize,
}

impl Row {
    fn new(section: &str) -> Self {
        Self {
            line: section.to_owned(),
            cells: 1,
        }
    }

    /// Of our own making: a number, a time, a word.
    pub(super) fn raw(&mut self, value: impl Display) -> &mut Self {
        self.cell(&value.to_string())
    }

    pub(super) fn maybe(&mut self, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.raw(value),
            None => self.raw(""),
        }
    }

    /// Of others' making.
    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        let risky = value.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '|']);
        if risky {
            self.cell(&format!("'{value}"))
        } else {
            self.cell(value)
        }
    }

    pub(super) fn maybe_text(&mut self, value: Option<&str>) -> &mut Self {
        self.text(value.unwrap_or_default())
    }

    fn cell(&mut self, value: &str) -> &mut Self {
        self.cells += 1;
        self.line.push(',');
        if value.contains([',', '"', '\r', '\n']) {
            self.line.push('"');
            self.line.push_str(&value.replace('"', "\"\""));
            self.line.push('"');
        } else {
            self.line.push_str(value);
        }
        self
    }

    fn end(self, text: &mut String) {
        debug_assert!(self.cells <= WIDTH, "a table is wider than all are");
        text.push_str(&self.line);
        for _ in self.cells..WIDTH {
            text.push(',');
        }
        text.push_str("\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fill: impl FnOnce(&mut Row)) -> String {
        let mut text = String::new();
        let mut row = Row::new("x");
        fill(&mut row);
        row.end(&mut text);
        text.trim_end().trim_end_matches(',').to_owned()
    }

    #[test]
    fn what_a_spreadsheet_would_execute_is_text() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "|x"] {
            let line = line(|row| {
                row.text(text);
            });
            assert_eq!(line, format!("x,'{text}"));
        }
        let numbers = line(|row| {
            row.raw(-1).text("a-b");
        });
        assert_eq!(numbers, "x,-1,a-b");
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let line = line(|row| {
            row.text("a,b")
                .text("say \"no\"")
                .text("two\nlines")
                .text("plain");
        });
        assert_eq!(line, "x,\"a,b\",\"say \"\"no\"\"\",\"two\nlines\",plain");
    }
}
