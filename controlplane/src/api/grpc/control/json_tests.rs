//! JSON to messages and back, on messages of the contract.

use prost_reflect::{DescriptorPool, DynamicMessage, ExtensionDescriptor, ReflectMessage, Value};
use serde_json::{Value as Json, json};

use super::from_json;
use super::to_json::{Fault, ToJson};

fn pool() -> DescriptorPool {
    DescriptorPool::decode(holdfast_proto::DESCRIPTORS).unwrap()
}

fn always() -> ExtensionDescriptor {
    pool().get_extension_by_name("holdfast.v1.always").unwrap()
}

fn read(name: &str, json: &Json) -> Result<DynamicMessage, String> {
    let descriptor = pool().get_message_by_name(&format!("holdfast.v1.{name}"));
    from_json::message(&descriptor.unwrap(), json).map_err(|unfit| unfit.to_string())
}

fn written(message: &DynamicMessage) -> Result<Json, Fault> {
    ToJson::new(&always()).message(message)
}

#[track_caller]
fn there_and_back(name: &str, json: Json) {
    assert_eq!(written(&read(name, &json).unwrap()).unwrap(), json);
}

#[test]
fn integers_stay_numbers_to_the_last_digit() {
    there_and_back(
        "QuorumView",
        json!({"votersNow": [u64::MAX, 9_007_199_254_740_993_u64], "votersAfter": [],
               "needed": u64::MAX, "reachable": [0], "keepsQuorum": false}),
    );
    there_and_back("Compression", json!({"codec": "zstd", "level": -1}));
}

#[test]
fn documents_keep_their_nulls_lists_and_whole_numbers() {
    let document = json!({"a": null, "b": [], "c": {}, "d": [1, 2.5, "x", true, null, [[]]],
        "e": {"f": {"g": -3}}, "": 9_007_199_254_740_992_i64, "big": 1e300});
    there_and_back("ApplyParams", json!({"documents": [document, {}]}));
}

#[test]
fn what_is_not_set_is_left_out_and_what_is_required_is_not() {
    let message = read("PolicySpec", &json!({"priority": 0})).unwrap();
    let spec = json!({"selector": {}, "repository": "", "priority": 0});
    assert_eq!(written(&message).unwrap(), spec);
    // Null is not there; empty text that was given is.
    let message = read("FleetSpec", &json!({"description": null, "labels": {}})).unwrap();
    assert_eq!(written(&message).unwrap(), json!({}));
    there_and_back("FleetSpec", json!({"description": "", "labels": {"a": ""}}));
}

#[test]
fn words_of_tomorrow_survive() {
    there_and_back(
        "ApplyResult",
        json!({"kind": "Teapot", "name": "x", "action": "brewed", "revision": 7}),
    );
    // What the message has no field for is left out.
    let more = json!({"codec": "lz4", "dictionary": true});
    assert_eq!(
        written(&read("Compression", &more).unwrap()).unwrap(),
        json!({"codec": "lz4"})
    );
}

#[test]
fn an_answer_that_does_not_fit_names_the_field_and_shows_nothing() {
    for (name, json, field) in [
        (
            "LoginView",
            json!({"accessToken": 7_777_777}),
            "accessToken",
        ),
        ("LoginView", json!(["s3cret"]), ""),
        (
            "ApplyView",
            json!({"results": [{"revision": -7_777_777}]}),
            "results.0.revision",
        ),
        ("Compression", json!({"level": 7_777_777_777_i64}), "level"),
        (
            "Counts",
            json!({"jobs": {"queued": "7777777"}}),
            "jobs.queued",
        ),
    ] {
        let unfit = read(name, &json).unwrap_err();
        assert!(unfit.contains(&format!("\"{field}\"")), "{unfit}");
        assert!(
            !unfit.contains("7777") && !unfit.contains("s3cret"),
            "{unfit}"
        );
    }
}

#[test]
fn what_json_cannot_say_is_refused_with_its_place() {
    let mut message = read("ApplyParams", &json!({"documents": [{}, {"a": [1]}]})).unwrap();
    let documents = message.get_field_by_name_mut("documents").unwrap();
    let second = documents.as_list_mut().unwrap()[1]
        .as_message_mut()
        .unwrap();
    let fields = second.get_field_by_name_mut("fields").unwrap().as_map_mut();
    let inner = fields
        .unwrap()
        .values_mut()
        .next()
        .unwrap()
        .as_message_mut();
    let inner = inner.unwrap();
    let descriptor = inner.descriptor();
    *inner = DynamicMessage::new(descriptor);
    inner.set_field_by_name("number_value", Value::F64(f64::NAN));
    let fault = written(&message).unwrap_err();
    assert_eq!(fault.path, "documents[1].a");
}
