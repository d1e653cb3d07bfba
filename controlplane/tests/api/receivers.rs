//! Who is told: an HTTP server that can refuse and be slow, and a mail server.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::node::eventually;

/// What was posted once.
#[derive(Debug, Clone)]
pub struct Post {
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
    pub taken: bool,
}

impl Post {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

#[derive(Debug, Default)]
struct Seen {
    posts: Vec<Post>,
    answer: Option<(u16, String)>,
}

/// An HTTP server on loopback.
pub struct Receiver {
    pub url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Receiver {
    pub async fn start() -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new().fallback(take).with_state(seen.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// From now on it answers so, and takes nothing.
    pub fn refuse(&self, status: u16, text: &str) {
        self.seen.lock().unwrap().answer = Some((status, text.to_owned()));
    }

    /// From now on it takes everything.
    pub fn take(&self) {
        self.seen.lock().unwrap().answer = None;
    }

    pub fn posts(&self) -> Vec<Post> {
        self.seen.lock().unwrap().posts.clone()
    }

    /// What it took and that fits.
    pub fn taken(&self, fits: impl Fn(&Value) -> bool) -> Vec<Post> {
        let posts = self.posts().into_iter();
        posts
            .filter(|post| post.taken && fits(&post.body))
            .collect()
    }

    /// Waits until something that fits was taken.
    pub async fn told(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Post {
        let fits = &fits;
        eventually(what, || async move { self.taken(fits).into_iter().next() }).await
    }
}

async fn take(
    State(seen): State<Arc<Mutex<Seen>>>,
    headers: HeaderMap,
    text: String,
) -> (StatusCode, String) {
    let mut seen = seen.lock().unwrap();
    let body = serde_json::from_str(&text).unwrap_or_default();
    let taken = seen.answer.is_none();
    seen.posts.push(Post {
        headers,
        text,
        body,
        taken,
    });
    match &seen.answer {
        None => (StatusCode::ACCEPTED, "thank you".to_owned()),
        Some((status, text)) => (StatusCode::from_u16(*status).unwrap(), text.clone()),
    }
}

/// A letter as it was sent.
#[derive(Debug, Clone)]
pub struct Letter {
    pub to: Vec<String>,
    /// Unfolded, with their names in lower case.
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Letter {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A mail server on loopback that delivers to nobody.
pub struct MailServer {
    pub port: u16,
    letters: Arc<Mutex<Vec<Letter>>>,
}

impl MailServer {
    pub async fn start() -> Self {
        let letters: Arc<Mutex<Vec<Letter>>> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = letters.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, kept.clone()));
            }
        });
        Self { port, letters }
    }

    pub async fn letter(&self, what: &str, fits: impl Fn(&Letter) -> bool) -> Letter {
        let fits = &fits;
        let found = || async move {
            let letters = self.letters.lock().unwrap().clone();
            letters.into_iter().find(|letter| fits(letter))
        };
        eventually(what, found).await
    }
}

async fn talk(stream: TcpStream, letters: Arc<Mutex<Vec<Letter>>>) -> Option<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 mail.test ready\r\n").await.ok()?;
    let mut to = Vec::new();
    while let Some(line) = lines.next_line().await.ok()? {
        let verb = line
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_uppercase();
        let answer: &[u8] = match verb.as_str() {
            "EHLO" => b"250-mail.test\r\n250 8BITMIME\r\n",
            "RCPT" => {
                to.push(line.clone());
                b"250 known\r\n"
            }
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await.ok()?;
                let mut text = Vec::new();
                loop {
                    let line = lines.next_line().await.ok()??;
                    if line == "." {
                        break;
                    }
                    text.push(line.strip_prefix('.').unwrap_or(&line).to_owned());
                }
                letters
                    .lock()
                    .unwrap()
                    .push(letter(std::mem::take(&mut to), &text));
                b"250 2.0.0 kept as 4711\r\n"
            }
            "QUIT" => {
                writer.write_all(b"221 bye\r\n").await.ok()?;
                return Some(());
            }
            _ => b"250 fine\r\n",
        };
        writer.write_all(answer).await.ok()?;
    }
    Some(())
}

fn letter(to: Vec<String>, lines: &[String]) -> Letter {
    let end = lines
        .iter()
        .position(String::is_empty)
        .unwrap_or(lines.len());
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in &lines[..end] {
        match (line.split_once(':'), headers.last_mut()) {
            (_, Some((_, value))) if line.starts_with([' ', '\t']) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            (Some((name, value)), _) => {
                headers.push((name.to_lowercase(), value.trim().to_owned()));
            }
            (None, _) => {}
        }
    }
    let text = lines[end..].join("\n");
    Letter { to, headers, text }
}
