//! The notifier as its users run it.
