//! The surroundings of the one VM of a run.

use std::cell::RefCell;
use std::rc::Rc;

use enginebay::abi::{LogLevel, PropertyPath};
use enginebay::host::Callouts;
use enginebay::{ForeignFunctions, LogRecord, Platform, StdPlatform};

use super::callouts::Canned;
use super::given_properties::GivenProperties;
use super::upstreams::Upstream;

/// One message of the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) level: LogLevel,
    pub(super) message: String,
}

/// The system's clocks and randomness, and a log that is kept.
pub(super) struct Recorder {
    level: LogLevel,
    properties: GivenProperties,
    callouts: Rc<Canned>,
    kept: RefCell<Kept>,
}

#[derive(Default)]
struct Kept {
    logs: Vec<Log>,
    size: usize,
    dropped: usize,
}

impl Recorder {
    /// The most that is kept, in messages and in bytes: a plugin can log until its time is up.
    const MAX_MESSAGES: usize = 10_000;
    const MAX_SIZE: usize = 4 << 20;

    pub(super) fn new(level: LogLevel, properties: GivenProperties, upstreams: Vec<Upstream>) -> Self {
        Recorder {
            level,
            properties,
            callouts: Rc::new(Canned::new(upstreams)),
            kept: RefCell::default(),
        }
    }

    /// The callouts of the VM.
    pub(super) fn canned(&self) -> &Canned {
        &self.callouts
    }

    /// All messages so far, taken out.
    pub(super) fn take(&self) -> Vec<Log> {
        let kept = self.kept.take();
        let mut logs = kept.logs;
        if kept.dropped > 0 {
            logs.push(Log {
                level: LogLevel::Warn,
                message: format!("{} more messages are not shown", kept.dropped),
            });
        }
        logs
    }
}

impl Platform for Recorder {
    fn log_level(&self) -> LogLevel {
        self.level
    }

    fn log(&self, record: &LogRecord<'_>) {
        let mut kept = self.kept.borrow_mut();
        if kept.logs.len() >= Self::MAX_MESSAGES || kept.size + record.message.len() > Self::MAX_SIZE {
            kept.dropped += 1;
            return;
        }
        kept.size += record.message.len();
        kept.logs.push(Log {
            level: record.level,
            message: record.message.to_owned(),
        });
    }

    fn callouts(&self) -> Option<Rc<dyn Callouts>> {
        Some(self.callouts.clone())
    }

    fn realtime_ns(&self) -> u64 {
        StdPlatform.realtime_ns()
    }

    fn monotonic_ns(&self) -> u64 {
        StdPlatform.monotonic_ns()
    }

    fn random(&self, buffer: &mut [u8]) -> bool {
        StdPlatform.random(buffer)
    }

    /// For root contexts; streams have looked there already.
    fn property(&self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        path.parts().next() == Some(b"node") && self.properties.get(path, out)
    }

    fn foreign_functions(&self) -> ForeignFunctions {
        StdPlatform.foreign_functions()
    }
}
