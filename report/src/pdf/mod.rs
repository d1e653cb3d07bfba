//! PDF, for people: plain pages of A4 with tables and one chart per cluster.
//!
//! Pages are laid out first and drawn then, so that each can say how many there are.
//! Fonts are embedded. What they have no shape for is written as its number, and so
//! are characters that are invisible or turn text around: a report shows everything
//! that is in it.

mod chart;
mod cluster;
mod draw;
mod face;
mod front;
mod lists;
mod page;
mod scale;
mod table;

use crate::body::Report;
use crate::render::RenderError;

/// The document.
pub(crate) fn write(report: &Report, sha256: &str) -> Result<Vec<u8>, RenderError> {
    let faces = face::Faces::load().ok_or_else(|| RenderError::Pdf("a font".to_owned()))?;
    let mut pages = page::Pages::new(&faces);
    front::lay_out(&mut pages, report, sha256);
    for cluster in &report.clusters {
        cluster::lay_out(&mut pages, report, cluster);
    }
    lists::lay_out(&mut pages, report);
    draw::draw(&pages, report, sha256)
}
