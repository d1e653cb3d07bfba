//! The two cookies of a browser's login: no script can read them, and no other
//! site's request carries them.
//!
//! Over TLS their names begin with `__Host-`, so that no other host of the same
//! domain can plant one (RFC 6265bis, section 4.1.3). A node that listens on
//! loopback speaks plain HTTP, where not every browser keeps such cookies.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use cookie::{Cookie, SameSite};
use holdfast_types::{Secret, Span};

use crate::app::App;
use crate::app::error::AppError;
use crate::app::login::Login;

/// The two that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Proves the user for minutes.
    Access,
    /// Gives the next pair, once.
    Refresh,
}

impl Kind {
    const fn name(self, plain: bool) -> &'static str {
        match (self, plain) {
            (Self::Access, false) => "__Host-holdfast-access",
            (Self::Refresh, false) => "__Host-holdfast-refresh",
            (Self::Access, true) => "holdfast-access",
            (Self::Refresh, true) => "holdfast-refresh",
        }
    }
}

/// What a request's cookie holds.
pub(super) fn read(app: &App, headers: &HeaderMap, kind: Kind) -> Option<Secret> {
    let name = kind.name(app.rest_is_plain());
    let values = headers.get_all(COOKIE).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(Cookie::split_parse)
        .flatten()
        .find(|cookie| cookie.name() == name)
        .map(|cookie| Secret::new(cookie.value().to_owned()))
}

/// Keeps a login in the browser.
pub(super) fn keep(app: &App, login: &Login) -> Result<HeaderMap, AppError> {
    let access = &app.config.access;
    set(
        app,
        [
            (
                Kind::Access,
                login.access_token.expose(),
                access.access_token,
            ),
            (Kind::Refresh, login.refresh_token.expose(), access.session),
        ],
    )
}

/// Takes it out of the browser.
pub(super) fn forget(app: &App) -> Result<HeaderMap, AppError> {
    let nothing = Span::from_secs(0);
    set(
        app,
        [(Kind::Access, "", nothing), (Kind::Refresh, "", nothing)],
    )
}

fn set(app: &App, cookies: [(Kind, &str, Span); 2]) -> Result<HeaderMap, AppError> {
    let plain = app.rest_is_plain();
    let mut headers = HeaderMap::new();
    for (kind, value, lives) in cookies {
        let seconds = i64::try_from(lives.get().as_secs()).unwrap_or(i64::MAX);
        let cookie = Cookie::build((kind.name(plain), value))
            .path("/")
            .http_only(true)
            .secure(!plain)
            .same_site(SameSite::Strict)
            .max_age(cookie::time::Duration::seconds(seconds))
            .build()
            .to_string();
        let mut value = HeaderValue::try_from(cookie)
            .map_err(|_| AppError::failed("a token does not fit into a cookie"))?;
        value.set_sensitive(true);
        headers.append(SET_COOKIE, value);
    }
    Ok(headers)
}
