//! A real Azure Blob server, one per test process, which ends with it.

#![allow(
    clippy::allow_attributes,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's helpers fail as the test does"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::{HttpRequest, HttpRequestBody};

/// Azurite's own account. Its key is in the documentation of every client.
pub const ACCOUNT: &str = "devstoreaccount1";
/// The account's key.
pub const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Where the account's blobs are.
pub fn endpoint() -> String {
    format!("http://{}/{ACCOUNT}", server())
}

/// A new container: no client makes its own.
pub fn container() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("container-{}-{number}", std::process::id());
    let url = format!("{}/{name}?restype=container", endpoint());
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.method_mut() = "PUT".parse().unwrap();
    *request.uri_mut() = url.parse().unwrap();
    let length = "0".parse().unwrap();
    request.headers_mut().insert("content-length", length);
    let key = AzureCredential::AccessKey(AzureAccessKey::try_new(KEY).unwrap());
    let signed = AzureAuthorizer::new(&key, ACCOUNT).try_authorize(&mut request);
    signed.unwrap();
    let mut stream = TcpStream::connect(server()).unwrap();
    let path = request.uri().path_and_query().unwrap();
    let mut head = format!("PUT {path} HTTP/1.1\r\nHost: {}\r\n", server());
    for (name, value) in request.headers() {
        head += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    head += "Connection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    name
}

fn server() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| {
        let default = "/opt/holdfast-dev/azurite/node_modules/.bin/azurite-blob";
        let program = std::env::var_os("HOLDFAST_TEST_AZURITE")
            .map_or_else(|| PathBuf::from(default), PathBuf::from);
        assert!(
            program.exists(),
            "{} is missing: see CONTRIBUTING.md",
            program.display()
        );
        let (found, address) = std::sync::mpsc::channel();
        // The server gets the death of its parent thread as a signal, so that
        // thread lives as long as the process.
        std::thread::spawn(move || {
            let mut server = Command::new("setpriv")
                .args(["--pdeathsig", "KILL"])
                .arg(program)
                .args(["--blobHost", "127.0.0.1", "--blobPort", "0"])
                .args(["--inMemoryPersistence", "--extentMemoryLimit", "1024"])
                .arg("--skipApiVersionCheck")
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let lines = BufReader::new(server.stdout.take().unwrap()).lines();
            for line in lines.map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listens on http://") {
                    found.send(address.trim().to_owned()).unwrap();
                }
            }
            server.wait().unwrap();
        });
        let started = address.recv_timeout(Duration::from_secs(60));
        started.expect("azurite-blob starts")
    })
}
