//! A node of the control plane.
//!
//! `api` translates, `app` decides, `task` reconciles on the leader, `plan`
//! computes, `session` talks to agents, `peer` to other nodes. What is replicated is proposed to the
//! consensus crate and applied by the state crate; nothing here writes rows.

pub mod api;
pub mod app;
pub mod command;
pub mod config;
mod expiry;
mod notice;
mod peer;
pub mod plan;
mod scan;
pub mod secure;
pub mod server;
pub mod session;
mod state_snapshot;
pub mod task;
pub mod telemetry;
mod webhook;
