//! Asking for code.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use enginebay_config::model::RemoteCode;
use tokio::sync::{mpsc, watch};

use crate::driver::{Driver, Job};
use crate::location::shown;
use crate::memory::{Found, Memory, Phase, Place, Running};
use crate::{Code, Digest, Event, LoadError, Observer, Options, Reason};

/// Remote code, from the cache or from afar. Cheap to clone, shared by all threads.
///
/// What it hands out has the SHA-256 that it was asked for.
#[derive(Clone)]
pub struct CodeSource {
    shared: Arc<Shared>,
    jobs: mpsc::UnboundedSender<Job>,
}

/// What the source and its driver share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) observer: Arc<dyn Observer>,
    memory: Mutex<Memory>,
}

impl Shared {
    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CodeSource {
    /// A source, and what fetches for it, which is to be run on one thread. The observer is told what to count.
    pub fn new(options: Options, observer: Arc<dyn Observer>) -> (CodeSource, Driver) {
        let (jobs, received) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            memory: Mutex::new(Memory::new(&options)),
            options,
            observer,
        });
        let driver = Driver::new(shared.clone(), received);
        (CodeSource { shared, jobs }, driver)
    }

    /// The code, waiting for it as long as it takes: from memory, from the directory, or fetched with the retries of the
    /// configuration. This is how Envoy warms a plugin.
    ///
    /// All who ask for one digest share one fetch, and its failure. Dropping this does not end the fetch: what comes is kept
    /// in the cache.
    ///
    /// # Errors
    /// When the last attempt failed, or the last fetch from the same place did so a moment ago
    /// ([`Options::negative_ttl`]), or the [`Driver`] is gone.
    pub async fn code(&self, remote: &RemoteCode) -> Result<Code, LoadError> {
        let digest = wanted(remote)?;
        let place = place(remote);
        loop {
            let running = match self.look(digest, remote, &place).0 {
                Found::Code(code) => return Ok(code),
                Found::Failed(error) => {
                    tracing::warn!("createWasm: failed to load (cached) from {}", error.uri);
                    return Err(error);
                }
                Found::Running(running) => running,
                Found::Nothing => return Err(ended(remote)),
            };
            let ours = running.place == place;
            let mut phase = running.phase;
            let result = match phase.wait_for(|phase| matches!(phase, Phase::Done(_))).await {
                Ok(phase) => match &*phase {
                    Phase::Done(result) => result.clone(),
                    Phase::Looking | Phase::Fetching => Err(ended(remote)),
                },
                Err(_) => Err(ended(remote)),
            };
            // Somebody else's wrong address is not a reason to give up on this one.
            if ours || result.is_ok() || self.jobs.is_closed() {
                return result;
            }
        }
    }

    /// The code if it is there. If it isn't, and is not being fetched yet, that is begun, and goes on in the background. This
    /// is `nack_on_code_cache_miss`: whoever gets `None` refuses the configuration, and has the code when asked again later.
    ///
    /// Waits for the directory, if there is one, but not for the network.
    pub async fn cached_or_fetch(&self, remote: &RemoteCode) -> Option<Code> {
        let uri = shown(&remote.uri);
        let digest = wanted(remote).ok()?;
        let (found, began) = self.look(digest, remote, &place(remote));
        match found {
            Found::Code(code) => Some(code),
            Found::Failed(_) => {
                tracing::warn!("createWasm: failed to load (cached) from {uri}");
                None
            }
            Found::Running(Running { mut phase, place: _ }) => {
                let phase = phase.wait_for(|phase| !matches!(phase, Phase::Looking));
                if let Ok(phase) = phase.await
                    && let Phase::Done(Ok(code)) = &*phase
                {
                    return Some(code.clone());
                }
                match began {
                    true => tracing::info!("Failed to load Wasm code (fetching) from {uri}"),
                    false => tracing::warn!("createWasm: failed to load (in progress) from {uri}"),
                }
                None
            }
            Found::Nothing => None,
        }
    }

    /// Looks into memory, and begins a fetch if there is nothing, which is told. `Nothing` comes back if nobody fetches.
    fn look(&self, digest: Digest, remote: &RemoteCode, place: &Place) -> (Found, bool) {
        let now = Instant::now();
        let observer = &self.shared.observer;
        let mut memory = self.shared.memory();
        let mut found = memory.look(&digest, place, now);
        let begins = matches!(found, Found::Nothing);
        match found {
            Found::Code(_) => observer.event(Event::CacheHit),
            Found::Failed(_) => observer.event(Event::CacheNegativeHit),
            Found::Running(_) => observer.event(Event::CacheMiss),
            // Whether it is a hit or a miss, the directory knows.
            Found::Nothing => {
                if let Some(running) = self.begin(digest, remote, place) {
                    memory.begin(digest, running.clone(), now);
                    found = Found::Running(running);
                }
            }
        }
        observer.entries(memory.len());
        (found, begins)
    }

    /// Has code fetched. `None` if nobody does that.
    fn begin(&self, digest: Digest, remote: &RemoteCode, place: &Place) -> Option<Running> {
        let first = match self.shared.options.directory {
            Some(_) => Phase::Looking,
            None => Phase::Fetching,
        };
        let (sender, phase) = watch::channel(first);
        let job = Job {
            digest,
            place: place.clone(),
            remote: remote.clone(),
            phase: sender,
        };
        self.jobs.send(job).ok()?;
        Some(Running {
            place: place.clone(),
            phase,
        })
    }
}

impl std::fmt::Debug for CodeSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeSource")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

fn place(remote: &RemoteCode) -> Place {
    Place {
        cluster: remote.cluster.clone(),
        uri: remote.uri.clone(),
    }
}

fn wanted(remote: &RemoteCode) -> Result<Digest, LoadError> {
    Digest::parse(&remote.sha256).ok_or_else(|| {
        let error = failed(remote, Reason::Sha256);
        tracing::warn!("fetch remote data [uri = {}]: {}", error.uri, error.reason);
        error
    })
}

fn ended(remote: &RemoteCode) -> LoadError {
    failed(remote, Reason::Ended)
}

fn failed(remote: &RemoteCode, reason: Reason) -> LoadError {
    LoadError {
        uri: shown(&remote.uri),
        reason,
        cached: false,
    }
}
