//! JSON in one spelling: keys sorted, no spaces.
//!
//! Hashes and rows are made of it, so it must not depend on how a build of
//! `serde_json` happens to order its maps (I-02).

use std::collections::BTreeMap;

use serde_json::Value;

/// `value` in its canonical spelling.
pub(crate) fn to_string(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            text.push('{');
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            for (position, (key, value)) in sorted.into_iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = json!({"b": [{"z": 1, "a": null}], "a\"": {"y": "é\n", "x": true}});
        let expected = "{\"a\\\"\":{\"x\":true,\"y\":\"é\\n\"},\"b\":[{\"a\":null,\"z\":1}]}";
        assert_eq!(super::to_string(&value), expected);
    }
}
