//! The real binary on a real Kafka: what is promised of answers while scorers and brokers
//! die, restart and swap models; and what people do by hand: topics, dead letters, replays.
//!
//! `HOMESTREAM_TEST_BROKERS` says where the brokers are; `tests/kafka/cluster` starts some.
//! `HOMESTREAM_TEST_LISTINGS`, `HOMESTREAM_TEST_KILLS` and `HOMESTREAM_TEST_SEED` make a run
//! longer or another one.

#![allow(clippy::print_stdout, reason = "the figures of a run")]

#[cfg(test)]
mod alerts;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod restarts;
#[cfg(test)]
mod support;
#[cfg(test)]
mod swaps;
