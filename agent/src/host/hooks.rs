//! Commands that the owner of this host lets restores run, by name.
//!
//! What is not here is not run: whoever asks for a restore names a hook and says nothing
//! else of it, neither a program nor an argument.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use holdfast_types::{Failure, Name, Span};
use serde::{Deserialize, Serialize};

/// Hooks by their names: the sections `[hooks.NAME]` of `agent.toml`.
pub type Hooks = BTreeMap<Name, HookConfig>;

/// How long a hook takes when nobody says, and how long at most.
const USUAL: Span = Span::from_secs(5 * 60);
const LONGEST: Span = Span::from_secs(60 * 60);

/// One command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HookConfig {
    /// The program by its whole path, and its arguments. No shell sees them.
    pub command: Vec<String>,
    /// It is ended when it takes longer.
    #[serde(default = "usual", skip_serializing_if = "is_usual")]
    pub timeout: Span,
}

const fn usual() -> Span {
    USUAL
}

fn is_usual(span: &Span) -> bool {
    *span == USUAL
}

impl HookConfig {
    /// The program.
    pub fn program(&self) -> &Path {
        Path::new(self.command.first().map_or("", String::as_str))
    }

    /// What types cannot say: which key is wrong, and why.
    pub(crate) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if !self.program().is_absolute() {
            return Err((
                "command",
                "it is a list that begins with the whole path of a program",
            ));
        }
        if self.timeout < Span::from_secs(1) || self.timeout > LONGEST {
            return Err(("timeout", "it is from 1s to 1h"));
        }
        Ok(())
    }
}

/// Why a hook of this name cannot be run here; asked when a restore is planned, and again
/// before anything of it is done.
pub(crate) fn problem(hooks: &Hooks, name: &Name) -> Option<Failure> {
    let Some(hook) = hooks.get(name) else {
        let known: Vec<&str> = hooks.keys().map(Name::as_str).collect();
        let known = match known.is_empty() {
            true => "it allows none".to_owned(),
            false => format!("it allows {}", known.join(", ")),
        };
        return Some(Failure::permanent(
            "hook_not_allowed",
            format!("the agent's host does not allow the hook \"{name}\": {known}"),
            format!(
                "add [hooks.{name}] with command = [\"/path/of/program\"] to agent.toml on that \
                 host and restart the agent, or name a hook that it allows"
            ),
        ));
    };
    let program = hook.program();
    let why = match std::fs::metadata(program) {
        Ok(found) if !found.is_file() => "is no file".to_owned(),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => "may not be executed".to_owned(),
        Ok(_) => return None,
        Err(error) => format!("cannot be looked at: {error}"),
    };
    Some(Failure::permanent(
        "hook_unusable",
        format!(
            "the program of the hook \"{name}\", {}, {why}",
            program.display()
        ),
        format!("correct hooks.{name}.command in agent.toml, or put the program there"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(command: &[&str], timeout: u64) -> HookConfig {
        HookConfig {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            timeout: Span::from_secs(timeout),
        }
    }

    #[test]
    fn a_hook_is_a_program_by_its_whole_path_with_an_end() {
        let wrong = |command: &[&str], timeout| {
            let checked = hook(command, timeout).check();
            checked.map_err(|(key, _)| key)
        };
        assert_eq!(wrong(&["/bin/true", "a b"], 60), Ok(()));
        assert_eq!(wrong(&[], 60), Err("command"));
        assert_eq!(wrong(&["true"], 60), Err("command"));
        assert_eq!(wrong(&["/bin/true"], 0), Err("timeout"));
        assert_eq!(wrong(&["/bin/true"], 3_601), Err("timeout"));
    }

    #[test]
    fn only_what_is_named_and_there_is_run() {
        let directory = tempfile::tempdir().unwrap();
        let plain = directory.path().join("plain");
        std::fs::write(&plain, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&plain, PermissionsExt::from_mode(0o644)).unwrap();
        let named = |name: &str| name.parse::<Name>().unwrap();
        let hooks: Hooks = [
            ("fine", hook(&["/bin/true"], 60)),
            ("plain", hook(&[plain.to_str().unwrap()], 60)),
            ("gone", hook(&["/nowhere/at-all"], 60)),
        ]
        .map(|(name, hook)| (named(name), hook))
        .into();
        let code = |name: &str| problem(&hooks, &named(name)).map(|problem| problem.code);
        assert_eq!(code("fine"), None);
        assert_eq!(code("plain").as_deref(), Some("hook_unusable"));
        assert_eq!(code("gone").as_deref(), Some("hook_unusable"));
        assert_eq!(code("other").as_deref(), Some("hook_not_allowed"));
        let told = problem(&hooks, &named("other")).unwrap();
        assert!(told.message.contains("fine, gone, plain"), "{told}");
        assert!(told.hint.contains("[hooks.other]"), "{told}");
    }
}
