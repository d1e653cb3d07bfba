//! REST as a script would use it, for what the command line does not show.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::control_plane::ControlPlane;

/// What `GET /api/v1/PATH` answers, with the login of the node's own CLI.
///
/// `None` while it does not answer with 200.
pub fn get(node: &ControlPlane, path: &str) -> Option<Value> {
    get_as(&node.data().join("cli.toml"), node.rest_address(), path)
}

/// The same with the login that `config` keeps, from the node at `address`.
pub fn get_as(config: &Path, address: &str, path: &str) -> Option<Value> {
    let config = std::fs::read_to_string(config).ok()?;
    let line = config
        .lines()
        .find(|line| line.starts_with("accessToken"))?;
    get_with(line.split('"').nth(1)?, address, path)
}

/// The same with a token.
pub fn get_with(token: &str, address: &str, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .ok()?;
    let request = format!(
        "GET /api/v1/{path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.lines().next()?.contains(" 200 ").then_some(())?;
    serde_json::from_str(body).ok()
}

/// Every item of a list that is not longer than a page.
pub fn items(node: &ControlPlane, path: &str) -> Option<Vec<Value>> {
    get(node, path)?["items"].as_array().cloned()
}
