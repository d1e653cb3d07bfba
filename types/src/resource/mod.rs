//! Declarative resources: what people write in YAML, `apply`, and read back.
//!
//! One schema serves the CLI, REST and the console. A document is parsed as a
//! whole or refused with the path of the field at fault; a field whose work is
//! not built yet is refused, never accepted in silence.

mod approvals;
mod cluster;
mod document;
mod drill;
mod fleet;
mod notification_channel;
mod policy;
mod repository;
mod retained;
mod retention;
mod role_binding;
mod schedule;

pub use approvals::Approvals;
pub use cluster::{Cluster, ConnectionProblem, InstanceSpec, REMOTE, RelaySpec};
pub use document::{API_VERSION, Document, InvalidDocument, Kind, Labels, Metadata, Resource};
pub use drill::{Check, Drill, check_all, drill_name, plan_name};
pub use fleet::Fleet;
pub use notification_channel::{
    ChannelSettings, ChannelType, EmailSettings, MailTls, NotificationChannel, PAGERDUTY,
    WebhookSettings, check_address, is_loopback,
};
pub use policy::{
    Codec, Compression, Durability, Limits, Objectives, Policy, PolicyCopy, WalMode, WalPolicy,
    WalReceiver, selects,
};
pub use repository::{KeyReference, Repository, SecretReference};
pub use retained::{InvalidMaxRetained, MaxRetained, WhenFull};
pub use retention::{Keep, Retention};
pub use role_binding::{BindingScope, RoleBinding, Subject};
pub use schedule::{Blackout, CatchUp, Checkpoint, Overlap, Retry, Schedule, Source};

use document::NotYet;
