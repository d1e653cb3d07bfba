//! Who may do what: permissions, the built-in roles, and where they hold. Pure:
//! bindings in, an answer out, and what nobody granted is denied.

mod permission;
mod rights;
mod role;
mod scope;
mod weaken;

pub use permission::Permission;
pub use rights::{Rights, holders};
pub use role::BuiltInRole;
pub use scope::{Place, Scope, Visible};
pub use weaken::{ApprovalRule, Weakened, weakens};
