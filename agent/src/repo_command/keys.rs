//! `repo keys`.

use std::process::ExitCode;

use holdfast_repo::KeyPurpose;

use super::open::{Place, failed};
use super::output::{print_items, print_table};
use crate::command_error::CommandError;

/// Lists the keys by their ids. Their bytes are never shown (I-10).
pub(super) async fn run(place: &Place) -> Result<ExitCode, CommandError> {
    let keys = place
        .open()
        .await?
        .keys()
        .await
        .map_err(|error| failed(&error))?;
    if place.is_json() {
        print_items(&keys)?;
    } else {
        let mut rows = vec![vec![
            "KEY".to_owned(),
            "PURPOSE".to_owned(),
            "WRAPS".to_owned(),
        ]];
        rows.extend(keys.iter().map(|key| {
            let purpose = match key.purpose {
                Some(KeyPurpose::Hash) => "hashing",
                Some(KeyPurpose::Wal) => "WAL",
                Some(KeyPurpose::Backup) => "backup",
                Some(KeyPurpose::State) => "a state snapshot",
                None => "cannot be opened",
            };
            let wraps: Vec<String> = key.wraps.iter().map(ToString::to_string).collect();
            vec![key.id.to_string(), purpose.to_owned(), wraps.join(",")]
        }));
        print_table(&rows)?;
    }
    Ok(ExitCode::SUCCESS)
}
