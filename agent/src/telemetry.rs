//! Logs on stderr and, when asked for, traces to an OTLP collector.
//!
//! A job belongs to the request that caused it: its span continues the trace
//! that came with the assignment, and carries the trace's id into every log
//! line even where no collector is configured.

use std::io::IsTerminal;

use holdfast_types::Failure;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{Config, LogFormat};

/// Sends what is left when the process ends.
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// Sets up logs and traces of the process, once.
pub fn start(config: &Config) -> Result<Telemetry, Failure> {
    let invalid = |message: String| {
        let hint = "correct the section log or telemetry of agent.toml";
        Failure::permanent("telemetry_invalid", message, hint)
    };
    let levels: Targets = config
        .log
        .level
        .parse()
        .map_err(|error| invalid(format!("log.level: {error}")))?;
    let provider = match &config.telemetry.otlp_endpoint {
        Some(endpoint) => Some(provider(config, endpoint).map_err(invalid)?),
        None => None,
    };
    let traces = provider.as_ref().map(|provider| {
        let tracer = provider.tracer("holdfast-agent");
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_filter(levels.clone())
    });
    let terminal = std::io::stderr().is_terminal();
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(terminal);
    let lines = match config.log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let registry = tracing_subscriber::registry()
        .with(traces)
        .with(lines.with_filter(levels));
    // Only a test process that has a subscriber already gets here twice.
    let _ = registry.try_init();
    Ok(Telemetry { provider })
}

fn provider(config: &Config, endpoint: &str) -> Result<SdkTracerProvider, String> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build();
    let exporter = exporter.map_err(|error| format!("telemetry.otlpEndpoint: {error}"))?;
    let resource = Resource::builder()
        .with_service_name("holdfast-agent")
        .with_attribute(opentelemetry::KeyValue::new(
            "holdfast.agent",
            config.agent.name.to_string(),
        ))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

impl Telemetry {
    /// Sends what has not been sent. It may wait for the collector, so it runs
    /// where blocking is allowed.
    pub async fn stop(self) {
        let Some(provider) = self.provider else {
            return;
        };
        let stopped = tokio::task::spawn_blocking(move || provider.shutdown());
        if let Ok(Err(error)) = stopped.await {
            tracing::debug!(%error, "traces were not all sent");
        }
    }
}

/// Makes `span` a part of the trace that `traceparent` names.
pub fn continue_trace(span: &Span, traceparent: Option<&str>) {
    let Some(traceparent) = traceparent else {
        return;
    };
    if let Some(trace) = trace_id(traceparent) {
        span.record("trace.id", trace);
    }
    let carrier =
        std::collections::HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract(&carrier);
    // Without a collector there is no layer to take it, and nothing is lost.
    let _ = span.set_parent(context);
}

/// The trace's id in a W3C traceparent: `00-<32 hex>-<16 hex>-<2 hex>`.
fn trace_id(traceparent: &str) -> Option<&str> {
    let id = traceparent.split('-').nth(1)?;
    let valid = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    valid.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::trace_id;

    #[test]
    fn the_trace_id_of_a_traceparent() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(
            trace_id(&format!("00-{trace}-b7ad6b7169203331-01")),
            Some(trace)
        );
        assert_eq!(trace_id("nonsense"), None);
        assert_eq!(trace_id("00-short-b7ad6b7169203331-01"), None);
    }
}
