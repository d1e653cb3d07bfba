//! Settings from the environment.

use figment::providers::Env;

const PREFIX: &str = "HOLDFAST_";

/// Every `HOLDFAST_SECTION__KEY`. Names without the double underscore belong
/// to the command-line tool (`HOLDFAST_SERVER`, `HOLDFAST_TOKEN`) and others.
pub(super) fn settings() -> Env {
    Env::prefixed(PREFIX)
        .filter(|name| name.as_str().contains("__"))
        .map(|name| camel(name.as_str()).into())
        .split(".")
        // Keys are camelCase. Last, for every step before sets it back.
        .lowercase(false)
}

/// `POSTGRES__BIN_DIRS` is `postgres.binDirs`.
fn camel(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for (position, part) in name.to_ascii_lowercase().split("__").enumerate() {
        if position > 0 {
            path.push('.');
        }
        for (position, word) in part.split('_').enumerate() {
            match word.chars().next() {
                Some(first) if position > 0 => {
                    path.push(first.to_ascii_uppercase());
                    path.push_str(&word[first.len_utf8()..]);
                }
                _ => path.push_str(word),
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::camel;

    #[test]
    fn names_of_the_environment_are_keys_of_the_file() {
        assert_eq!(camel("POSTGRES__BIN_DIRS"), "postgres.binDirs");
        assert_eq!(camel("TELEMETRY__OTLP_ENDPOINT"), "telemetry.otlpEndpoint");
        assert_eq!(camel("LOG__LEVEL"), "log.level");
    }
}
