//! Reading what a request says. What cannot be read is refused with the path
//! of the field.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use crate::app::code::Code;
use crate::app::error::AppError;

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !is_json(kind) {
            return Err(AppError::new(Code::UNSUPPORTED_MEDIA_TYPE, "the body is not JSON").into());
        }
        let bytes = read(request, state).await?;
        let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().to_string();
            let code = match error.inner().classify() {
                serde_json::error::Category::Data => Code::INVALID,
                _ => Code::MALFORMED_REQUEST,
            };
            let app = AppError::new(code, error.into_inner().to_string());
            if path == "." {
                app
            } else {
                app.with_field(path)
            }
        })?;
        deserializer
            .end()
            .map_err(|error| AppError::new(Code::MALFORMED_REQUEST, error.to_string()))?;
        Ok(Self(value))
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| {
            let code = match rejection.status() {
                axum::http::StatusCode::PAYLOAD_TOO_LARGE => Code::BODY_TOO_LARGE,
                _ => Code::MALFORMED_REQUEST,
            };
            AppError::new(code, rejection.body_text()).into()
        })
}

fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json")
}

/// The query string. A parameter nobody knows is refused: a filter that was
/// misspelled must not select everything.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // `consistency` belongs to every read and is seen to before.
        let query = parts.uri.query().unwrap_or_default();
        let rest: Vec<_> = query
            .split('&')
            .filter(|pair| !pair.starts_with("consistency=") && !pair.is_empty())
            .collect();
        let malformed = |message: String| AppError::new(Code::MALFORMED_REQUEST, message);
        let uri: Uri = format!("/?{}", rest.join("&"))
            .parse()
            .map_err(|_| malformed("the query string cannot be read".to_owned()))?;
        let Query(params) =
            Query::try_from_uri(&uri).map_err(|rejection| malformed(rejection.body_text()))?;
        Ok(Self(params))
    }
}

/// One or more segments of the path.
#[derive(Debug)]
pub struct Segment<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segment<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(value) = Path::<T>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| AppError::new(Code::NOT_FOUND, rejection.body_text()))?;
        Ok(Self(value))
    }
}
