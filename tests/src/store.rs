//! Repositories for tests: a directory, a bucket of a real S3 server, or a container
//! of a real Azure Blob server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use holdfast_repo::testkit::azurite;

use crate::cli::Cli;
use crate::process::Process;
use crate::scratch::Scratch;
use crate::until::until;

/// A place for backups.
#[derive(Debug)]
pub enum Store {
    /// A directory.
    Directory(PathBuf),
    /// A bucket.
    S3(S3),
    /// A container.
    Azure(String),
}

/// A real S3 server of our own.
#[derive(Debug)]
pub struct S3 {
    endpoint: String,
    _process: Process,
}

const ACCESS_KEY: &str = "holdfast-test";
const SECRET_KEY: &str = "not-a-secret";

impl Store {
    /// A directory in `scratch`.
    pub fn directory(scratch: &Scratch) -> Self {
        Self::Directory(scratch.path().join("repository"))
    }

    /// A bucket on an S3 server that this starts.
    ///
    /// # Panics
    /// When the server does not start.
    pub fn s3(scratch: &Scratch) -> Self {
        let port = holdfast_pg::testkit::free_port();
        let mut command = Command::new(moto());
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let process = Process::start(&mut command, &scratch.path().join("s3.log"));
        let endpoint = format!("http://127.0.0.1:{port}");
        // Any answer at all will do: PUT of a bucket is the first request.
        until("the S3 server", Duration::from_secs(60), || {
            make_bucket(port).ok()
        });
        Self::S3(S3 {
            endpoint,
            _process: process,
        })
    }

    /// A container on an Azure Blob server that this starts.
    pub fn azure(_scratch: &Scratch) -> Self {
        Self::Azure(azurite::container())
    }

    /// Where it is.
    pub fn url(&self) -> String {
        match self {
            Self::Directory(path) => format!("file://{}", path.display()),
            Self::S3(_) => "s3://holdfast/fleet".to_owned(),
            Self::Azure(container) => format!("az://{container}/fleet"),
        }
    }

    /// Makes it known as the repository `main`; secrets first.
    pub fn apply(&self, cli: &Cli) {
        if let Some(credentials) = self.credentials() {
            let ran =
                cli.run_with_input(["secret", "set", "store", "--from-file", "-"], &credentials);
            assert_eq!(ran.code, 0, "secret set: {}", ran.stderr);
        }
        cli.apply(&self.document());
    }

    /// Its document.
    pub fn document(&self) -> String {
        let url = self.url();
        let spec = match self {
            Self::Directory(_) => format!("{{url: \"{url}\", region: eu-test-1}}"),
            Self::S3(s3) => format!(
                "{{url: \"{url}\", region: us-east-1, endpoint: \"{}\", credentials: {{secret: store}}}}",
                s3.endpoint
            ),
            Self::Azure(_) => format!(
                "{{url: \"{url}\", endpoint: \"{}\", credentials: {{secret: store}}}}",
                azurite::endpoint()
            ),
        };
        format!(
            "apiVersion: holdfast/v1\nkind: Repository\nmetadata: {{name: main}}\nspec: {spec}\n"
        )
    }

    /// The secret `store` that the document of a bucket or container names.
    pub fn credentials(&self) -> Option<String> {
        match self {
            Self::Directory(_) => None,
            Self::S3(_) => Some(format!(
                "{{\"AWS_ACCESS_KEY_ID\": \"{ACCESS_KEY}\", \"AWS_SECRET_ACCESS_KEY\": \"{SECRET_KEY}\"}}"
            )),
            Self::Azure(_) => Some(format!(
                "{{\"AZURE_STORAGE_ACCOUNT\": \"{}\", \"AZURE_STORAGE_KEY\": \"{}\"}}",
                azurite::ACCOUNT,
                azurite::KEY
            )),
        }
    }

    /// What an offline command needs in its environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Directory(_) => Vec::new(),
            Self::S3(s3) => vec![
                ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
                ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
                ("AWS_REGION", "us-east-1".to_owned()),
                ("AWS_ENDPOINT_URL", s3.endpoint.clone()),
                ("AWS_ALLOW_HTTP", "true".to_owned()),
            ],
            Self::Azure(_) => vec![
                ("AZURE_STORAGE_ACCOUNT", azurite::ACCOUNT.to_owned()),
                ("AZURE_STORAGE_KEY", azurite::KEY.to_owned()),
                ("AZURE_STORAGE_ENDPOINT", azurite::endpoint()),
            ],
        }
    }

    /// Its folder, of a directory.
    ///
    /// # Panics
    /// When it is a bucket.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Directory(path) => path,
            Self::S3(_) | Self::Azure(_) => panic!("a bucket has no folder"),
        }
    }
}

/// Where `deploy/dev/install` puts things that tests need.
pub fn dev_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("HOLDFAST_DEV_DIR") {
        return dir.into();
    }
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/opt/holdfast-dev");
    }
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .expect("HOME is set");
    home.join(".local/share/holdfast-dev")
}

fn moto() -> PathBuf {
    let given = std::env::var_os("HOLDFAST_TEST_MOTO").map(PathBuf::from);
    given.unwrap_or_else(|| dev_dir().join("venv/bin/moto_server"))
}

fn make_bucket(port: u16) -> std::io::Result<()> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let request = "PUT /holdfast HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\
                   Connection: close\r\nAuthorization: AWS4-HMAC-SHA256 \
                   Credential=holdfast-test/20260101/us-east-1/s3/aws4_request, \
                   SignedHeaders=host, Signature=0\r\n\r\n";
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let made = answer.starts_with("HTTP/1.1 200");
    if made {
        Ok(())
    } else {
        Err(std::io::Error::other(answer))
    }
}
