//! From laid-out pages to a file.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use krilla::Document;
use krilla::color::rgb;
use krilla::destination::XyzDestination;
use krilla::geom::{Path, PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::num::NormalizedF32;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule, Stroke, StrokeDash};
use krilla::surface::Surface;
use krilla::text::{Font, GlyphId, KrillaGlyph};

use super::face::{Faces, Weight};
use super::page::{GREY, HEIGHT, Ink, LEFT, Mark, Pages, RIGHT, RULE, Style, WIDTH};
use crate::body::Report;
use crate::render::RenderError;
use crate::words;

/// The fonts as the document embeds them.
struct Fonts<'a> {
    faces: &'a Faces,
    regular: Font,
    bold: Font,
}

pub(super) fn draw(
    pages: &Pages<'_>,
    report: &Report,
    sha256: &str,
) -> Result<Vec<u8>, RenderError> {
    let failed = |what: &str| RenderError::Pdf(what.to_owned());
    let embed = |weight| {
        let font = pages.faces.of(weight).embed();
        font.ok_or_else(|| failed("a font cannot be embedded"))
    };
    let fonts = Fonts {
        faces: pages.faces,
        regular: embed(Weight::Regular)?,
        bold: embed(Weight::Bold)?,
    };
    let mut document = Document::new();
    let size = PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(|| failed("a page"))?;
    let count = pages.all.len();
    for (index, marks) in pages.all.iter().enumerate() {
        let mut page = document.start_page_with(size.clone());
        let mut surface = page.surface();
        for mark in marks {
            fonts.draw(&mut surface, mark);
        }
        for mark in footer(pages.faces, report, sha256, (index + 1, count)) {
            fonts.draw(&mut surface, &mark);
        }
        surface.finish();
        page.finish();
    }
    let mut outline = Outline::new();
    for entry in &pages.outline {
        let target = XyzDestination::new(entry.page, Point::from_xy(LEFT, entry.y));
        outline.push_child(OutlineNode::new(entry.title.clone(), target));
    }
    document.set_outline(outline);
    document.set_metadata(metadata(report, sha256));
    let mut file = document
        .finish()
        .map_err(|error| RenderError::Pdf(format!("{error:?}")))?;
    if file.last() != Some(&b'\n') {
        file.push(b'\n');
    }
    Ok(file)
}

fn metadata(report: &Report, sha256: &str) -> Metadata {
    let period = format!("{} to {}", words::day(report.from), words::day(report.to));
    Metadata::new()
        .title(format!("Compliance of fleet {}, {period}", report.fleet))
        .description(format!("SHA-256 of the body: {sha256}"))
        .producer("Holdfast".to_owned())
        .creator("Holdfast".to_owned())
        .language("en".to_owned())
        // Not when it was made, which changes nothing: of when it speaks.
        .creation_date(date(report.as_known_at))
        .document_id(sha256.to_owned())
}

fn date(at: Timestamp) -> DateTime {
    let at = TimeZone::UTC.to_datetime(at);
    let small = |number: i8| number.unsigned_abs();
    DateTime::new(at.year().unsigned_abs())
        .month(small(at.month()))
        .day(small(at.day()))
        .hour(small(at.hour()))
        .minute(small(at.minute()))
        .second(small(at.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}

/// What stands below each page.
fn footer(
    faces: &Faces,
    report: &Report,
    sha256: &str,
    (page, pages): (usize, usize),
) -> Vec<Mark> {
    let style = Style::plain(6.6).in_ink(GREY);
    let face = faces.of(style.weight);
    let top = HEIGHT - 46.0;
    let number = format!("Page {page} of {pages}");
    let about = format!(
        "Holdfast · compliance of fleet {} · {} to {} · as known at {} UTC",
        report.fleet,
        words::day(report.from),
        words::day(report.to),
        words::moment(report.as_known_at),
    );
    let text = |x: f32, y: f32, text: String| Mark::Text { x, y, text, style };
    let right = RIGHT - face.width(&number, style.size);
    vec![
        Mark::Line {
            points: vec![(LEFT, top), (RIGHT, top)],
            width: 0.5,
            ink: RULE,
            dashed: false,
        },
        text(LEFT, top + 11.0, about),
        text(right, top + 11.0, number),
        text(LEFT, top + 20.0, format!("SHA-256 of the body {sha256}")),
    ]
}

impl Fonts<'_> {
    fn draw(&self, surface: &mut Surface<'_>, mark: &Mark) {
        match mark {
            Mark::Text { x, y, text, style } => self.text(surface, (*x, *y), text, *style),
            Mark::Area { place, ink } => {
                let [x, y, width, height] = *place;
                let Some(rect) = Rect::from_xywh(x, y, width, height) else {
                    return;
                };
                let mut path = PathBuilder::new();
                path.push_rect(rect);
                surface.set_stroke(None);
                surface.set_fill(Some(fill(*ink)));
                draw_path(surface, path.finish());
            }
            Mark::Line {
                points,
                width,
                ink,
                dashed,
            } => {
                surface.set_fill(None);
                surface.set_stroke(Some(stroke(*ink, *width, *dashed)));
                draw_path(surface, through(points));
            }
        }
    }

    fn text(&self, surface: &mut Surface<'_>, at: (f32, f32), text: &str, style: Style) {
        let face = self.faces.of(style.weight);
        let font = match style.weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        };
        let glyphs = text.char_indices().filter_map(|(place, char)| {
            let glyph = face.glyph(char)?;
            Some(KrillaGlyph {
                glyph_id: GlyphId::new(glyph.id),
                text_range: place..place + char.len_utf8(),
                x_advance: glyph.advance,
                x_offset: 0.0,
                y_offset: 0.0,
                y_advance: 0.0,
                location: None,
            })
        });
        let glyphs: Vec<KrillaGlyph> = glyphs.collect();
        surface.set_stroke(None);
        surface.set_fill(Some(fill(style.ink)));
        let start = Point::from_xy(at.0, at.1);
        surface.draw_glyphs(start, &glyphs, font.clone(), text, style.size, false);
    }
}

fn through(points: &[(f32, f32)]) -> Option<Path> {
    let mut path = PathBuilder::new();
    let (first, rest) = points.split_first()?;
    path.move_to(first.0, first.1);
    for point in rest {
        path.line_to(point.0, point.1);
    }
    path.finish()
}

fn draw_path(surface: &mut Surface<'_>, path: Option<Path>) {
    if let Some(path) = path {
        surface.draw_path(&path);
    }
}

fn fill(ink: Ink) -> Fill {
    Fill {
        paint: rgb::Color::new(ink.0, ink.1, ink.2).into(),
        opacity: NormalizedF32::ONE,
        rule: FillRule::default(),
    }
}

fn stroke(ink: Ink, width: f32, dashed: bool) -> Stroke {
    Stroke {
        paint: rgb::Color::new(ink.0, ink.1, ink.2).into(),
        width,
        dash: dashed.then(|| StrokeDash {
            array: vec![4.0, 2.5],
            offset: 0.0,
        }),
        ..Stroke::default()
    }
}
