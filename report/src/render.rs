//! From a report to the document that is signed.

use crate::body::Report;
use crate::format::Format;
use crate::{csv, pdf, seal};

/// Why a report could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A value is not JSON.
    #[error("the report cannot be written as JSON: {0}")]
    Json(String),
    /// The PDF could not be put together.
    #[error("the report cannot be written as PDF: {0}")]
    Pdf(String),
}

/// The body in its one form: JSON without a needless byte, fields in their order. Its
/// SHA-256 names the report in every format.
pub fn body(report: &Report) -> Result<Vec<u8>, RenderError> {
    serde_json::to_vec(report).map_err(|error| RenderError::Json(error.to_string()))
}

/// The document of a report, without a signature. `body` is what [`body`] gave.
pub fn document(report: &Report, body: Vec<u8>, format: Format) -> Result<Vec<u8>, RenderError> {
    match format {
        Format::Json => Ok(body),
        Format::Csv => Ok(csv::write(report, &seal::sha256(&body))),
        Format::Pdf => pdf::write(report, &seal::sha256(&body)),
    }
}
