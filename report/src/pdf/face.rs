//! The two fonts: which glyph a character has, and how wide it is.

use std::cell::RefCell;
use std::collections::BTreeMap;

use krilla::text::Font;
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};

const REGULAR: &[u8] = include_bytes!("../../fonts/LiberationSans-Regular.ttf");
const BOLD: &[u8] = include_bytes!("../../fonts/LiberationSans-Bold.ttf");

/// How text is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// A glyph and its width, in parts of the font's size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glyph {
    pub(super) id: u32,
    pub(super) advance: f32,
}

/// Both fonts.
pub(super) struct Faces {
    regular: Face,
    bold: Face,
}

pub(super) struct Face {
    data: &'static [u8],
    font: FontRef<'static>,
    known: RefCell<BTreeMap<char, Option<Glyph>>>,
}

impl Faces {
    pub(super) fn load() -> Option<Self> {
        Some(Self {
            regular: Face::load(REGULAR)?,
            bold: Face::load(BOLD)?,
        })
    }

    pub(super) fn of(&self, weight: Weight) -> &Face {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }
}

impl Face {
    fn load(data: &'static [u8]) -> Option<Self> {
        Some(Self {
            data,
            font: FontRef::new(data).ok()?,
            known: RefCell::default(),
        })
    }

    /// It, to be embedded.
    pub(super) fn embed(&self) -> Option<Font> {
        Font::new(self.data.into(), 0)
    }

    pub(super) fn glyph(&self, char: char) -> Option<Glyph> {
        *self.known.borrow_mut().entry(char).or_insert_with(|| {
            let id = self.font.charmap().map(char)?;
            let metrics = self
                .font
                .glyph_metrics(Size::new(1.0), LocationRef::default());
            let advance = metrics.advance_width(id)?;
            Some(Glyph {
                id: id.to_u32(),
                advance,
            })
        })
    }

    pub(super) fn width(&self, text: &str, size: f32) -> f32 {
        let glyphs = text.chars().filter_map(|char| self.glyph(char));
        glyphs.map(|glyph| glyph.advance).sum::<f32>() * size
    }

    /// The text with everything in it to be seen.
    pub(super) fn shown(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        for char in text.chars() {
            if char == '\n' || char == '\t' {
                shown.push(' ');
            } else if is_hidden(char) || self.glyph(char).is_none() {
                shown.push_str(&format!("[U+{:04X}]", u32::from(char)));
            } else {
                shown.push(char);
            }
        }
        shown
    }

    /// The text in lines that are no wider, broken at spaces where there are any.
    pub(super) fn lines(&self, text: &str, size: f32, width: f32) -> Vec<String> {
        let text = self.shown(text);
        if self.width(&text, size) <= width {
            return vec![text];
        }
        let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0.0);
        for word in text.split_inclusive([' ', '-', '/', '_', ',']) {
            let needed = self.width(word.trim_end(), size);
            if used + needed > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                used = 0.0;
            }
            if needed <= width {
                line.push_str(word);
                used += self.width(word, size);
                continue;
            }
            for char in word.chars() {
                let advance = self.glyph(char).map_or(0.0, |glyph| glyph.advance) * size;
                if used + advance > width && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                line.push(char);
                used += advance;
            }
        }
        let line = line.trim_end();
        if !line.is_empty() {
            lines.push(line.to_owned());
        }
        lines
    }
}

/// What cannot be seen, or changes how what is around it is read.
fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(char, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_shown() {
        let faces = Faces::load().unwrap();
        let face = faces.of(Weight::Regular);
        assert_eq!(
            face.shown("Größe, Ελλάδα, Москва – 5 €"),
            "Größe, Ελλάδα, Москва – 5 €"
        );
        assert_eq!(face.shown("a\u{202e}b"), "a[U+202E]b");
        assert_eq!(face.shown("中"), "[U+4E2D]");
        assert_eq!(face.shown("two\nlines"), "two lines");
    }

    #[test]
    fn lines_are_no_wider_than_they_may_be_and_lose_nothing() {
        let faces = Faces::load().unwrap();
        let face = faces.of(Weight::Bold);
        let text = "the reason why nobodyhadthoughtofanythingthatlongandwithoutspaces, really";
        let lines = face.lines(text, 8.0, 60.0);
        assert!(lines.len() > 3);
        for line in &lines {
            assert!(face.width(line, 8.0) <= 60.01, "{line}");
        }
        let without = |text: &str| text.replace(' ', "");
        assert_eq!(without(&lines.concat()), without(text));
    }
}
