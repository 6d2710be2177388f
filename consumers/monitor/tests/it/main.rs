//! The monitor as its users run it.

#[cfg(test)]
mod service;
