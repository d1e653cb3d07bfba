//! Who is told of alarms: an HTTP server that can keep an answer to itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// What was posted once.
#[derive(Debug, Clone)]
pub struct Post {
    /// Its `Idempotency-Key`.
    pub key: String,
    /// Its `Holdfast-Signature`.
    pub signature: String,
    /// What it said.
    pub body: Value,
    /// Whether it was answered.
    pub answered: bool,
}

#[derive(Debug, Default)]
struct Seen {
    posts: Vec<Post>,
    holds: bool,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    released: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An HTTP server on loopback; it ends with the test.
#[derive(Debug)]
pub struct Receiver {
    url: String,
    shared: Arc<Shared>,
}

impl Receiver {
    /// Starts one that takes everything.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared: Arc<Shared> = Arc::default();
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self {
            url: format!("http://{address}/alarms"),
            shared,
        }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on what is posted is kept and not answered.
    pub fn hold(&self) {
        self.shared.lock().holds = true;
    }

    /// From now on everything is answered.
    pub fn release(&self) {
        self.shared.lock().holds = false;
        self.shared.released.notify_all();
    }

    /// What was posted of a rule, as that kind of notice.
    pub fn posts(&self, rule: &str, kind: &str) -> Vec<Post> {
        let seen = self.shared.lock();
        let fits = |post: &&Post| post.body["rule"] == rule && post.body["kind"] == kind;
        seen.posts.iter().filter(fits).cloned().collect()
    }
}

/// One request on one connection; who was cut off asks again on another.
fn serve(stream: TcpStream, shared: &Shared) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut length, mut key, mut signature) = (0, String::new(), String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "idempotency-key" => key = value.trim().to_owned(),
            "holdfast-signature" => signature = value.trim().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut seen = shared.lock();
    let index = seen.posts.len();
    seen.posts.push(Post {
        key,
        signature,
        body: serde_json::from_slice(&body).ok()?,
        answered: false,
    });
    while seen.holds {
        seen = shared
            .released
            .wait(seen)
            .unwrap_or_else(PoisonError::into_inner);
    }
    seen.posts[index].answered = true;
    drop(seen);
    let mut stream = stream;
    let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    stream.write_all(answer).ok()
}
