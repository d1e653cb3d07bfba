//! Names: from those of JSON to those of proto.

/// `startLsn` and `If-Match` become `start_lsn` and `if_match`.
pub(super) fn snake(name: &str) -> String {
    let mut snake = String::new();
    for char in name.chars() {
        if char.is_ascii_uppercase() {
            if !snake.is_empty() && !snake.ends_with('_') {
                snake.push('_');
            }
            snake.push(char.to_ascii_lowercase());
        } else if char.is_ascii_alphanumeric() {
            snake.push(char);
        } else if !snake.ends_with('_') {
            snake.push('_');
        }
    }
    snake
}

/// `backup_start` becomes `BackupStart`.
pub(super) fn pascal(name: &str) -> String {
    let words = snake(name);
    let words = words.split('_').filter(|word| !word.is_empty());
    words
        .map(|word| word[..1].to_ascii_uppercase() + &word[1..])
        .collect()
}

/// The JSON name that proto gives a field when nothing else is said.
pub(super) fn default_json(name: &str) -> String {
    let mut json = String::new();
    let mut upper = false;
    for char in name.chars() {
        if char == '_' {
            upper = true;
        } else if upper {
            json.push(char.to_ascii_uppercase());
            upper = false;
        } else {
            json.push(char);
        }
    }
    json
}

/// The message of a schema. A page of a list is named after its items.
pub(super) fn message(schema: &str) -> String {
    // What `agent.proto`, of the same package, has taken.
    match schema {
        "JobProgress" => return "JobProgressView".to_owned(),
        "JobStarted" => return "StartedJob".to_owned(),
        "LsnRange" => return "LsnRangeView".to_owned(),
        _ => {}
    }
    match schema.strip_prefix("List_") {
        Some(item) => format!("{}Page", pascal(item)),
        None => pascal(schema),
    }
}
