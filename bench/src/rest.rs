//! The REST API as automation uses it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures_util::{StreamExt, TryStreamExt};
use holdfast_tests::group::Group;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

/// Documents applied in one call.
const DOCUMENTS: usize = 500;
const PATIENCE: Duration = Duration::from_secs(60);

/// A logged-in client of some nodes.
#[derive(Debug, Clone)]
pub struct Rest {
    client: Client,
    nodes: Vec<String>,
    token: String,
}

impl Rest {
    /// A client of a group, with an API token of `admin`.
    pub async fn of(group: &Group) -> Result<Self> {
        let nodes = group.nodes().iter().map(|node| node.rest()).collect();
        Self::at(nodes, &group.node(0).admin_password()).await
    }

    /// The same at these URLs.
    pub async fn at(nodes: Vec<String>, admin_password: &str) -> Result<Self> {
        let mut rest = Self {
            client: Client::builder().timeout(PATIENCE).build()?,
            nodes,
            token: String::new(),
        };
        let login = json!({"user": "admin", "password": admin_password});
        let session = rest.post("/api/v1/auth/login", &login).await?;
        rest.token = text(&session, "accessToken")?;
        let name = format!("bench-{}", Uuid::new_v4().simple());
        let token = json!({"name": name});
        let token = rest.post("/api/v1/tokens", &token).await?;
        rest.token = text(&token, "token")?;
        rest.await_token().await?;
        Ok(rest)
    }

    /// A node knows a new token once it has applied the log that far.
    async fn await_token(&self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        for node in 0..self.nodes.len() {
            while let Err(error) = self.through(node).get("/api/v1/fleets?limit=1").await {
                if Instant::now() > end {
                    return Err(error);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    /// The same through one of the nodes only.
    pub fn through(&self, node: usize) -> Self {
        Self {
            nodes: vec![self.nodes[node].clone()],
            ..self.clone()
        }
    }

    /// Asks.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// Posts a body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Calls the first node that answers.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut last = None;
        for node in &self.nodes {
            let mut request = self
                .client
                .request(method.clone(), format!("{node}{path}"))
                .bearer_auth(&self.token);
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = match request.send().await {
                Ok(response) => response,
                Err(error) => {
                    last = Some(anyhow::Error::from(error));
                    continue;
                }
            };
            let status = response.status();
            let bytes = response.bytes().await?;
            if status == StatusCode::SERVICE_UNAVAILABLE {
                last = Some(anyhow::anyhow!("{node}: {status}"));
                continue;
            }
            if !status.is_success() {
                bail!(
                    "{method} {path}: {status}: {}",
                    String::from_utf8_lossy(&bytes)
                );
            }
            return Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null));
        }
        Err(last.context("there is no node")?)
    }

    /// Applies documents, some at a time.
    pub async fn apply(&self, documents: &[Value]) -> Result<()> {
        for some in documents.chunks(DOCUMENTS) {
            self.post("/api/v1/apply", &json!({"documents": some}))
                .await?;
        }
        Ok(())
    }

    /// So many one-time join tokens.
    pub async fn join_tokens(&self, count: usize) -> Result<Vec<String>> {
        let made = futures_util::stream::iter(0..count).map(|number| async move {
            let body = json!({"ttl": "1h"});
            let rest = self.through(number % self.nodes.len());
            text(&rest.post("/api/v1/agents/tokens", &body).await?, "token")
        });
        made.buffer_unordered(64).try_collect().await
    }

    /// The index of the last entry that a node has applied.
    pub async fn applied(&self, node: usize) -> Result<u64> {
        let path = "/api/v1/fleets?limit=1&consistency=stale";
        let request = self.client.get(format!("{}{path}", self.nodes[node]));
        let response = request.bearer_auth(&self.token).send().await?;
        let index = response.headers().get("holdfast-applied-index");
        let index = index.context("a stale answer names its index")?;
        Ok(index.to_str()?.parse()?)
    }

    /// Asks a node and gives the time that took.
    pub async fn time(&self, node: usize, path: &str) -> Result<(Duration, Value)> {
        let began = Instant::now();
        let answer = self.through(node).get(path).await?;
        Ok((began.elapsed(), answer))
    }

    /// Has a node, by its address, accept a write; whether it did.
    pub async fn write(&self, node: usize, patience: Duration) -> bool {
        let write = self.through(node);
        let body = json!({"ttl": "1h"});
        let written = write.post("/api/v1/agents/tokens", &body);
        matches!(tokio::time::timeout(patience, written).await, Ok(Ok(_)))
    }
}

/// A text of an answer.
pub fn text(value: &Value, name: &str) -> Result<String> {
    let text = value[name].as_str();
    let text = text.with_context(|| format!("\"{name}\" in {value}"))?;
    Ok(text.to_owned())
}
