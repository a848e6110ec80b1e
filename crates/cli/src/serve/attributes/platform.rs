//! The surroundings of the server's plugins.

use std::sync::Arc;

use enginebay::abi::{LogLevel, PropertyPath};
use enginebay::host::{Shared, VmLimits};
use enginebay::{ForeignFunctions, LogRecord, Platform, StdPlatform};

use super::Facts;

/// The standard library's platform, which also knows the node: root contexts may ask for it.
pub(in crate::serve) struct ServerPlatform {
    std: StdPlatform,
    facts: Arc<Facts>,
}

impl ServerPlatform {
    pub(in crate::serve) fn new(facts: Arc<Facts>) -> Self {
        ServerPlatform {
            std: StdPlatform,
            facts,
        }
    }
}

impl Platform for ServerPlatform {
    fn log_level(&self) -> LogLevel {
        self.std.log_level()
    }

    fn log(&self, record: &LogRecord<'_>) {
        self.std.log(record);
    }

    fn realtime_ns(&self) -> u64 {
        self.std.realtime_ns()
    }

    fn monotonic_ns(&self) -> u64 {
        self.std.monotonic_ns()
    }

    fn random(&self, buffer: &mut [u8]) -> bool {
        self.std.random(buffer)
    }

    fn shared(&self) -> &Shared {
        &self.facts.shared
    }

    fn limits(&self) -> VmLimits {
        self.facts.limits
    }

    fn foreign_functions(&self) -> ForeignFunctions {
        self.facts.foreign_functions.clone()
    }

    fn property(&self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        let (name, rest) = path.split_first();
        name == b"node" && self.facts.node.write(rest, out)
    }
}
