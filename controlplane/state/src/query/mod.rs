//! Reads. They take any connection and give plain views.

mod user;

pub(crate) use user::user_row_named;
pub use user::{UserView, user_named};
