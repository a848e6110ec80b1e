//! What fetches.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use enginebay_config::model::RemoteCode;
use enginebay_store::Directory;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tracing::dispatcher;

use crate::back_off::BackOff;
use crate::location::{Location, shown};
use crate::memory::{Phase, Place};
use crate::source::Shared;
use crate::{Code, Digest, Event, Fetch, LoadError, Reason, exchange, oci};

/// Envoy's words for the end of a fetch.
const GIVEN_UP: &str = "Retry limit exceeded for fetching data from remote data source.";

/// Fetches for a [`CodeSource`](crate::CodeSource), on the thread on which it is run.
pub struct Driver {
    shared: Arc<Shared>,
    jobs: mpsc::UnboundedReceiver<Job>,
}

/// Code to be had.
pub(crate) struct Job {
    pub(crate) digest: Digest,
    pub(crate) place: Place,
    pub(crate) remote: RemoteCode,
    pub(crate) phase: watch::Sender<Phase>,
}

/// What jobs have in common.
struct Cx {
    shared: Arc<Shared>,
    fetch: Rc<dyn Fetch>,
    directory: Option<Directory>,
    permits: Semaphore,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, jobs: mpsc::UnboundedReceiver<Job>) -> Driver {
        Driver { shared, jobs }
    }

    /// Fetches until all clones of the source are gone. It runs on any tokio runtime that has time enabled, and never blocks
    /// it: files are read and written on tokio's threads for that. Dropped, it breaks off what is under way, and those who
    /// wait get an error.
    pub async fn run(mut self, fetch: Rc<dyn Fetch>) {
        let options = &self.shared.options;
        let directory = options.directory();
        let cx = Rc::new(Cx {
            permits: Semaphore::new(options.concurrent_fetches.clamp(1, Semaphore::MAX_PERMITS)),
            shared: self.shared.clone(),
            fetch,
            directory,
        });
        let work = async move {
            if let Some(directory) = cx.directory.clone() {
                drop(blocking(move || directory.clean()));
            }
            while let Some(job) = self.jobs.recv().await {
                spawn_local(cx.clone().job(job));
            }
        };
        LocalSet::new().run_until(work).await;
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

impl Cx {
    async fn job(self: Rc<Self>, job: Job) {
        let observer = &self.shared.observer;
        let kept = self.kept(job.digest).await;
        let result = match kept {
            Some(code) => {
                observer.event(Event::CacheHit);
                Ok(code)
            }
            None => {
                observer.event(Event::CacheMiss);
                job.phase.send_replace(Phase::Fetching);
                let result = self.fetch(&job).await;
                observer.event(match result {
                    Ok(_) => Event::FetchSuccess,
                    Err(_) => Event::FetchFailure,
                });
                if let Ok(code) = &result {
                    self.keep(code.clone()).await;
                }
                result
            }
        };
        let mut memory = self.shared.memory();
        memory.end(&job.digest, job.place, &result, Instant::now());
        observer.entries(memory.len());
        drop(memory);
        job.phase.send_replace(Phase::Done(result));
    }

    /// From the directory.
    async fn kept(&self, digest: Digest) -> Option<Code> {
        let directory = self.directory.clone()?;
        let load = move || directory.load(&digest.to_string(), |bytes| Code::check(bytes, digest));
        blocking(load).await.ok()?
    }

    /// Into the directory. Code is used whether it can be written or not.
    async fn keep(&self, code: Code) {
        let Some(directory) = self.directory.clone() else {
            return;
        };
        // A panic there is not worth more than its message.
        let _ = blocking(move || directory.store(&code.sha256().to_string(), &code)).await;
    }

    /// From afar, with retries as Envoy's `RemoteAsyncDataProvider` makes them: whatever the failure was.
    async fn fetch(&self, job: &Job) -> Result<Code, LoadError> {
        let uri = shown(&job.remote.uri);
        let mut retries = job.remote.num_retries;
        let mut back_off = BackOff::new(&job.remote.back_off);
        loop {
            let reason = match self.attempt(job).await {
                Ok(code) => {
                    tracing::debug!("fetch remote data [uri = {uri}]: success");
                    return Ok(code);
                }
                Err(reason) => reason,
            };
            tracing::warn!("fetch remote data [uri = {uri}]: {reason}");
            let permanent = reason.is_permanent();
            if permanent || retries == 0 {
                if !permanent {
                    tracing::warn!("{GIVEN_UP}");
                }
                return Err(LoadError {
                    uri,
                    reason,
                    cached: false,
                });
            }
            retries -= 1;
            let wait = back_off.wait();
            tracing::debug!("Remote data provider will retry in {} ms.", wait.as_millis());
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(&self, job: &Job) -> Result<Code, Reason> {
        let location = Location::of(&job.remote)?;
        let options = &self.shared.options;
        let timeout = match job.remote.timeout {
            Duration::ZERO => options.longest_fetch,
            timeout => timeout,
        };
        let cluster = job.remote.cluster.as_str();
        let attempt = async {
            match location {
                Location::Http(uri) => exchange::code(&*self.fetch, cluster, &uri, options.code_bytes)
                    .await?
                    .verify(job.digest),
                Location::Image(image) => oci::code(&*self.fetch, cluster, &image, job.digest, options).await,
            }
        };
        // Waiting for others is not part of the time.
        let _permit = self.permits.acquire().await;
        match tokio::time::timeout(timeout, attempt).await {
            Ok(result) => result,
            Err(_) => Err(Reason::Timeout(timeout)),
        }
    }
}

/// Runs something that waits for the disk on a thread for that, and logs it where this thread logs.
fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let dispatch = dispatcher::get_default(Clone::clone);
    tokio::task::spawn_blocking(move || dispatcher::with_default(&dispatch, work))
}
