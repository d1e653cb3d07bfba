//! The edges: REST for people and automation, gRPC for agents. They translate
//! and nothing else; what is decided is decided in `app`.

pub mod auth;
pub mod body;
pub mod console;
mod cookie;
pub mod error;
pub mod error_page;
pub mod grpc;
pub mod page;
pub mod request;
pub mod rest;
