//! What became of the requests.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Failures that are told in full.
const TOLD: usize = 20;

/// What clients count.
#[derive(Default)]
pub(crate) struct Counts {
    stopping: AtomicBool,
    /// Whole responses, by the first digit of their status.
    classes: [AtomicU64; 5],
    /// Of these, local answers to failed callouts.
    pub(crate) refused: AtomicU64,
    /// Requests whose client went away.
    pub(crate) left: AtomicU64,
    /// Connections that were closed in the head of a request.
    pub(crate) heads: AtomicU64,
    /// Requests that broke off as they may.
    pub(crate) broken: AtomicU64,
    /// Responses with trailers.
    pub(crate) trailers: AtomicU64,
    pub(crate) connections: AtomicU64,
    /// TCP connections that came to their end.
    pub(crate) tcp: AtomicU64,
    failures: AtomicU64,
    told: Mutex<Vec<String>>,
}

impl Counts {
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    pub(crate) fn answered(&self, status: u16) {
        let class = usize::from(status / 100).checked_sub(1);
        if let Some(class) = class.and_then(|class| self.classes.get(class)) {
            class.fetch_add(1, Relaxed);
        }
    }

    /// Something that can't be.
    pub(crate) fn fail(&self, what: String) {
        self.failures.fetch_add(1, Relaxed);
        if let Ok(mut told) = self.told.lock()
            && told.len() < TOLD
        {
            told.push(what);
        }
    }

    /// How many failures there were, and the first of them.
    pub(crate) fn failures(&self) -> (u64, Vec<String>) {
        let told = self.told.lock().map(|told| told.clone());
        (self.failures.load(Relaxed), told.unwrap_or_default())
    }

    /// What should have happened at least once, in a run of any length, and did not.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let class = |class: usize| &self.classes[class - 1];
        let needed = [
            ("a response with 2xx", class(2)),
            ("a response with 4xx", class(4)),
            ("a response with 5xx", class(5)),
            ("a refusal after a failed callout", &self.refused),
            ("a client that goes away during a request", &self.left),
            ("a client that goes away in a head", &self.heads),
            ("trailers", &self.trailers),
            ("a TCP connection to its end", &self.tcp),
        ];
        needed
            .into_iter()
            .filter(|(_, count)| count.load(Relaxed) == 0)
            .map(|(what, _)| what)
            .collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let get = |count: &AtomicU64| count.load(Relaxed);
        let [_, success, redirect, client, server] = &self.classes;
        write!(
            formatter,
            "2xx {} 3xx {} 4xx {} 5xx {} broken {} left {} heads {} tcp {} connections {} failures {}",
            get(success),
            get(redirect),
            get(client),
            get(server),
            get(&self.broken),
            get(&self.left),
            get(&self.heads),
            get(&self.tcp),
            get(&self.connections),
            get(&self.failures),
        )
    }
}
