//! REST and gRPC are the same operations.

use std::collections::BTreeMap;

use serde_json::Value;

use super::dynamic::{methods, operation, place};

/// Operations that are no method, and why.
const WITHOUT_METHOD: [(&str, &str); 6] = [
    ("browser_login", "cookies are for browsers"),
    ("browser_logout", "cookies are for browsers"),
    ("browser_renew", "cookies are for browsers"),
    (
        "error_show",
        "a page for people; details of errors carry the code",
    ),
    ("health_live", "grpc.health.v1.Health of the server"),
    ("health_ready", "grpc.health.v1.Health of the services"),
];

/// Every operation: id, verb, path; and what it takes where.
fn operations() -> BTreeMap<(String, String, String), Vec<(String, String)>> {
    let document: Value = serde_json::from_str(&holdfastd::api::rest::openapi_json()).unwrap();
    let mut operations = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let mut takes: Vec<(String, String)> = parameters
                .map(|parameter| {
                    let text = |key: &str| parameter[key].as_str().unwrap().to_owned();
                    (text("in"), text("name").to_lowercase())
                })
                .collect();
            if !operation["requestBody"].is_null() {
                takes.push(("body".to_owned(), "body".to_owned()));
            }
            takes.sort();
            operations.insert((id, verb.to_uppercase(), path.clone()), takes);
        }
    }
    operations
}

#[test]
fn every_rest_operation_is_a_method_and_every_method_one_operation() {
    let mut paired = BTreeMap::new();
    for method in methods() {
        let input = method.input();
        let takes = input.fields().map(|field| {
            let place = place(&field);
            let place = place.trim_start_matches("REST_IN_").to_lowercase();
            let name = match place.as_str() {
                "header" => field.name().replace('_', "-"),
                _ => field.json_name().to_lowercase(),
            };
            (place, name)
        });
        let mut takes: Vec<(String, String)> = takes.collect();
        takes.sort();
        let operation = operation(&method);
        let words = operation.0.split('_');
        let name: String = words
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect();
        assert_eq!(method.name(), name);
        assert!(!method.is_client_streaming());
        let again = paired.insert(operation, takes);
        assert!(again.is_none(), "{name} is another method's operation too");
    }
    let mut wanted = operations();
    for (id, why) in WITHOUT_METHOD {
        let before = wanted.len();
        wanted.retain(|(known, _, _), _| known != id);
        assert_eq!(wanted.len(), before - 1, "{id} ({why}) is no operation");
    }
    assert!(wanted.len() > 40, "{}", wanted.len());
    for (operation, takes) in &wanted {
        assert_eq!(
            paired.get(operation),
            Some(takes),
            "{operation:?}: run `cargo run -p xtask -- control-proto`"
        );
    }
    assert_eq!(paired.len(), wanted.len(), "a method is no operation");
}
