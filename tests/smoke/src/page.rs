//! What an exchange showed, as text.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use enginebay::abi::LogLevel;
use enginebay::host::{Callouts, Shared, SharedLimits};
use enginebay::{Failure, ForeignFunctions, HeaderMap, LogRecord, Platform, StdPlatform};

use crate::upstreams::{Named, Upstreams};

/// Lines, written by the exchange and by the plugin's log.
pub(crate) struct Page {
    lines: RefCell<Vec<String>>,
    /// Its own: what an exchange counts must not depend on those before it.
    shared: Shared,
    upstreams: Rc<Upstreams>,
}

impl Page {
    /// An empty one, for a plugin that knows these upstreams.
    pub(crate) fn new(upstreams: Named) -> Self {
        Self {
            lines: RefCell::default(),
            shared: Shared::new(SharedLimits::default()),
            upstreams: Rc::new(Upstreams::new(upstreams)),
        }
    }

    pub(crate) fn upstreams(&self) -> &Upstreams {
        &self.upstreams
    }

    pub(crate) fn line(&self, line: impl Into<String>) {
        self.lines.borrow_mut().push(line.into());
    }

    pub(crate) fn headers(&self, of: &str, headers: &HeaderMap) {
        for (name, value) in headers.iter() {
            let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
            // A value may be empty.
            self.line(format!("{of} {name}: {value}").trim_end());
        }
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        let message = failure.to_string();
        // The rest is a backtrace, which not every engine has.
        let message = message.lines().next().unwrap_or_default();
        // Compiled natively, a panic tells its place and its text; a module says them in its log.
        let message = match message.find(": panicked at ") {
            Some(end) => &message[..end],
            None => message,
        };
        self.line(format!("failed: {}", failure.state()));
        self.line(message);
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.borrow().join("\n"))
    }
}

impl Platform for Page {
    fn log_level(&self) -> LogLevel {
        LogLevel::Info
    }

    fn log(&self, record: &LogRecord<'_>) {
        // A failure is logged too; it is on the page as what it is. A panic's text names a line and, compiled natively,
        // another path.
        if record.level != LogLevel::Critical {
            self.line(format!("log {}: {}", record.level, record.message));
        }
    }

    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn callouts(&self) -> Option<Rc<dyn Callouts>> {
        Some(self.upstreams.clone())
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

    fn foreign_functions(&self) -> ForeignFunctions {
        StdPlatform.foreign_functions()
    }
}
