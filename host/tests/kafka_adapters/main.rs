//! Source and sink on a real Kafka, whose address is in `WASMILL_TEST_KAFKA` (`make test` sets it).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod changelogs;
mod dev_broker;
mod failures;
mod groups;
mod positions;
mod records;
mod support;
mod transactions;
