//! `repo init`.

use std::process::ExitCode;

use holdfast_repo::{Error, Repository, RepositoryKey};
use serde_json::json;

use super::open::{Place, failed};
use super::output::{print_json, print_text};
use crate::command_error::CommandError;

/// Makes a repository, or shows the one that is there under this key.
pub(super) async fn run(place: &Place) -> Result<ExitCode, CommandError> {
    let store = place.store()?;
    let made_key = !place.key_file.exists();
    let key = if made_key {
        RepositoryKey::generate()
    } else {
        RepositoryKey::read(&place.key_file).map_err(|error| failed(&error))?
    };
    let existed = match Repository::open(store.clone(), &key, None).await {
        Ok(_) => true,
        // Under a key nobody has, what is there could never be read: a new key
        // is written only where there is no repository yet, and before it.
        Err(Error::NotARepository { .. }) => {
            if made_key {
                key.write_new(&place.key_file)
                    .map_err(|error| failed(&error))?;
            }
            false
        }
        Err(error) => return Err(failed(&error)),
    };
    let repository = Repository::init(store, &key)
        .await
        .map_err(|error| failed(&error))?;
    if place.is_json() {
        print_json(&json!({
            "repository": repository.id(),
            "url": repository.url().to_string(),
            "createdAt": repository.created_at(),
            "created": !existed,
            "keyFile": place.key_file,
            "keyCreated": made_key,
        }))?;
    } else {
        let what = if existed {
            "is there already"
        } else {
            "is made"
        };
        print_text(&format!(
            "{} {what} at {}",
            repository.id(),
            repository.url()
        ))?;
        if made_key {
            eprintln!(
                "its key is in {}: keep a copy elsewhere, nothing can be restored without it",
                place.key_file.display()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
