//! Finding a row by a key that is unique.

use std::future::Future;

use sea_orm::{ConnectionTrait, DbErr, EntityTrait, Select};

/// A row by a key that is unique.
///
/// sea-orm's `one` adds `LIMIT ?`, and SQLite plans a statement anew whenever
/// a bound limit is bound again, which costs more than the look-up itself. A
/// unique key needs no limit.
pub(crate) trait Lookup<M> {
    /// The row, if there is one.
    fn only<C: ConnectionTrait>(
        self,
        conn: &C,
    ) -> impl Future<Output = Result<Option<M>, DbErr>> + Send;
}

impl<E: EntityTrait> Lookup<E::Model> for Select<E>
where
    Self: Send,
    E::Model: Send,
{
    async fn only<C: ConnectionTrait>(self, conn: &C) -> Result<Option<E::Model>, DbErr> {
        Ok(self.all(conn).await?.pop())
    }
}
