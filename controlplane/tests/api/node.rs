//! A node of its own for each test, and a REST client.

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use holdfastd::config::Config;
use holdfastd::server::{self, Running};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

pub struct Node {
    pub data: TempDir,
    running: Option<Running>,
    pub rest: String,
    pub grpc: String,
    pub http: reqwest::Client,
    pub token: String,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(self.body["code"], code, "{}", self.body);
        assert_eq!(self.body["type"], format!("/errors/{code}"));
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(
            self.headers["x-request-id"].to_str().unwrap(),
            self.body["requestId"]
        );
        self.expect(status)
    }
}

pub fn config(data: &Path) -> Config {
    let mut config = Config::default();
    config.node.data = data.join("data");
    let any = "127.0.0.1:0".parse().unwrap();
    (config.listen.rest, config.listen.grpc, config.listen.raft) = (any, any, any);
    config
}

impl Node {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with settings of its own.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        holdfastd::secure::install_provider();
        let data = tempfile::tempdir().unwrap();
        let mut config = config(data.path());
        change(&mut config);
        let running = server::start(config, true).await.unwrap();
        let mut node = Self {
            rest: running.listen().rest.clone(),
            grpc: running.listen().grpc.clone(),
            running: Some(running),
            http: reqwest::Client::new(),
            token: String::new(),
            data,
        };
        node.log_in().await;
        node
    }

    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.start_again(config(self.data.path())).await;
    }

    pub async fn start_again(&mut self, config: Config) {
        let running = server::start(config, false).await.unwrap();
        self.rest = running.listen().rest.clone();
        self.grpc = running.listen().grpc.clone();
        self.running = Some(running);
    }

    pub fn password(&self) -> String {
        let path = self.data.path().join("data/bootstrap-admin");
        let line = std::fs::read_to_string(path).unwrap();
        line.trim_end().strip_prefix("admin:").unwrap().to_owned()
    }

    pub fn ca(&self) -> String {
        std::fs::read_to_string(self.data.path().join("data/ca.pem")).unwrap()
    }

    pub async fn log_in(&mut self) {
        let credentials = json!({"user": "admin", "password": self.password()});
        let login = self
            .post("/api/v1/auth/login", credentials)
            .await
            .expect(200);
        self.token = login["accessToken"].as_str().unwrap().to_owned();
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.rest);
        self.http.request(method, url).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await
    }

    pub async fn apply(&self, documents: Value) -> Answer {
        self.post("/api/v1/apply", json!({"documents": documents}))
            .await
    }
}

pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer {
        status,
        headers,
        body,
    }
}

/// Asks again until the answer is there.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn repository() -> Value {
    json!({"apiVersion": "holdfast/v1", "kind": "Repository", "metadata": {"name": "eu"},
           "spec": {"url": "file:///srv/holdfast"}})
}

pub fn cluster(agent: &str) -> Value {
    json!({"apiVersion": "holdfast/v1", "kind": "Cluster",
           "metadata": {"name": "orders", "labels": {"tier": "gold"}},
           "spec": {"instances": [{"agent": agent, "connection": "host=/run/postgresql user=holdfast"}]}})
}

pub fn policy() -> Value {
    json!({"apiVersion": "holdfast/v1", "kind": "Policy", "metadata": {"name": "gold"},
           "spec": {"selector": {"tier": "gold"}, "repository": "eu",
                    "objectives": {"rpo": "30s"}, "wal": {"flushEvery": "1s"}}})
}
