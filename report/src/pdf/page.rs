//! Pages in the making: where the next thing goes, and what is on them.

use super::face::{Faces, Weight};

pub(super) const WIDTH: f32 = 595.28;
pub(super) const HEIGHT: f32 = 841.89;
/// The column that is written in.
pub(super) const LEFT: f32 = 48.0;
pub(super) const RIGHT: f32 = WIDTH - 48.0;
pub(super) const TOP: f32 = 52.0;
pub(super) const BOTTOM: f32 = HEIGHT - 62.0;

/// A colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ink(pub(super) u8, pub(super) u8, pub(super) u8);

pub(super) const BLACK: Ink = Ink(24, 28, 33);
pub(super) const GREY: Ink = Ink(100, 108, 118);
pub(super) const RULE: Ink = Ink(200, 205, 211);
pub(super) const FAINT: Ink = Ink(228, 231, 235);
pub(super) const BLUE: Ink = Ink(31, 86, 145);
pub(super) const RED: Ink = Ink(176, 36, 36);
pub(super) const ROSE: Ink = Ink(246, 214, 212);
pub(super) const GREEN: Ink = Ink(28, 110, 62);

/// How text is set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) size: f32,
    pub(super) weight: Weight,
    pub(super) ink: Ink,
}

impl Style {
    pub(super) const fn plain(size: f32) -> Self {
        Self {
            size,
            weight: Weight::Regular,
            ink: BLACK,
        }
    }

    pub(super) const fn bold(size: f32) -> Self {
        Self {
            size,
            weight: Weight::Bold,
            ink: BLACK,
        }
    }

    pub(super) const fn in_ink(self, ink: Ink) -> Self {
        Self { ink, ..self }
    }

    /// From one line to the next.
    pub(super) fn leading(self) -> f32 {
        self.size * 1.3
    }
}

/// Something on a page.
#[derive(Debug, Clone)]
pub(super) enum Mark {
    /// Text that begins at a point of its base line; it holds only what is shown.
    Text {
        x: f32,
        y: f32,
        text: String,
        style: Style,
    },
    /// A filled rectangle: left, top, width, height.
    Area { place: [f32; 4], ink: Ink },
    /// Lines through points.
    Line {
        points: Vec<(f32, f32)>,
        width: f32,
        ink: Ink,
        dashed: bool,
    },
}

/// An entry of the outline.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) title: String,
    pub(super) page: usize,
    pub(super) y: f32,
}

/// The pages so far.
pub(super) struct Pages<'a> {
    pub(super) faces: &'a Faces,
    pub(super) all: Vec<Vec<Mark>>,
    pub(super) outline: Vec<Entry>,
    /// How far the last page is written.
    pub(super) y: f32,
}

impl<'a> Pages<'a> {
    pub(super) fn new(faces: &'a Faces) -> Self {
        Self {
            faces,
            all: vec![Vec::new()],
            outline: Vec::new(),
            y: TOP,
        }
    }

    pub(super) fn turn(&mut self) {
        self.all.push(Vec::new());
        self.y = TOP;
    }

    /// How much of the page is left.
    pub(super) fn left(&self) -> f32 {
        BOTTOM - self.y
    }

    /// Turns the page unless so much of it is left.
    pub(super) fn need(&mut self, height: f32) {
        if self.left() < height && self.y > TOP {
            self.turn();
        }
    }

    /// Leaves room, but not at the top of a page.
    pub(super) fn space(&mut self, height: f32) {
        if self.y > TOP {
            self.y += height;
        }
    }

    pub(super) fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.all.last_mut() {
            page.push(mark);
        }
    }

    pub(super) fn text(&mut self, x: f32, y: f32, text: &str, style: Style) {
        let text = self.faces.of(style.weight).shown(text);
        self.mark(Mark::Text { x, y, text, style });
    }

    /// Text that ends at a point.
    pub(super) fn text_to(&mut self, x: f32, y: f32, text: &str, style: Style) {
        let width = self.faces.of(style.weight).width(text, style.size);
        self.text(x - width, y, text, style);
    }

    /// A line of text over the column.
    pub(super) fn line(&mut self, text: &str, style: Style) {
        let lines = self
            .faces
            .of(style.weight)
            .lines(text, style.size, RIGHT - LEFT);
        for line in lines {
            self.need(style.leading());
            let base = self.y + style.size;
            self.text(LEFT, base, &line, style);
            self.y += style.leading();
        }
    }

    pub(super) fn rule(&mut self, y: f32, width: f32, ink: Ink) {
        self.mark(Mark::Line {
            points: vec![(LEFT, y), (RIGHT, y)],
            width,
            ink,
            dashed: false,
        });
    }

    /// A chapter's title, with an entry in the outline; so much has to follow it on
    /// its page.
    pub(super) fn chapter(&mut self, title: &str, follows: f32) {
        self.space(18.0);
        self.need(30.0 + follows);
        let style = Style::bold(13.0);
        self.enter(title);
        let base = self.y + style.size;
        self.text(LEFT, base, title, style);
        self.y = base + 6.0;
        self.rule(self.y, 0.8, GREY);
        self.y += 7.0;
    }

    pub(super) fn enter(&mut self, title: &str) {
        self.outline.push(Entry {
            title: title.to_owned(),
            page: self.all.len() - 1,
            y: (self.y - 4.0).max(0.0),
        });
    }

    /// What stands above a table.
    pub(super) fn caption(&mut self, title: &str, follows: f32) {
        self.space(7.0);
        self.need(13.0 + follows);
        let style = Style::bold(8.0);
        let base = self.y + style.size;
        self.text(LEFT, base, title, style);
        self.y = base + 4.0;
    }

    /// Names and values side by side, in rows of so many.
    pub(super) fn facts(&mut self, facts: &[(&str, String)], in_a_row: u8) {
        let column = (RIGHT - LEFT) / f32::from(in_a_row);
        for row in facts.chunks(usize::from(in_a_row)) {
            let value = Style::bold(9.0);
            let lines = row.iter().map(|(_, text)| {
                let face = self.faces.of(value.weight);
                face.lines(text, value.size, column - 8.0)
            });
            let lines: Vec<Vec<String>> = lines.collect();
            let most = lines.iter().map(Vec::len).max().unwrap_or(1);
            let height = 9.5 + value.leading() * f32::from(u16::try_from(most).unwrap_or(1)) + 4.0;
            self.need(height);
            let mut x = LEFT;
            for ((name, _), lines) in row.iter().zip(lines) {
                let y = self.y;
                self.text(x, y + 7.0, name, Style::plain(7.0).in_ink(GREY));
                let mut base = y + 9.5 + value.size;
                for line in lines {
                    self.text(x, base, &line, value);
                    base += value.leading();
                }
                x += column;
            }
            self.y += height;
        }
    }
}
