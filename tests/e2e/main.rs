//! End-to-end tests: the real programs, PostgreSQL 15 and 18, file and S3.

mod access;
mod bad_days;
mod bad_input;
mod debian;
mod first_light;
mod leases;
mod nodes;
mod outage;
mod receivers;
mod recovery;
mod upgrade;
