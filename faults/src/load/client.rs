//! A client of one node's REST API.

use std::time::Duration;

use reqwest::header::{ETAG, IF_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::Value as Json;

/// Longer than a node takes to say that it does not know.
const TIMEOUT: Duration = Duration::from_secs(8);
/// Codes that promise that nothing was done.
const NOT_DONE: [&str; 4] = ["not_leader", "no_quorum", "no_leader", "leader_too_old"];

/// What a node answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It was done; what is there, with its revision.
    Done(Json, Option<String>),
    /// There is no such thing.
    Absent,
    /// It was refused, or the node said that it was not done.
    NotDone(String),
    /// Nobody said.
    Unknown(String),
}

/// Talks to the node in whose namespace its thread is, at its loopback address:
/// so a node that is cut off from the others still has its clients.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    /// A client that shows `token`.
    ///
    /// # Panics
    /// When the HTTP client cannot be made.
    pub fn new(base: &str, token: &str) -> Self {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(2))
            .timeout(TIMEOUT);
        Self {
            http: http.build().expect("an HTTP client"),
            base: base.to_owned(),
            token: token.to_owned(),
        }
    }

    /// Reads what is at `path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None, None).await
    }

    /// Writes; with `revision` only when that is what is there.
    pub async fn put(&self, path: &str, body: &Json, revision: Option<&str>) -> Answer {
        self.ask(Method::PUT, path, Some(body), revision).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
        revision: Option<&str>,
    ) -> Answer {
        let url = format!("{}/api/v1/{path}", self.base);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(revision) = revision {
            request = request.header(IF_MATCH, revision);
        }
        let response = match request.send().await {
            Ok(response) => response,
            // Nobody was there to do anything.
            Err(error) if error.is_connect() => return Answer::NotDone("unreachable".to_owned()),
            Err(error) => return Answer::Unknown(error.to_string()),
        };
        let status = response.status();
        let tag = response.headers().get(ETAG);
        let tag = tag.and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        match response.json::<Json>().await {
            Ok(body) if status.is_success() => Answer::Done(body, tag),
            Ok(problem) => refusal(status, &problem),
            // A broken answer to something that was done is no refusal.
            Err(error) => Answer::Unknown(error.to_string()),
        }
    }
}

fn refusal(status: StatusCode, problem: &Json) -> Answer {
    let code = problem["code"].as_str().unwrap_or_default().to_owned();
    if status == StatusCode::NOT_FOUND {
        return Answer::Absent;
    }
    if status.is_client_error() || NOT_DONE.contains(&code.as_str()) {
        return Answer::NotDone(code);
    }
    Answer::Unknown(code)
}
