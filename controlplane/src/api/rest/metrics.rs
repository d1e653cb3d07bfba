//! Metrics in OpenMetrics text. They name clusters, so they need credentials
//! like everything else.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use holdfast_types::alarm::{AlarmRule, Severity};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::error::{ApiError, Problems};
use crate::app::caller::Caller;
use crate::app::error::{AppError, Result};
use crate::app::{App, StatusView};

const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(metrics_show))
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabel {
    state: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabel {
    kind: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Cluster {
    cluster: String,
    fleet: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AlarmLabels {
    rule: String,
    severity: String,
}

impl AlarmLabels {
    fn of(rule: AlarmRule, severity: Severity) -> Self {
        Self {
            rule: rule.to_string(),
            severity: severity.to_string(),
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ChannelLabel {
    channel: String,
}

/// Metrics of this node and of the control plane
#[utoipa::path(get, path = "/metrics", operation_id = "metrics_show", tag = "status",
    responses((status = 200, description = "OpenMetrics", body = String, content_type = "application/openmetrics-text"), Problems))]
async fn metrics_show(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> std::result::Result<impl IntoResponse, ApiError> {
    let mut text = String::new();
    let registry = gather(&app, &caller).await?;
    encode(&mut text, &registry).map_err(AppError::internal)?;
    Ok(([(CONTENT_TYPE, TEXT)], text))
}

async fn gather(app: &App, caller: &Caller) -> Result<Registry> {
    let mut registry = Registry::with_prefix("holdfast");
    let status = app.status(caller).await?;
    let node = &status.node;
    let gauge = |registry: &mut Registry, name: &str, help: &str, value: u64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    let leads = u64::from(node.leader == Some(node.id));
    gauge(
        &mut registry,
        "raft_leader",
        "Whether this node leads",
        leads,
    );
    gauge(&mut registry, "raft_term", "The current term", node.term);
    let applied = node.applied_index.unwrap_or_default();
    gauge(
        &mut registry,
        "raft_applied_index",
        "The last entry applied",
        applied,
    );
    let last = node.last_log_index.unwrap_or_default();
    gauge(
        &mut registry,
        "raft_last_log_index",
        "The last entry in the log",
        last,
    );
    gauge(
        &mut registry,
        "clusters",
        "Declared clusters",
        status.counts.clusters,
    );
    unprotected(&status, &mut registry);
    gauge(
        &mut registry,
        "late_results",
        "Results of jobs that came too late to count, of the last 400 days",
        app.late_result_count(caller).await?,
    );
    for (name, help, counts) in [
        ("agents", "Agents by state", &status.counts.agents),
        ("jobs", "Jobs by state", &status.counts.jobs),
        ("backups", "Backups by state", &status.counts.backups),
        ("compliance", "Clusters by verdict", &status.exposure),
    ] {
        let family = Family::<StateLabel, Gauge<i64>>::default();
        for (state, count) in counts {
            let state = state.clone();
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            family.get_or_create(&StateLabel { state }).set(count);
        }
        registry.register(name, help, family);
    }
    state_safety(&status, &mut registry);
    alarms(app, caller, &mut registry).await?;
    exposure(app, caller, &mut registry).await?;
    Ok(registry)
}

async fn alarms(app: &App, caller: &Caller, registry: &mut Registry) -> Result<()> {
    let known = app.alarm_metrics(caller).await?;
    let open = Family::<AlarmLabels, Gauge<i64>>::default();
    // A rule of which none is open is 0 and not absent: what is absent alerts nobody.
    for rule in AlarmRule::ALL {
        open.get_or_create(&AlarmLabels::of(*rule, rule.severity()))
            .set(0);
    }
    for ((rule, severity), count) in known.open {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        open.get_or_create(&AlarmLabels::of(rule, severity))
            .set(count);
    }
    let failing = Family::<ChannelLabel, Gauge<i64>>::default();
    let pending = Family::<ChannelLabel, Gauge<i64>>::default();
    for channel in known.channels {
        let health = known.health.get(&channel).cloned().unwrap_or_default();
        let label = ChannelLabel {
            channel: channel.to_string(),
        };
        let fails = health.failed_attempts > 0 || health.gave_up.is_some();
        failing.get_or_create(&label).set(i64::from(fails));
        let waiting = i64::try_from(health.pending).unwrap_or(i64::MAX);
        pending.get_or_create(&label).set(waiting);
    }
    registry.register("alarms", "Open alarms by rule", open);
    let help = "Whether the channel did not take its last notice";
    registry.register("notification_channel_failing", help, failing);
    registry.register(
        "notices_pending",
        "Notices that are still to be sent",
        pending,
    );
    Ok(())
}

fn unprotected(status: &StatusView, registry: &mut Registry) {
    let family = Family::<KindLabel, Gauge<i64>>::default();
    let counts = status.unprotected;
    for (kind, count) in [("instance", counts.instances), ("cluster", counts.clusters)] {
        let kind = kind.to_owned();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        family.get_or_create(&KindLabel { kind }).set(count);
    }
    let help = "Servers that no cluster declares, and clusters without a policy";
    registry.register("unprotected", help, family);
}

/// Without settings there is nothing to be late.
fn state_safety(status: &StatusView, registry: &mut Registry) {
    let Some(safety) = &status.state_safety else {
        return;
    };
    let late = Gauge::<i64>::default();
    late.set(i64::from(safety.late));
    let help = "Whether the last snapshot of the state is older than two periods";
    registry.register("state_snapshot_late", help, late);
    if let Some(seconds) = safety.age_seconds {
        let age = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        age.set(seconds);
        let help = "How old the last snapshot of the state is";
        registry.register("state_snapshot_age_seconds", help, age);
    }
}

async fn exposure(app: &App, caller: &Caller, registry: &mut Registry) -> Result<()> {
    let exposure = Family::<Cluster, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
    let rpo = Family::<Cluster, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
    for one in app.exposures(caller).await? {
        let label = Cluster {
            cluster: one.cluster.to_string(),
            fleet: one.fleet.to_string(),
        };
        if let Some(seconds) = one.exposure_seconds {
            exposure.get_or_create(&label).set(seconds);
        }
        if let Some(seconds) = one.rpo_seconds {
            rpo.get_or_create(&label).set(seconds);
        }
    }
    registry.register("exposure_seconds", "What would be lost now", exposure);
    registry.register("rpo_seconds", "What may be lost", rpo);
    Ok(())
}
