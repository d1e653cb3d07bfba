//! What a repository asks of Google Cloud Storage, answered from memory: no server
//! outside Google speaks its XML API. It refuses requests that a bucket of theirs
//! would refuse, as far as a repository sends such; that theirs answers like this is
//! taken from their documentation and not shown here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use holdfast_repo::StoreOptions;
use holdfast_types::Secret;
use object_store::ObjectStore;
use object_store::gcp::GoogleCloudStorageBuilder;

/// Signs nothing.
const ACCOUNT: &str = r#"{"private_key": "none", "private_key_id": "none", "client_email": "none", "disable_oauth": true}"#;
const WHEN: &str = "Sun, 29 Nov 2026 12:00:00 GMT";
/// Objects on one page of a list: few, so that there are several.
const PAGE: usize = 7;

type Objects = Arc<Mutex<BTreeMap<String, Bytes>>>;

pub fn options() -> StoreOptions {
    let key = (
        "GOOGLE_SERVICE_ACCOUNT_KEY".to_owned(),
        Secret::new(ACCOUNT),
    );
    StoreOptions {
        endpoint: Some(endpoint().to_owned()),
        credentials: [key].into(),
        retry_for: Duration::from_secs(20),
        ..StoreOptions::default()
    }
}

pub fn raw(bucket: &str) -> Arc<dyn ObjectStore> {
    let store = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_base_url(endpoint())
        .with_service_account_key(ACCOUNT)
        .with_client_options(object_store::ClientOptions::new().with_allow_http(true))
        .build();
    Arc::new(store.unwrap())
}

/// A new bucket.
pub fn bucket() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("bucket-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn endpoint() -> &'static str {
    static ENDPOINT: OnceLock<String> = OnceLock::new();
    ENDPOINT.get_or_init(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let object = get(read).put(write).delete(remove);
                let routes = Router::new()
                    .route("/{bucket}", get(list))
                    .route("/{bucket}/{*name}", object)
                    .layer(axum::extract::DefaultBodyLimit::disable())
                    .with_state(Objects::default());
                axum::serve(listener, routes).await.unwrap();
            });
        });
        format!("http://{address}")
    })
}

type Object = Path<(String, String)>;

fn key((bucket, name): (String, String)) -> String {
    format!("{bucket}/{name}")
}

async fn write(
    State(objects): State<Objects>,
    Path(object): Object,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut objects = objects.lock().unwrap();
    let key = key(object);
    let condition = headers.get("x-goog-if-generation-match");
    if condition.is_some_and(|wanted| wanted == "0") && objects.contains_key(&key) {
        return StatusCode::PRECONDITION_FAILED.into_response();
    }
    objects.insert(key, body);
    ([(header::ETAG, "\"1\""), GENERATION], "").into_response()
}

const GENERATION: (header::HeaderName, &str) =
    (header::HeaderName::from_static("x-goog-generation"), "1");

async fn read(
    State(objects): State<Objects>,
    Path(object): Object,
    headers: HeaderMap,
) -> Response {
    let found = objects.lock().unwrap().get(&key(object)).cloned();
    let Some(whole) = found else {
        let body = "<Error><Code>NoSuchKey</Code></Error>";
        return (StatusCode::NOT_FOUND, body).into_response();
    };
    let about = [
        (header::ETAG, "\"1\""),
        (header::LAST_MODIFIED, WHEN),
        GENERATION,
    ];
    let Some(range) = headers.get(header::RANGE) else {
        return (about, whole).into_response();
    };
    let range = range.to_str().unwrap().strip_prefix("bytes=").unwrap();
    let (from, to) = range.split_once('-').unwrap();
    let from: usize = from.parse().unwrap();
    if from >= whole.len() {
        return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    }
    let to = to
        .parse()
        .map_or(whole.len(), |last: usize| (last + 1).min(whole.len()));
    let said = format!("bytes {from}-{}/{}", to - 1, whole.len());
    let part = whole.slice(from..to);
    (
        StatusCode::PARTIAL_CONTENT,
        about,
        [(header::CONTENT_RANGE, said)],
        part,
    )
        .into_response()
}

async fn remove(State(objects): State<Objects>, Path(object): Object) -> StatusCode {
    match objects.lock().unwrap().remove(&key(object)) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

async fn list(
    State(objects): State<Objects>,
    Path(bucket): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> String {
    assert_eq!(
        query.get("list-type").map(String::as_str),
        Some("2"),
        "{query:?}"
    );
    let asked = |name: &str| query.get(name).cloned().unwrap_or_default();
    let (prefix, delimiter) = (asked("prefix"), asked("delimiter"));
    let after = asked("start-after").max(asked("continuation-token"));
    let objects = objects.lock().unwrap();
    let own = objects.iter().filter_map(|(key, bytes)| {
        let name = key.strip_prefix(&format!("{bucket}/"))?;
        (name.starts_with(&prefix) && name > after.as_str()).then_some((name, bytes.len()))
    });
    let own: Vec<(&str, usize)> = own.collect();
    let (mut folders, mut xml) = (BTreeSet::new(), "<ListBucketResult>".to_owned());
    for (name, size) in own.iter().take(PAGE) {
        let below = &name[prefix.len()..];
        match below
            .split_once(&delimiter)
            .filter(|_| !delimiter.is_empty())
        {
            Some((folder, _)) => _ = folders.insert(format!("{prefix}{folder}{delimiter}")),
            None => write!(
                xml,
                "<Contents><Key>{name}</Key><Size>{size}</Size><ETag>\"1\"</ETag>\
                 <LastModified>2026-11-29T12:00:00.000Z</LastModified></Contents>"
            )
            .unwrap(),
        }
    }
    for folder in folders {
        write!(
            xml,
            "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"
        )
        .unwrap();
    }
    if own.len() > PAGE {
        let (last, _) = own[PAGE - 1];
        write!(xml, "<NextContinuationToken>{last}</NextContinuationToken>").unwrap();
    }
    xml + "</ListBucketResult>"
}
