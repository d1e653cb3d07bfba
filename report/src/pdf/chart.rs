//! The course of a cluster's exposure: the highest in each part of the period, the RPO
//! as a line, and violations shaded.

use super::page::{BLUE, FAINT, GREY, LEFT, Mark, Pages, RED, RIGHT, ROSE, RULE, Style};
use super::scale::{Heights, Times};
use crate::body::{Cluster, Curve, Report};
use crate::number::Level;
use crate::words;

/// How high it is, with its caption and its names.
pub(super) const HEIGHT: f32 = 121.0;
const PLOT: f32 = 82.0;
const NAMES: f32 = 34.0;

/// Where it is drawn.
struct Plot {
    left: f32,
    top: f32,
    width: f32,
    heights: Heights,
    times: Times,
}

impl Plot {
    fn x(&self, part: f32) -> f32 {
        self.left + part * self.width
    }

    fn y(&self, part: f32) -> f32 {
        self.top + PLOT * (1.0 - part)
    }
}

pub(super) fn lay_out(pages: &mut Pages<'_>, report: &Report, cluster: &Cluster) {
    let Some(curve) = &cluster.curve else { return };
    pages.need(HEIGHT);
    let title = format!(
        "Exposure (highest in each {}, logarithmic)",
        words::length(curve.step_seconds)
    );
    pages.caption(&title, HEIGHT - 14.0);
    let rpo = cluster
        .promise
        .as_ref()
        .and_then(|promise| promise.rpo_seconds);
    let levels = curve.highest.iter().flatten().copied();
    let levels = levels.chain(rpo.map(Level::Bounded));
    let plot = Plot {
        left: LEFT + NAMES,
        top: pages.y + 5.0,
        width: RIGHT - LEFT - NAMES,
        heights: Heights::of(levels),
        times: Times {
            from: report.from,
            to: report.to,
        },
    };
    violations(pages, &plot, cluster, report);
    grid(pages, &plot);
    course(pages, &plot, curve, report);
    if let Some(rpo) = rpo {
        let y = plot.y(plot.heights.part(Level::Bounded(rpo)));
        pages.mark(Mark::Line {
            points: vec![(plot.x(0.0), y), (plot.x(1.0), y)],
            width: 0.8,
            ink: RED,
            dashed: true,
        });
        let label = format!("RPO {}", words::length(rpo));
        let style = Style::bold(6.4).in_ink(RED);
        pages.text_to(plot.x(1.0) - 2.0, y - 2.5, &label, style);
    }
    pages.y = plot.top + PLOT + 16.0;
}

fn violations(pages: &mut Pages<'_>, plot: &Plot, cluster: &Cluster, report: &Report) {
    for violation in &cluster.violations {
        let from = plot.x(plot.times.part(violation.started_at));
        let until = violation.ended_at.unwrap_or(report.to);
        let until = plot.x(plot.times.part(until));
        // Short ones are to be seen too.
        let width = (until - from).max(1.2);
        let place = [from.min(plot.x(1.0) - width), plot.top, width, PLOT];
        pages.mark(Mark::Area { place, ink: ROSE });
    }
}

fn grid(pages: &mut Pages<'_>, plot: &Plot) {
    let style = Style::plain(6.4).in_ink(GREY);
    for (part, name) in plot.heights.names() {
        let y = plot.y(part);
        pages.mark(Mark::Line {
            points: vec![(plot.x(0.0), y), (plot.x(1.0), y)],
            width: 0.4,
            ink: FAINT,
            dashed: false,
        });
        pages.text_to(plot.left - 4.0, y + 2.2, name, style);
    }
    let base = plot.top + PLOT;
    for (part, name) in plot.times.names() {
        let x = plot.x(part);
        pages.mark(Mark::Line {
            points: vec![(x, base), (x, base + 3.0)],
            width: 0.5,
            ink: GREY,
            dashed: false,
        });
        let width = pages.faces.of(style.weight).width(&name, style.size);
        if x + 1.0 + width <= plot.x(1.0) + 2.0 {
            pages.text(x + 1.0, base + 9.0, &name, style);
        }
    }
    let (left, right) = (plot.x(0.0), plot.x(1.0));
    pages.mark(Mark::Line {
        points: vec![(left, plot.top), (left, base), (right, base)],
        width: 0.6,
        ink: RULE,
        dashed: false,
    });
}

/// Steps, for each part says its highest; broken where nothing was promised.
fn course(pages: &mut Pages<'_>, plot: &Plot, curve: &Curve, report: &Report) {
    let points: Vec<(jiff::Timestamp, Option<Level>)> = curve.points(report.from).collect();
    let mut steps: Vec<(f32, f32)> = Vec::new();
    for (index, (at, level)) in points.iter().enumerate() {
        let Some(level) = level else {
            finish(pages, std::mem::take(&mut steps));
            continue;
        };
        let until = points.get(index + 1).map_or(report.to, |(next, _)| *next);
        let y = plot.y(plot.heights.part(*level));
        steps.push((plot.x(plot.times.part(*at)), y));
        steps.push((plot.x(plot.times.part(until)), y));
    }
    finish(pages, steps);
}

fn finish(pages: &mut Pages<'_>, steps: Vec<(f32, f32)>) {
    if steps.is_empty() {
        return;
    }
    pages.mark(Mark::Line {
        points: steps,
        width: 0.7,
        ink: BLUE,
        dashed: false,
    });
}
