//! What is known of each digest: code, a fetch that is under way, or one that failed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::{Code, Digest, LoadError, Options};

/// How far a fetch is.
#[derive(Clone)]
pub(crate) enum Phase {
    /// The directory is being looked into.
    Looking,
    /// The directory has nothing.
    Fetching,
    /// Over.
    Done(Result<Code, LoadError>),
}

/// Where code is to come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) cluster: String,
    pub(crate) uri: String,
}

/// A fetch that is under way, and where from.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) place: Place,
    pub(crate) phase: watch::Receiver<Phase>,
}

impl Running {
    /// Whether somebody still works on it.
    fn is_alive(&self) -> bool {
        self.phase.has_changed().is_ok()
    }
}

/// What a look finds.
pub(crate) enum Found {
    Code(Code),
    /// It failed a moment ago.
    Failed(LoadError),
    Running(Running),
    Nothing,
}

struct Entry {
    code: Option<Code>,
    running: Option<Running>,
    failed: Option<(Place, Instant, LoadError)>,
    used: Instant,
}

/// The cache in memory.
pub(crate) struct Memory {
    entries: HashMap<Digest, Entry>,
    /// Of all code in it.
    bytes: usize,
    max_bytes: usize,
    max_entries: usize,
    positive_ttl: Duration,
    negative_ttl: Duration,
}

impl Memory {
    pub(crate) fn new(options: &Options) -> Memory {
        Memory {
            entries: HashMap::new(),
            bytes: 0,
            max_bytes: options.memory_bytes,
            max_entries: options.entries,
            positive_ttl: options.positive_ttl,
            negative_ttl: options.negative_ttl,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Looks, after dropping what nobody has used for too long: all but what is looked for, as Envoy does it.
    pub(crate) fn look(&mut self, digest: &Digest, place: &Place, now: Instant) -> Found {
        let ttl = self.positive_ttl;
        let bytes = &mut self.bytes;
        self.entries.retain(|other, entry| {
            let keep = other == digest || entry.is_busy() || now.saturating_duration_since(entry.used) <= ttl;
            if !keep {
                *bytes -= entry.bytes();
            }
            keep
        });
        let Some(entry) = self.entries.get_mut(digest) else {
            return Found::Nothing;
        };
        entry.used = now;
        if let Some(code) = &entry.code {
            return Found::Code(code.clone());
        }
        if let Some(running) = entry.running.as_ref().filter(|running| running.is_alive()) {
            return Found::Running(running.clone());
        }
        match &entry.failed {
            // What failed elsewhere says nothing of this place.
            Some((failed, at, error))
                if failed == place && now.saturating_duration_since(*at) < self.negative_ttl =>
            {
                Found::Failed(LoadError {
                    cached: true,
                    ..error.clone()
                })
            }
            _ => Found::Nothing,
        }
    }

    /// A fetch begins.
    pub(crate) fn begin(&mut self, digest: Digest, running: Running, now: Instant) {
        let entry = self.entries.entry(digest).or_insert(Entry {
            code: None,
            running: None,
            failed: None,
            used: now,
        });
        entry.running = Some(running);
        entry.used = now;
        self.make_room();
    }

    /// The fetch from this place is over.
    pub(crate) fn end(
        &mut self,
        digest: &Digest,
        place: Place,
        result: &Result<Code, LoadError>,
        now: Instant,
    ) {
        let Some(entry) = self.entries.get_mut(digest) else {
            return;
        };
        entry.running = None;
        entry.used = now;
        self.bytes -= entry.bytes();
        match result {
            Ok(code) => {
                entry.failed = None;
                entry.code = Some(code.clone());
            }
            Err(error) => entry.failed = Some((place, now, error.clone())),
        }
        self.bytes += entry.bytes();
        self.make_room();
    }

    /// Drops what was not used for longest until everything fits.
    fn make_room(&mut self) {
        while self.bytes > self.max_bytes || self.entries.len() > self.max_entries {
            let too_many = self.entries.len() > self.max_entries;
            let oldest = self
                .entries
                .iter()
                .filter(|(_, entry)| !entry.is_busy() && (too_many || entry.code.is_some()))
                .min_by_key(|(_, entry)| entry.used)
                .map(|(digest, _)| *digest);
            let Some(oldest) = oldest else {
                return;
            };
            if let Some(entry) = self.entries.remove(&oldest) {
                self.bytes -= entry.bytes();
            }
        }
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        self.code.as_ref().map_or(0, |code| code.len())
    }

    fn is_busy(&self) -> bool {
        self.running.as_ref().is_some_and(Running::is_alive)
    }
}
