//! platform-kafka
