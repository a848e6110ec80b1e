//! Chains on threads of their own.

use std::fmt;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc as std_mpsc};

use enginebay::{FailState, Failure, Platform};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::{FilterChain, LocalChain, Upstreams, WasmLayer, WasmService};

/// Work for a thread: it starts a stream there and returns at once.
pub(crate) type Job = Box<dyn FnOnce(&LocalChain) + Send>;

/// Makes the surroundings of one thread's VMs.
type Surroundings = dyn Fn() -> (Rc<dyn Platform>, Rc<dyn Upstreams>) + Send + Sync;

/// Threads that each run a chain with VMs of their own. Every stream stays on the thread it began on; the
/// service behind the chain runs where the request came from.
///
/// A cheap handle. When the last one is gone, layers and services included, the threads end once their streams
/// are over. A thread that dies takes its streams with it, which are answered with 503; new streams go to the
/// threads that are left, and get 503 when there is none.
#[derive(Clone)]
pub struct Workers(Arc<[mpsc::UnboundedSender<Job>]>, Arc<AtomicUsize>);

impl Workers {
    /// Starts that many threads with the chain's plugins on each. `platform` is called on each of them. There are no upstreams
    /// for callouts.
    ///
    /// The first thread proves the plugins before the others start; returns when all are ready.
    ///
    /// # Errors
    /// A plugin that can't be started, or a thread that can't. No thread is left then.
    pub fn spawn<F>(chain: FilterChain, threads: NonZeroUsize, platform: F) -> Result<Workers, Failure>
    where
        F: Fn() -> Rc<dyn Platform> + Send + Sync + 'static,
    {
        Self::spawn_with(chain, threads, move || (platform(), Rc::new(())))
    }

    /// Likewise, with upstreams that the plugins can call out to. `surroundings` is called on each thread.
    ///
    /// # Errors
    /// A plugin that can't be started, or a thread that can't. No thread is left then.
    pub fn spawn_with<F>(
        chain: FilterChain,
        threads: NonZeroUsize,
        surroundings: F,
    ) -> Result<Workers, Failure>
    where
        F: Fn() -> (Rc<dyn Platform>, Rc<dyn Upstreams>) + Send + Sync + 'static,
    {
        let surroundings: Arc<Surroundings> = Arc::new(surroundings);
        let first = Starting::spawn(0, &chain, &surroundings)?.ready()?;
        let others = (1..threads.get())
            .map(|number| Starting::spawn(number, &chain, &surroundings))
            .collect::<Result<Vec<_>, _>>()?;
        let mut senders = vec![first];
        for starting in others {
            senders.push(starting.ready()?);
        }
        Ok(Workers(senders.into(), Arc::default()))
    }

    /// A layer that puts the chain in front of a service.
    pub fn layer(&self) -> WasmLayer {
        WasmLayer::new(self.clone())
    }

    /// A service with the chain in front of it.
    pub fn service<S>(&self, inner: S) -> WasmService<S> {
        WasmService::new(self.clone(), inner)
    }

    /// Number of threads that are alive.
    pub fn alive(&self) -> usize {
        self.0.iter().filter(|sender| !sender.is_closed()).count()
    }

    /// Hands work to the next thread that is alive. False if there is none.
    pub(crate) fn submit(&self, mut job: Job) -> bool {
        let first = self.1.fetch_add(1, Ordering::Relaxed);
        for turn in 0..self.0.len() {
            let sender = &self.0[first.wrapping_add(turn) % self.0.len()];
            match sender.send(job) {
                Ok(()) => return true,
                Err(refused) => job = refused.0,
            }
        }
        false
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("threads", &self.0.len()).finish()
    }
}

/// A thread that has not said yet whether its plugins started.
struct Starting {
    jobs: mpsc::UnboundedSender<Job>,
    result: std_mpsc::Receiver<Result<(), Failure>>,
}

impl Starting {
    fn spawn(number: usize, chain: &FilterChain, surroundings: &Arc<Surroundings>) -> Result<Self, Failure> {
        let (jobs, queue) = mpsc::unbounded_channel();
        let (started, result) = std_mpsc::channel();
        let (chain, surroundings) = (chain.clone(), surroundings.clone());
        std::thread::Builder::new()
            .name(format!("enginebay-{number}"))
            .spawn(move || run(&chain, &*surroundings, &started, queue))
            .map_err(|error| unable(format!("a worker thread can't be started: {error}")))?;
        Ok(Starting { jobs, result })
    }

    fn ready(self) -> Result<mpsc::UnboundedSender<Job>, Failure> {
        match self.result.recv() {
            Ok(Ok(())) => Ok(self.jobs),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(unable("a worker thread ended while it started".to_owned())),
        }
    }
}

fn unable(message: String) -> Failure {
    Failure::new(FailState::UnableToCreateVm, message)
}

/// A thread's life.
fn run(
    chain: &FilterChain,
    surroundings: &Surroundings,
    started: &std_mpsc::Sender<Result<(), Failure>>,
    mut queue: mpsc::UnboundedReceiver<Job>,
) {
    let ready = (|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| unable(format!("a worker's runtime can't be started: {error}")))?;
        let (platform, upstreams) = surroundings();
        Ok((runtime, chain.start_with(platform, upstreams)?))
    })();
    let (runtime, chain) = match ready {
        Ok(ready) => ready,
        Err(failure) => {
            // If nobody listens, nobody wants to know.
            let _ = started.send(Err(failure));
            return;
        }
    };
    if started.send(Ok(())).is_err() {
        return;
    }
    let streams = LocalSet::new();
    streams.spawn_local(chain.background());
    streams.block_on(&runtime, async {
        while let Some(job) = queue.recv().await {
            job(&chain);
        }
    });
    // Streams that are left hold the chain; nobody else does now.
    drop(chain);
    runtime.block_on(streams);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response, StatusCode};
    use tower::ServiceExt;

    use super::*;
    use crate::Body;

    fn workers(threads: usize) -> Workers {
        Workers::spawn(FilterChain::new([]), NonZeroUsize::new(threads).unwrap(), || {
            Rc::new(enginebay::StdPlatform)
        })
        .unwrap()
    }

    async fn get(workers: &Workers) -> StatusCode {
        let service = workers.service(tower::service_fn(|_: Request<Body>| async {
            Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
        }));
        service
            .oneshot(Request::new(Body::empty()))
            .await
            .unwrap()
            .status()
    }

    async fn kill_one(workers: &Workers) {
        let alive = workers.alive();
        assert!(workers.submit(Box::new(|_| panic!("a test kills this thread"))));
        while workers.alive() == alive {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn a_dead_thread_is_passed_over_and_without_any_there_is_503() {
        let workers = workers(2);
        assert_eq!(get(&workers).await, 200);
        kill_one(&workers).await;
        for _ in 0..4 {
            assert_eq!(get(&workers).await, 200);
        }
        kill_one(&workers).await;
        assert_eq!(get(&workers).await, 503);
    }

    #[tokio::test]
    async fn a_stream_whose_thread_dies_gets_503() {
        let workers = workers(1);
        let (entered_tx, entered) = tokio::sync::oneshot::channel();
        let entered_tx = Arc::new(std::sync::Mutex::new(Some(entered_tx)));
        let service = workers.service(tower::service_fn(move |_: Request<Body>| {
            let entered = entered_tx.lock().unwrap().take().unwrap();
            async move {
                let _ = entered.send(());
                std::future::pending::<Result<Response<Body>, std::convert::Infallible>>().await
            }
        }));
        let stream = tokio::spawn(service.oneshot(Request::new(Body::empty())));
        entered.await.unwrap();
        kill_one(&workers).await;
        assert_eq!(stream.await.unwrap().unwrap().status(), 503);
    }
}
