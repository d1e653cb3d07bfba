//! Logs and traces: text or JSON lines on stderr, and OTLP when it is asked
//! for. Handlers carry a W3C trace context in and out.

use std::io::IsTerminal;

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{LogFormat, Telemetry};

/// What must be flushed before the process ends.
#[derive(Debug)]
pub struct Guard {
    provider: SdkTracerProvider,
}

impl Guard {
    /// Sends what was not sent yet.
    pub async fn shutdown(self) {
        let ended = tokio::task::spawn_blocking(move || self.provider.shutdown()).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(error = %error, "failed to send the last traces");
        }
    }
}

/// Starts logging and tracing for this process. Needs a Tokio runtime.
pub fn install(telemetry: &Telemetry) -> anyhow::Result<Guard> {
    let mut provider = SdkTracerProvider::builder()
        .with_resource(Resource::builder().with_service_name("holdfastd").build());
    if let Some(endpoint) = &telemetry.otlp_endpoint {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()?;
        provider = provider.with_batch_exporter(exporter);
    }
    let provider = provider.build();
    let terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(terminal);
    let lines = match telemetry.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // The tracer runs even when nothing is exported: it makes the trace ids.
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("holdfastd"));
    tracing_subscriber::registry()
        .with(EnvFilter::try_new(&telemetry.level)?)
        .with(lines)
        .with(traces)
        .try_init()?;
    Ok(Guard { provider })
}

/// One W3C header.
struct Traceparent(Option<String>);

impl Extractor for Traceparent {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0.as_deref()?)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

impl Injector for Traceparent {
    fn set(&mut self, key: &str, value: String) {
        if key == "traceparent" {
            self.0 = Some(value);
        }
    }
}

/// Makes `span` part of the caller's trace, when the caller named one.
pub fn continue_trace(span: &Span, traceparent: Option<&str>) {
    let carrier = Traceparent(traceparent.map(str::to_owned));
    let context = TraceContextPropagator::new().extract(&carrier);
    if context.span().span_context().is_valid() {
        // The span may be disabled by the filter: then there is nothing to do.
        let _ = span.set_parent(context);
    }
}

/// The current span's trace context, as it travels; without a tracer the
/// caller's own, or none.
pub fn traceparent(span: &Span) -> Option<String> {
    let mut carrier = Traceparent(None);
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.0
}
