//! The real binary over the whole loop, on its embedded broker.

#[cfg(test)]
mod alerts;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod loops;
#[cfg(test)]
mod models;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod support;
