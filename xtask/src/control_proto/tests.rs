//! What the generator promises: types, names, and numbers that stay.

use serde_json::{Value, json};

use super::{both, generate, messages};

/// A document with one operation that answers with this schema.
fn document(schema: Value) -> Value {
    operation(json!([]), schema, json!({}))
}

fn operation(parameters: Value, schema: Value, components: Value) -> Value {
    let mut schemas = components;
    schemas["Thing"] = schema;
    json!({
        "paths": {"/things/{name}": {"get": {
            "operationId": "thing_show", "summary": "Show a thing", "parameters": parameters,
            "responses": {"200": {"content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/Thing"}}}}},
        }}},
        "components": {"schemas": schemas},
    })
}

fn object(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

fn text() -> Value {
    json!({"type": "string"})
}

/// The lines of a message, without comments.
fn lines(file: &str, message: &str) -> Vec<String> {
    let head = format!("message {message} {{");
    let mut lines = file.lines().skip_while(|line| *line != head).skip(1);
    let inside = lines.by_ref().take_while(|line| *line != "}");
    let lines = inside.map(str::trim).filter(|line| !line.starts_with("//"));
    lines.map(str::to_owned).collect()
}

#[track_caller]
fn thing(schema: Value, existing: &str) -> (String, Vec<String>) {
    let file = generate(&document(schema), existing, &[]).unwrap();
    let lines = lines(&file, "Thing");
    (file, lines)
}

#[test]
fn the_checked_in_file_is_what_the_document_gives() {
    let (existing, current) = both().unwrap();
    assert!(
        existing == current,
        "control.proto is stale: run `cargo run -p xtask -- control-proto`"
    );
    assert!(existing.contains("service ControlService {"));
}

#[test]
fn numbers_stay_when_fields_come_go_and_are_renamed() {
    let (first, fields) = thing(object(json!({"b": text(), "d": text()})), "");
    assert_eq!(fields, ["optional string b = 1;", "optional string d = 2;"]);
    // `a` and `c` are new and sort before: the others keep their numbers.
    let more = object(json!({"a": text(), "b": text(), "c": text(), "d": text()}));
    let (second, fields) = thing(more.clone(), &first);
    let all = [
        "optional string b = 1;",
        "optional string d = 2;",
        "optional string a = 3;",
        "optional string c = 4;",
    ];
    assert_eq!(fields, all);
    // The last one goes, another is renamed.
    let fewer = object(json!({"a": text(), "bee": text(), "d": text()}));
    let (third, fields) = thing(fewer, &second);
    let left = [
        "reserved 1, 4;",
        "reserved \"b\", \"c\";",
        "optional string d = 2;",
        "optional string a = 3;",
        "optional string bee = 5;",
    ];
    assert_eq!(fields, left);
    // They come back: under new numbers, for the old ones may have meant more.
    let (fourth, fields) = thing(more.clone(), &third);
    let back = [
        "reserved 1, 4, 5;",
        "reserved \"bee\";",
        "optional string d = 2;",
        "optional string a = 3;",
        "optional string b = 6;",
        "optional string c = 7;",
    ];
    assert_eq!(fields, back);
    // Nothing changes when nothing changes.
    assert_eq!(thing(more, &fourth).0, fourth);
}

#[test]
fn a_field_of_another_type_gets_another_number() {
    let number = |format: &str| json!({"type": "integer", "minimum": 0, "format": format});
    let (first, _) = thing(object(json!({"n": number("int32"), "t": text()})), "");
    // Wider is the same on the wire, and so is what is always there.
    let mut wider = object(json!({"n": number("int64"), "t": text()}));
    wider["required"] = json!(["n"]);
    let (second, fields) = thing(wider, &first);
    assert_eq!(fields, ["uint64 n = 1;", "optional string t = 2;"]);
    let (_, fields) = thing(object(json!({"n": text(), "t": text()})), &second);
    let changed = [
        "reserved 1;",
        "optional string t = 2;",
        "optional string n = 3;",
    ];
    assert_eq!(fields, changed);
}

#[test]
fn a_message_that_went_away_keeps_its_numbers() {
    let inner = json!({"Inner": object(json!({"x": text(), "y": text()}))});
    let reference = json!({"$ref": "#/components/schemas/Inner"});
    let with = operation(json!([]), object(json!({"i": reference})), inner);
    let first = generate(&with, "", &[]).unwrap();
    let (second, fields) = thing(object(json!({"j": text()})), &first);
    assert_eq!(
        fields,
        ["reserved 1;", "reserved \"i\";", "optional string j = 2;"]
    );
    assert_eq!(
        lines(&second, "Inner"),
        ["reserved 1, 2;", "reserved \"x\", \"y\";"]
    );
    let third = generate(&with, &second, &[]).unwrap();
    let back = [
        "reserved 1, 2;",
        "optional string x = 3;",
        "optional string y = 4;",
    ];
    assert_eq!(lines(&third, "Inner"), back);
}

#[test]
fn a_file_that_was_edited_is_not_guessed_at() {
    let (file, _) = thing(object(json!({"a": text()})), "");
    for (from, to) in [
        ("string a = 1;", "string a = one;"),
        ("string a = 1;", "string a = 1"),
        ("string a = 1;", "<<<<<<< HEAD"),
    ] {
        let edited = file.replace(from, to);
        assert_ne!(edited, file);
        let refused = generate(&document(object(json!({}))), &edited, &[]);
        assert!(refused.is_err(), "{to}");
    }
}

#[test]
fn types_are_those_of_the_schema() {
    let nullable = |kind: &str| json!({"type": [kind, "null"]});
    let schema = json!({"type": "object", "required": ["id", "list", "labels", "n", "whole"],
    "properties": {
        "id": {"type": "string"},
        "whole": {"type": "object"},
        "list": {"type": "array", "items": {"type": "integer", "format": "int64", "minimum": 0}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "n": {"type": "integer", "format": "int32"},
        "any": {},
        "at": {"type": ["string", "null"], "format": "date-time"},
        "grid": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
        "maybe": nullable("boolean"),
        "ratio": nullable("number"),
        "startLsn": {"oneOf": [{"type": "string"}, {"type": "null"}]},
        "word": {"type": "string", "enum": ["a", "b"]},
        "x-y": text(),
    }});
    let (file, fields) = thing(schema, "");
    let wanted = [
        "string id = 1;",
        "repeated uint64 list = 2 [(always) = true];",
        "map<string, string> labels = 3 [(always) = true];",
        "int32 n = 4;",
        "google.protobuf.Struct whole = 5;",
        "google.protobuf.Value any = 6;",
        "optional string at = 7;",
        "repeated google.protobuf.Value grid = 8;",
        "optional bool maybe = 9;",
        "optional double ratio = 10;",
        "optional string start_lsn = 11;",
        "optional string word = 12;",
        "optional string x_y = 13 [json_name = \"x-y\"];",
    ];
    assert_eq!(fields, wanted);
    assert!(file.contains("// RFC 3339."));
    assert!(file.contains("// One of `a`, `b`."));
}

#[test]
fn variants_are_one_message() {
    let variant = |word: &str, more: &str, kind: &str| {
        json!({"type": "object", "required": [more, "both", "why"], "properties": {
            more: {"type": kind}, "both": text(), "why": {"type": "string", "enum": [word]}}})
    };
    let schema = json!({"allOf": [
        {"oneOf": [variant("a", "n", "boolean"), variant("b", "n", "string")]},
        {"type": "object", "required": ["id"], "properties": {"id": text()}},
    ]});
    let (_, fields) = thing(schema, "");
    let wanted = [
        "google.protobuf.Value n = 1;",
        "optional string both = 2;",
        "optional string why = 3;",
        "string id = 4;",
    ];
    assert_eq!(fields, wanted);
    // One that is no object leaves nothing to name.
    let mixed = json!({"oneOf": [{"type": "string"}, variant("a", "n", "boolean")]});
    let (_, fields) = thing(object(json!({"mixed": mixed})), "");
    assert_eq!(fields, ["google.protobuf.Value mixed = 1;"]);
}

#[test]
fn parameters_go_where_they_belong() {
    let parameters = json!([
        {"name": "name", "in": "path", "required": true, "schema": text()},
        {"name": "limit", "in": "query", "required": false,
         "schema": {"type": "integer", "minimum": 0}},
        {"name": "If-Match", "in": "header", "schema": {"type": ["string", "null"]}},
    ]);
    let document = operation(parameters, object(json!({})), json!({}));
    let file = generate(&document, "", &[]).unwrap();
    let wanted = [
        "string name = 1 [(rest_in) = REST_IN_PATH];",
        "optional uint64 limit = 2 [(rest_in) = REST_IN_QUERY];",
        "optional string if_match = 3 [(rest_in) = REST_IN_HEADER];",
    ];
    assert_eq!(lines(&file, "ThingShowRequest"), wanted);
    assert!(file.contains("  rpc ThingShow(ThingShowRequest) returns (Thing) {"));
    assert!(file.contains("      path: \"/things/{name}\""));
}

#[test]
fn a_name_that_is_taken_is_refused() {
    let taken = messages("message Thing {\n}\nenum Colour {\n}\nmessage Empty {}\n");
    assert_eq!(taken, ["Thing", "Colour", "Empty"]);
    let refused = generate(&document(object(json!({}))), "", &taken).unwrap_err();
    assert!(format!("{refused:#}").contains("Thing"), "{refused:#}");
}

#[test]
fn a_schema_may_hold_itself_and_equal_schemas_stay_two() {
    let tree = json!({"type": "array", "items": {"$ref": "#/components/schemas/Thing"}});
    let twin = object(json!({"x": text()}));
    let components = json!({"Left": twin.clone(), "Right": twin});
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let whole = object(json!({"l": reference("Left"), "r": reference("Right"), "tree": tree}));
    let file = generate(&operation(json!([]), whole, components), "", &[]).unwrap();
    let wanted = ["Left l = 1;", "Right r = 2;", "repeated Thing tree = 3;"];
    assert_eq!(lines(&file, "Thing"), wanted);
    assert_eq!(lines(&file, "Right"), ["optional string x = 1;"]);
}
