//! The REST client: finds a node that answers, logs in again when a token has
//! ended, and turns problem answers into failures.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Certificate, Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::config::{Config, Session};
use crate::failure::{Exit, Failure};

/// Items asked for at once.
const PAGE: usize = 500;

/// How long the servers are asked again that have no leader at the moment.
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(500);

/// A client of the control plane.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    config: Config,
    /// Why, for those who have to consent to what is asked for.
    because: Option<HeaderValue>,
}

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The body; null when there is none.
    pub(crate) body: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    access_token: String,
    refresh_token: String,
    expires_at: Timestamp,
}

impl Client {
    /// A client of the configured servers.
    pub(crate) fn new(config: Config) -> Result<Self, Failure> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(60));
        if let Some(path) = &config.ca {
            let pem = std::fs::read(path).map_err(|error| Failure::file(path.display(), &error))?;
            let certificate = Certificate::from_pem(&pem).map_err(|_| {
                let message = format!("{} is not a PEM certificate", path.display());
                Failure::usage(message, "give the control plane's ca.pem with --ca")
            })?;
            builder = builder.tls_certs_only([certificate]);
        }
        let unusable = |error: reqwest::Error| Failure::usage(chain(&error), "check --ca");
        Ok(Self {
            http: builder.build().map_err(unusable)?,
            config,
            because: None,
        })
    }

    /// The same, which says why it asks for what it does.
    pub(crate) fn because(mut self, because: Option<&str>) -> Result<Self, Failure> {
        let header = because.map(|text| HeaderValue::from_bytes(text.as_bytes()));
        self.because = header.transpose().map_err(|_| {
            Failure::usage("--because is one line of text", "leave out line breaks")
        })?;
        Ok(self)
    }

    /// Reads.
    pub(crate) async fn get(
        &mut self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Value, Failure> {
        Ok(self.call(Method::GET, path, query, None).await?.body)
    }

    /// Reads a list: all of it, page by page, or the first `most` items.
    pub(crate) async fn list(
        &mut self,
        path: &str,
        query: &[(&str, String)],
        most: Option<u32>,
    ) -> Result<Value, Failure> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let most = most.map_or(usize::MAX, |most| {
                usize::try_from(most).unwrap_or(usize::MAX)
            });
            let page = PAGE.min(most.saturating_sub(items.len()));
            let mut query = query.to_vec();
            query.push(("limit", page.to_string()));
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let mut body = self.get(path, &query).await?;
            if let Value::Array(more) = body["items"].take() {
                items.extend(more);
            }
            cursor = body["nextCursor"].as_str().map(str::to_owned);
            if cursor.is_none() || items.len() >= most {
                return Ok(json!({ "items": items, "nextCursor": cursor }));
            }
        }
    }

    /// Creates or asks for work, safely repeated: the key travels with it.
    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Result<Value, Failure> {
        Ok(self.call(Method::POST, path, &[], Some(body)).await?.body)
    }

    /// Asks for what is not JSON, or is to be kept as it is: headers and bytes.
    pub(crate) async fn fetch(
        &mut self,
        path: &str,
        body: Value,
    ) -> Result<(HeaderMap, Vec<u8>), Failure> {
        let answer = self.ask(Method::POST, path, &[], Some(body)).await?;
        if !answer.status().is_success() {
            read(answer).await?;
            let message = "a refusal was not read as one";
            return Err(Failure::new(
                Exit::Failed,
                "unreadable_answer",
                message,
                "try again",
            ));
        }
        let headers = answer.headers().clone();
        let bytes = answer.bytes().await.map_err(|error| {
            let message = format!("the answer broke off: {}", chain(&error));
            Failure::new(Exit::Failed, "server_unreachable", message, "try again")
        })?;
        Ok((headers, bytes.to_vec()))
    }

    /// Creates or replaces.
    pub(crate) async fn put(&mut self, path: &str, body: Value) -> Result<Value, Failure> {
        Ok(self.call(Method::PUT, path, &[], Some(body)).await?.body)
    }

    /// Deletes.
    pub(crate) async fn delete(&mut self, path: &str) -> Result<Value, Failure> {
        Ok(self.call(Method::DELETE, path, &[], None).await?.body)
    }

    /// Logs in and keeps the tokens.
    pub(crate) async fn login(&mut self, user: &str, password: &str) -> Result<(), Failure> {
        let body = json!({"user": user, "password": password});
        let answer = self
            .send(Method::POST, "auth/login", &[], Some(&body), None, None)
            .await?;
        let tokens = read(answer).await?;
        self.keep(user, tokens.body)
    }

    /// Ends the login, at the server and here.
    pub(crate) async fn logout(&mut self) -> Result<(), Failure> {
        if let Some(session) = self.config.session.clone() {
            let body = json!({"refreshToken": session.refresh_token});
            self.post("auth/logout", body).await?;
        }
        self.config.session = None;
        self.config.keep_session(None)
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> Result<Answer, Failure> {
        read(self.ask(method, path, query, body).await?).await
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> Result<Response, Failure> {
        let token = self.token().await?;
        let key = (method == Method::POST).then(|| Uuid::now_v7().simple().to_string());
        let (key, body) = (key.as_deref(), body.as_ref());
        let answer = self
            .send(method.clone(), path, query, body, Some(&token), key)
            .await?;
        if answer.status() != StatusCode::UNAUTHORIZED || !self.has_session() {
            return Ok(answer);
        }
        // The token ended a moment before its time, for instance because the
        // clocks differ: a refused request changed nothing, so ask again once.
        self.refresh().await?;
        let token = self.token().await?;
        self.send(method, path, query, body, Some(&token), key)
            .await
    }

    fn has_session(&self) -> bool {
        self.config.token.is_none() && self.config.session.is_some()
    }

    async fn token(&mut self) -> Result<String, Failure> {
        if let Some(token) = &self.config.token {
            return Ok(token.clone());
        }
        let soon = Timestamp::now().saturating_add(SignedDuration::from_secs(10));
        let ended = match (&self.config.session, soon) {
            (Some(session), Ok(soon)) => session.expires_at <= soon,
            (Some(_), Err(_)) => true,
            (None, _) => {
                let message = "not logged in";
                let hint = "run `holdfast login --user NAME`, or give an API token with --token";
                return Err(Failure::new(Exit::Failed, "not_logged_in", message, hint));
            }
        };
        if ended {
            self.refresh().await?;
        }
        let session = self.config.session.as_ref();
        Ok(session
            .map(|session| session.access_token.clone())
            .unwrap_or_default())
    }

    async fn refresh(&mut self) -> Result<(), Failure> {
        let Some(session) = self.config.session.clone() else {
            return Ok(());
        };
        let body = json!({"refreshToken": session.refresh_token});
        let answer = self
            .send(Method::POST, "auth/refresh", &[], Some(&body), None, None)
            .await?;
        let tokens = read(answer).await.map_err(|failure| {
            let message = format!(
                "the login of {} has ended: {}",
                session.user, failure.message
            );
            Failure::new(
                Exit::Failed,
                &failure.code,
                message,
                "run `holdfast login` again",
            )
        })?;
        self.keep(&session.user, tokens.body)
    }

    fn keep(&mut self, user: &str, tokens: Value) -> Result<(), Failure> {
        let Tokens {
            access_token,
            refresh_token,
            expires_at,
        } = serde_json::from_value(tokens).map_err(|error| {
            let message = format!("the login's answer cannot be read: {error}");
            Failure::new(
                Exit::Failed,
                "unreadable_answer",
                message,
                "is it a Holdfast server?",
            )
        })?;
        let user = user.to_owned();
        let session = Session {
            user,
            access_token,
            refresh_token,
            expires_at,
        };
        self.config.session = Some(session.clone());
        self.config.keep_session(Some(session))
    }

    /// Sends to the servers in turn until one takes it. A server without a
    /// leader or a quorum may have one in a moment: it is asked again for a
    /// while, and so is the next. A repeat is safe: a POST carries its
    /// Idempotency-Key, the others say what is to be and not what to do.
    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
        token: Option<&str>,
        key: Option<&str>,
    ) -> Result<Response, Failure> {
        let began = Instant::now();
        let repeatable = method != Method::POST || key.is_some();
        loop {
            let mut unreachable = Vec::new();
            let mut unavailable = None;
            for server in &self.config.servers {
                let request = self.request(server, &method, path, query, body);
                let request = with(request, token, key);
                match request.send().await {
                    Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => {
                        unavailable = Some(answer);
                        if !repeatable {
                            break;
                        }
                    }
                    Ok(answer) => return Ok(answer),
                    Err(error) if error.is_connect() || repeatable => {
                        unreachable.push(format!("{server}: {}", chain(&error)));
                    }
                    Err(error) => {
                        let message = format!("{server}: {}", chain(&error));
                        let hint = "look whether it was done before you repeat it";
                        let exit = Exit::Failed;
                        return Err(Failure::new(exit, "outcome_unknown", message, hint));
                    }
                }
            }
            let several = self.config.servers.len() > 1;
            // A server that is alone and down is down; of several one may be
            // about to lead.
            let worth = repeatable && (unavailable.is_some() || several);
            if worth && began.elapsed() < PATIENCE {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            if let Some(answer) = unavailable {
                return Ok(answer);
            }
            let message = format!("no server could be reached: {}", unreachable.join("; "));
            let hint = "check --server (or HOLDFAST_SERVER) and that holdfastd runs";
            let exit = Exit::Failed;
            return Err(Failure::new(exit, "server_unreachable", message, hint));
        }
    }

    fn request(
        &self,
        server: &str,
        method: &Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> RequestBuilder {
        let mut url = format!("{}/api/v1/{path}", server.trim_end_matches('/'));
        for (index, (name, value)) in query.iter().enumerate() {
            let separator = if index == 0 { '?' } else { '&' };
            url.push_str(&format!("{separator}{name}={}", encoded(value)));
        }
        let mut request = self.http.request(method.clone(), &url);
        if let Some(because) = self.because.as_ref().filter(|_| *method != Method::GET) {
            request = request.header("Holdfast-Reason", because.clone());
        }
        match body {
            Some(body) => request.json(body),
            None => request,
        }
    }
}

fn with(mut request: RequestBuilder, token: Option<&str>, key: Option<&str>) -> RequestBuilder {
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    request
}

async fn read(answer: Response) -> Result<Answer, Failure> {
    let status = answer.status();
    let bytes = answer.bytes().await.map_err(|error| {
        let message = format!("the answer broke off: {}", chain(&error));
        Failure::new(Exit::Failed, "server_unreachable", message, "try again")
    })?;
    let body = if bytes.is_empty() {
        Ok(Value::Null)
    } else {
        serde_json::from_slice(&bytes)
    };
    if status.is_success() {
        return body.map(|body| Answer { body }).map_err(|error| {
            let message = format!("the answer is not JSON: {error}");
            Failure::new(
                Exit::Failed,
                "unreadable_answer",
                message,
                "is it a Holdfast server?",
            )
        });
    }
    let exit = match status {
        StatusCode::NOT_FOUND => Exit::NotFound,
        StatusCode::BAD_REQUEST
        | StatusCode::CONFLICT
        | StatusCode::PRECONDITION_FAILED
        | StatusCode::UNPROCESSABLE_ENTITY => Exit::Refused,
        _ => Exit::Failed,
    };
    let problem = body
        .ok()
        .and_then(|body| serde_json::from_value::<Failure>(body).ok());
    let unknown = || {
        let message = format!("the server answered {status}");
        Failure::new(
            exit,
            "unreadable_answer",
            message,
            "is it a Holdfast server?",
        )
    };
    Err(Failure {
        exit,
        ..problem.unwrap_or_else(unknown)
    })
}

/// An error with its causes, which reqwest keeps apart.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Percent-encodes a query value or a path segment (RFC 3986, section 2.3).
pub(crate) fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    value.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_are_encoded() {
        assert_eq!(encoded("a b+ä/1"), "a%20b%2B%C3%A4%2F1");
    }
}
