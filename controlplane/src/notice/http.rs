//! Posting JSON. Redirects are not followed: who is told is who was named.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, StatusCode, Url, redirect};

use super::chain;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// So much of an answer is read.
const ANSWER_MOST: usize = 2048;

/// What was answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    excerpt: String,
}

/// Posts `body`, and gives what was answered: 2xx is taken.
pub(super) async fn post(
    url: &str,
    headers: &[(String, String)],
    body: String,
) -> Result<String, String> {
    let Answer { status, excerpt } = ask(url, headers, body).await?;
    let said = match excerpt {
        said if said.is_empty() => format!("HTTP {status}"),
        said => format!("HTTP {status}: {said}"),
    };
    match status.is_success() {
        true => Ok(said),
        false => Err(said),
    }
}

/// Posts `body`, whatever is answered.
pub(super) async fn ask(
    url: &str,
    headers: &[(String, String)],
    body: String,
) -> Result<Answer, String> {
    let url: Url = url
        .parse()
        .map_err(|_| "its address cannot be read".to_owned())?;
    let mut request = client(&url)?
        .post(url)
        .header("content-type", "application/json")
        .body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    // The address may be a secret, and errors of the client hold it.
    let answer = request
        .send()
        .await
        .map_err(|error| chain(&error.without_url()))?;
    Ok(Answer {
        status: answer.status(),
        excerpt: excerpt(answer).await,
    })
}

async fn excerpt(mut answer: reqwest::Response) -> String {
    let mut read = Vec::new();
    while read.len() < ANSWER_MOST {
        match answer.chunk().await {
            Ok(Some(more)) => read.extend_from_slice(&more),
            Ok(None) | Err(_) => break,
        }
    }
    read.truncate(ANSWER_MOST);
    String::from_utf8_lossy(&read).trim().to_owned()
}

/// One client for all, and another for this host, which no proxy stands before.
fn client(url: &Url) -> Result<&'static Client, String> {
    static OUT: OnceLock<Client> = OnceLock::new();
    static OWN: OnceLock<Client> = OnceLock::new();
    let own = url
        .host_str()
        .is_some_and(holdfast_types::resource::is_loopback);
    let place = if own { &OWN } else { &OUT };
    if let Some(known) = place.get() {
        return Ok(known);
    }
    let mut builder = Client::builder()
        .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_WITHIN);
    if own {
        builder = builder.no_proxy();
    }
    let made = builder.build().map_err(|error| chain(&error))?;
    Ok(place.get_or_init(|| made))
}
