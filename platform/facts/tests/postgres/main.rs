//! The PostgreSQL source against a real server, good and bad.
//!
//! ```sh
//! tests/postgres/server start DIR
//! set -a; . DIR/env; set +a
//! cargo test -p platform-facts --features real-postgres --test postgres
//! tests/postgres/server stop DIR
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod answers;
mod failures;
mod support;
