//! No operation is open: each one of the OpenAPI document is called without
//! and with bad credentials. A new operation is covered by being there.

use reqwest::Method;
use serde_json::Value;

use crate::node::{Node, answer};

/// What anybody may call: how one gets credentials, whether the node lives, and
/// what its codes mean.
const OPEN: [&str; 8] = [
    "auth_login",
    "auth_refresh",
    "browser_login",
    "browser_logout",
    "browser_renew",
    "error_show",
    "health_live",
    "health_ready",
];

struct Operation {
    id: String,
    method: Method,
    /// With something in the place of each parameter.
    path: String,
    says_it_is_open: bool,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let method = method.to_uppercase().parse().unwrap();
            let filled = path
                .split('/')
                .map(|part| if part.starts_with('{') { "x" } else { part });
            operations.push(Operation {
                id,
                method,
                path: filled.collect::<Vec<_>>().join("/"),
                says_it_is_open: !operation["security"].is_null(),
            });
        }
    }
    operations
}

#[tokio::test]
async fn every_operation_but_the_open_ones_needs_credentials() {
    let mut node = Node::start().await;
    let document = node.get("/api/v1/openapi.json").await.expect(200);
    let operations = operations(&document);
    assert!(operations.len() > 40, "{}", operations.len());
    let bad = [
        None,
        Some("Bearer ".to_owned()),
        Some("Bearer hft1.tok_00000000000000000000000000000001.AAAA".to_owned()),
        Some("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c3IifQ.".to_owned()),
        Some(format!("Basic {}", node.token)),
        Some(format!("Bearer {}x", node.token)),
    ];
    for operation in &operations {
        let Operation {
            id, method, path, ..
        } = operation;
        for credentials in &bad {
            let url = format!("{}{path}", node.rest);
            let mut request = node.http.request(method.clone(), url).body("{}");
            request = request.header("content-type", "application/json");
            if let Some(credentials) = credentials {
                request = request.header("authorization", credentials);
            }
            let answer = answer(request).await;
            if OPEN.contains(&id.as_str()) {
                let said = operation.says_it_is_open;
                assert!(said, "{id} is open, and the document does not say so");
                assert_ne!(answer.body["code"], "unauthenticated", "{id} is to be open");
            } else {
                assert_eq!(answer.status, 401, "{method} {path} with {credentials:?}");
                assert_eq!(answer.headers["www-authenticate"], "Bearer");
                answer.refused(401, "unauthenticated");
            }
        }
    }
    node.stop().await;
}
