//! Generations that are never given twice, also after the state went back in
//! time.
//!
//! A state that was restored from a snapshot does not know which generations
//! were given since. So every new one is above a floor that the restore chose
//! above all of them (I-04, I-14).

use holdfast_types::Generation;
use sea_orm::ConnectionTrait;

use crate::column::Count;
use crate::{StateError, meta};

const FLOOR: &str = "generation_floor";

/// Below this no generation is given any more; 0 when nothing was restored.
pub(crate) async fn floor(conn: &impl ConnectionTrait) -> Result<u64, StateError> {
    let Some(bytes) = meta::read(conn, FLOOR).await? else {
        return Ok(0);
    };
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    text.parse()
        .map_err(|_| StateError::corrupt("the floor of its generations is unreadable"))
}

pub(crate) async fn raise_floor(conn: &impl ConnectionTrait, to: u64) -> Result<(), StateError> {
    meta::write(conn, FLOOR, to.to_string().as_bytes()).await
}

/// The generation after `current`.
pub(crate) async fn next(
    conn: &impl ConnectionTrait,
    current: Count,
) -> Result<Generation, StateError> {
    Ok(Generation(current.0.max(floor(conn).await?)).next())
}
