//! Tables: rows that go on over pages, with their titles on each of them.

use super::face::Weight;
use super::page::{BLACK, FAINT, GREEN, GREY, Ink, LEFT, Mark, Pages, RED, RIGHT, RULE, Style};

const SIZE: f32 = 7.2;
/// Above and below the lines of a row.
const PAD: f32 = 2.2;
/// Between columns.
const GUTTER: f32 = 9.0;

/// A column: its title, its share of the width, and whether numbers are in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    share: f32,
    right: bool,
}

/// A column of text.
pub(super) const fn text(title: &'static str, share: f32) -> Column {
    Column {
        title,
        share,
        right: false,
    }
}

/// A column of numbers.
pub(super) const fn number(title: &'static str, share: f32) -> Column {
    Column {
        title,
        share,
        right: true,
    }
}

/// A table.
#[derive(Debug)]
pub(super) struct Table<'a> {
    columns: &'a [Column],
    rows: Vec<Vec<String>>,
}

/// How high the titles and a first row are.
pub(super) const BEGINNING: f32 = 34.0;

impl<'a> Table<'a> {
    pub(super) const fn new(columns: &'a [Column]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(cells.into());
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Each column's left and width.
    fn places(&self) -> Vec<(f32, f32)> {
        let shares: f32 = self.columns.iter().map(|column| column.share).sum();
        let mut x = LEFT;
        let places = self.columns.iter().map(|column| {
            let width = (RIGHT - LEFT) * column.share / shares;
            let place = (x, width - GUTTER);
            x += width;
            place
        });
        places.collect()
    }

    pub(super) fn lay_out(&self, pages: &mut Pages<'_>) {
        let places = self.places();
        pages.need(BEGINNING);
        self.titles(pages, &places);
        let leading = Style::plain(SIZE).leading();
        for row in &self.rows {
            let mut cells: Vec<Vec<String>> = Vec::with_capacity(row.len());
            for (cell, (_, width)) in row.iter().zip(&places) {
                let face = pages.faces.of(Weight::Regular);
                cells.push(face.lines(cell, SIZE, *width));
            }
            let most = cells.iter().map(Vec::len).max().unwrap_or(0).max(1);
            // A row stays together where a page can hold it.
            let height = lines_high(most, leading);
            if pages.left() < height && height < 400.0 {
                self.turn(pages, &places);
            }
            let mut done = 0;
            while done < most {
                if pages.left() < lines_high(1, leading) {
                    self.turn(pages, &places);
                }
                let mut fit = 1;
                while done + fit < most && lines_high(fit + 1, leading) <= pages.left() {
                    fit += 1;
                }
                self.part(pages, &places, &cells, done..done + fit);
                done += fit;
            }
        }
        pages.y += 2.0;
    }

    fn turn(&self, pages: &mut Pages<'_>, places: &[(f32, f32)]) {
        pages.turn();
        self.titles(pages, places);
    }

    fn titles(&self, pages: &mut Pages<'_>, places: &[(f32, f32)]) {
        let style = Style::bold(6.6).in_ink(GREY);
        let titles = self.columns.iter().zip(places);
        let titles = titles.map(|(column, (_, width))| {
            let face = pages.faces.of(style.weight);
            face.lines(column.title, style.size, *width)
        });
        let titles: Vec<Vec<String>> = titles.collect();
        let most = titles.iter().map(Vec::len).max().unwrap_or(1);
        let height = lines_high(most, style.leading());
        for (index, lines) in titles.iter().enumerate() {
            // They stand on their last line.
            let above = most - lines.len();
            let base = pages.y + PAD + style.size + style.leading() * small(above);
            self.cell(pages, index, places, (lines, base), style);
        }
        pages.y += height;
        pages.rule(pages.y, 0.7, GREY);
    }

    fn part(
        &self,
        pages: &mut Pages<'_>,
        places: &[(f32, f32)],
        cells: &[Vec<String>],
        range: std::ops::Range<usize>,
    ) {
        let style = Style::plain(SIZE);
        let base = pages.y + PAD + SIZE;
        for (index, lines) in cells.iter().enumerate() {
            let end = range.end.min(lines.len());
            let Some(lines) = lines.get(range.start..end) else {
                continue;
            };
            let ink = lines.first().map_or(BLACK, |line| ink_of(line));
            self.cell(pages, index, places, (lines, base), style.in_ink(ink));
        }
        pages.y += lines_high(range.len(), style.leading());
        pages.mark(Mark::Line {
            points: vec![(LEFT, pages.y), (RIGHT, pages.y)],
            width: 0.4,
            ink: if self.rows.len() > 1 { FAINT } else { RULE },
            dashed: false,
        });
    }

    fn cell(
        &self,
        pages: &mut Pages<'_>,
        index: usize,
        places: &[(f32, f32)],
        (lines, base): (&[String], f32),
        style: Style,
    ) {
        let Some((x, width)) = places.get(index) else {
            return;
        };
        let right = self.columns.get(index).is_some_and(|column| column.right);
        let mut base = base;
        for line in lines {
            if right {
                pages.text_to(x + width, base, line, style);
            } else {
                pages.text(*x, base, line, style);
            }
            base += style.leading();
        }
    }
}

/// Verdicts catch the eye; nothing else does.
fn ink_of(word: &str) -> Ink {
    match word {
        "FAIL" | "VIOLATED" | "UNPROTECTED" | "UNKNOWN" | "failed" => RED,
        "PASS" | "COMPLIANT" | "passed" => GREEN,
        "NOT APPLICABLE" | "–" => GREY,
        _ => BLACK,
    }
}

fn lines_high(lines: usize, leading: f32) -> f32 {
    small(lines) * leading + 2.0 * PAD
}

fn small(number: usize) -> f32 {
    f32::from(u16::try_from(number).unwrap_or(u16::MAX))
}
