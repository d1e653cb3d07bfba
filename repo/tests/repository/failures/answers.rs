//! What servers answer and clients are told: each failure has its own name, and none
//! shows a secret.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdfast_repo::*;
use holdfast_types::Secret;

use crate::support::{self, Place, options};

#[tokio::test]
async fn an_endpoint_that_does_not_listen_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let options = StoreOptions {
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        retry_for: Duration::from_millis(200),
        ..options()
    };
    let store = open_store(&"s3://bucket/prefix".parse().unwrap(), &options).unwrap();
    let error = Repository::open(store, &RepositoryKey::generate(), None)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "repository_unreachable", "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_container_that_nobody_made_is_told() {
    let url = "az://nobody-made-this/prefix".parse().unwrap();
    let store = open_store(&url, &support::azure::options()).unwrap();
    let error = Repository::init(store, &RepositoryKey::generate()).await;
    assert_eq!(error.unwrap_err().code(), "bucket_not_found");
}

/// I-10: the setting is named, and what it was set to is not.
#[test]
fn a_setting_that_no_client_has_is_refused_by_name() {
    for url in ["s3://bucket", "gs://bucket", "az://container"] {
        let unknown = ("HUNTER".to_owned(), Secret::new("hunter2"));
        let options = StoreOptions {
            credentials: [unknown].into(),
            ..StoreOptions::default()
        };
        let error = open_store(&url.parse().unwrap(), &options).unwrap_err();
        assert_eq!(error.code(), "invalid_store_options", "{error}");
        let text = format!("{error} {error:?}");
        assert!(
            text.contains("HUNTER") && !text.contains("hunter2"),
            "{text}"
        );
    }
}

/// Azure's command line and its SDKs have other names for the same.
#[tokio::test]
async fn an_account_may_be_given_under_either_name() {
    let place = Place::azure();
    let mut options = place.options.clone();
    for (long, short) in [
        ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY"),
    ] {
        let value = options.credentials.remove(long).unwrap();
        options.credentials.insert(short.to_owned(), value);
    }
    let store = open_store(&place.url, &options).unwrap();
    let key = RepositoryKey::generate();
    let made = Repository::init(store, &key).await.unwrap();
    let found = Repository::open(place.store(), &key, None).await.unwrap();
    assert_eq!(made.id(), found.id());
}

/// Answers every request with `status` and `body`.
fn answering(status: &'static str, body: &'static str) -> StoreOptions {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    StoreOptions {
        endpoint: Some(endpoint),
        retry_for: Duration::from_millis(100),
        ..options()
    }
}

// Pitfall 33
#[tokio::test]
async fn each_answer_of_a_server_has_its_name() {
    let cases = [
        (
            "403 Forbidden",
            "<Error><Code>AccessDenied</Code></Error>",
            "repository_permission_denied",
        ),
        (
            "403 Forbidden",
            "<Error><Code>SignatureDoesNotMatch</Code></Error>",
            "repository_permission_denied",
        ),
        ("401 Unauthorized", "", "repository_permission_denied"),
        (
            "404 Not Found",
            "<Error><Code>NoSuchBucket</Code></Error>",
            "bucket_not_found",
        ),
        (
            "404 Not Found",
            "<Error><Code>NoSuchKey</Code></Error>",
            "not_a_repository",
        ),
        (
            "500 Internal Server Error",
            "<Error><Code>InternalError</Code></Error>",
            "repository_unreachable",
        ),
        (
            "503 Service Unavailable",
            "<Error><Code>SlowDown</Code></Error>",
            "repository_unreachable",
        ),
        ("408 Request Timeout", "", "repository_unreachable"),
        ("429 Too Many Requests", "", "repository_unreachable"),
        (
            "507 Insufficient Storage",
            "<Error><Code>XMinioStorageFull</Code></Error>",
            "repository_full",
        ),
        (
            "400 Bad Request",
            "<Error><Code>AuthorizationHeaderMalformed</Code></Error>",
            "repository_failed",
        ),
    ];
    for (status, body, code) in cases {
        let store = open_store(
            &"s3://bucket/prefix".parse().unwrap(),
            &answering(status, body),
        )
        .unwrap();
        let error = Repository::open(store, &RepositoryKey::generate(), None)
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{status} {body}: {error:?}");
        assert!(!error.hint().is_empty());
    }
}

/// Answers with each of `first` once, and from then on that there is nothing.
fn answering_in_turn(first: &'static [&'static str]) -> (StoreOptions, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
            let turn = count.fetch_add(1, Ordering::SeqCst);
            let status = first.get(turn).unwrap_or(&"404 Not Found");
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n");
            let _ = write!(stream, "{head}Connection: close\r\n\r\n");
        }
    });
    let options = StoreOptions {
        endpoint: Some(endpoint),
        retry_for: Duration::from_secs(20),
        ..options()
    };
    (options, asked)
}

/// Pitfall 33: what a store asks to be tried again is tried again, before anybody is told
/// of it.
#[tokio::test]
async fn answers_that_pass_are_waited_out() {
    let passing = [
        "503 Slow Down",
        "429 Too Many Requests",
        "408 Request Timeout",
        "500 Internal Server Error",
    ];
    for status in passing {
        let first: &'static [&'static str] = vec![status].leak();
        let (options, asked) = answering_in_turn(first);
        let store = open_store(&"s3://bucket/prefix".parse().unwrap(), &options).unwrap();
        let opened = Repository::open(store, &RepositoryKey::generate(), None).await;
        let code = opened.unwrap_err().code();
        assert_eq!(code, "not_a_repository", "{status}");
        assert!(asked.load(Ordering::SeqCst) > 1, "{status}");
    }
}

/// The heads of the writes that a client sends, all of which are refused.
fn refusing_writes() -> (StoreOptions, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, writes) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 8192];
            let length = stream.read(&mut request).unwrap_or(0);
            let head = String::from_utf8_lossy(&request[..length]).to_lowercase();
            let status = if head.starts_with("put ") {
                let _ = sender.send(head);
                "400 Bad Request"
            } else {
                "404 Not Found"
            };
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
    });
    let options = StoreOptions {
        endpoint: Some(endpoint),
        retry_for: Duration::from_millis(100),
        ..options()
    };
    (options, writes)
}

/// What S3 is to encrypt with is among the settings of its clients. Whatever is
/// sent, S3 compares with the digest in the signature before it keeps it.
// Pitfall 33
#[tokio::test]
async fn a_store_is_told_what_to_encrypt_with_and_the_digest_of_what_it_gets() {
    let (mut options, writes) = refusing_writes();
    for (name, value) in [
        ("AWS_SERVER_SIDE_ENCRYPTION", "aws:kms"),
        ("AWS_SSE_KMS_KEY_ID", "key-7"),
    ] {
        options.credentials.insert(name.into(), Secret::new(value));
    }
    let store = open_store(&"s3://bucket/prefix".parse().unwrap(), &options).unwrap();
    let refused = Repository::init(store, &RepositoryKey::generate()).await;
    assert_eq!(refused.unwrap_err().code(), "repository_failed");
    let head = writes.recv_timeout(Duration::from_secs(10)).unwrap();
    for header in [
        "x-amz-server-side-encryption: aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id: key-7",
    ] {
        assert!(head.contains(header), "{header}: {head}");
    }
    let digest = head.split("x-amz-content-sha256: ").nth(1).unwrap();
    let digest = digest.split("\r\n").next().unwrap();
    assert_eq!(digest.len(), 64, "{digest}");
}

#[tokio::test]
async fn credentials_are_not_shown() {
    let mut options = answering("403 Forbidden", "");
    options.credentials.insert(
        "AWS_SECRET_ACCESS_KEY".into(),
        Secret::new("hunter2hunter2"),
    );
    let store = open_store(&"s3://bucket/prefix".parse().unwrap(), &options).unwrap();
    let error = Repository::open(store.clone(), &RepositoryKey::generate(), None)
        .await
        .unwrap_err();
    assert!(!format!("{error} {error:?} {options:?} {store:?}").contains("hunter2"));
    options
        .credentials
        .insert("AWS_NONSENSE".into(), Secret::new("hunter2hunter2"));
    let error = open_store(&"s3://bucket/prefix".parse().unwrap(), &options).unwrap_err();
    assert_eq!(error.code(), "invalid_store_options");
    assert!(
        error.to_string().contains("AWS_NONSENSE") && !format!("{error:?}").contains("hunter2")
    );
}
