//! Chains on threads of their own.

use std::cell::RefCell;
use std::fmt;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc as std_mpsc};

use enginebay::{FailState, Failure, Platform};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::{LocalSet, spawn_local};

use crate::{FilterChain, LocalChain, Upstreams, WasmLayer, WasmService};

/// Work for a thread: it starts a stream there and returns at once.
pub(crate) type Job = Box<dyn FnOnce(&LocalChain) + Send>;

/// What a thread is told.
enum Order {
    Do(Job),
    Replace(Box<Replacement>),
}

/// Another chain for a thread.
struct Replacement {
    chain: FilterChain,
    /// Whether to start its plugins in VMs of their own first: one that can't be started fails the VM it is in, which others
    /// may share.
    prove: bool,
    /// Told whether its plugins started.
    ready: oneshot::Sender<Result<(), Failure>>,
    /// Says that it is for new streams from now on, and wants to know when it is. Nobody does if it is not to be.
    commit: oneshot::Receiver<oneshot::Sender<()>>,
}

/// Makes the surroundings of one thread's VMs.
type Surroundings = dyn Fn() -> (Rc<dyn Platform>, Rc<dyn Upstreams>) + Send + Sync;

/// Threads that each run a chain with VMs of their own. Every stream stays on the thread it began on; the
/// service behind the chain runs where the request came from.
///
/// A cheap handle. When the last one is gone, layers and services included, the threads end once their streams
/// are over. A thread that dies takes its streams with it, which are answered with 503; new streams go to the
/// threads that are left, and get 503 when there is none.
#[derive(Clone)]
pub struct Workers(Arc<Threads>);

struct Threads {
    orders: Box<[mpsc::UnboundedSender<Order>]>,
    /// Whose turn it is.
    next: AtomicUsize,
    /// Held while a chain takes another's place, so that all threads have the same one in the end.
    replacing: Mutex<()>,
}

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
        Ok(Workers(Arc::new(Threads {
            orders: senders.into(),
            next: AtomicUsize::new(0),
            replacing: Mutex::new(()),
        })))
    }

    /// Puts another chain in the place of the one that runs, with its own plugins, access loggers and options.
    ///
    /// Each thread starts the plugins beside those that run, the first thread before the others; plugins that are the same
    /// in both chains stay as they are. When all have, new streams get the new chain, while streams that have begun finish on
    /// theirs; plugins that are in the new chain no more go with the last of these. Limits on callouts and on plugins that linger
    /// stay those of the first chain.
    ///
    /// Starting plugins takes time, in which a thread does nothing else. Calls of this method wait for each other. When the
    /// future is dropped before it is done, the threads may have either chain.
    ///
    /// # Errors
    /// A plugin that can't be started on a thread, or no thread that is alive. The chain that runs stays then.
    pub async fn replace(&self, chain: FilterChain) -> Result<(), Failure> {
        let _turn = self.0.replacing.lock().await;
        let mut prepared = Vec::new();
        let mut alive = self.0.orders.iter().filter(|orders| !orders.is_closed());
        if let Some(first) = alive.next() {
            prepared.extend(Prepared::ask(first, &chain, true).ready().await?);
        }
        let others: Vec<_> = alive.map(|orders| Prepared::ask(orders, &chain, false)).collect();
        for asked in others {
            prepared.extend(asked.ready().await?);
        }
        if prepared.is_empty() {
            return Err(unable("no worker thread is alive".to_owned()));
        }
        let commits = prepared.into_iter().map(|commit| {
            let (done, committed) = oneshot::channel();
            // A thread that died since needs no chain.
            let _ = commit.send(done);
            committed
        });
        for committed in commits.collect::<Vec<_>>() {
            let _ = committed.await;
        }
        Ok(())
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
        let orders = self.0.orders.iter();
        orders.filter(|orders| !orders.is_closed()).count()
    }

    /// Hands work to the next thread that is alive. False if there is none.
    pub(crate) fn submit(&self, job: Job) -> bool {
        let Threads { orders, next, .. } = &*self.0;
        let first = next.fetch_add(1, Ordering::Relaxed);
        let mut order = Order::Do(job);
        for turn in 0..orders.len() {
            match orders[first.wrapping_add(turn) % orders.len()].send(order) {
                Ok(()) => return true,
                Err(refused) => order = refused.0,
            }
        }
        false
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("threads", &self.0.orders.len())
            .finish()
    }
}

/// A thread that was asked to start another chain.
struct Prepared {
    ready: oneshot::Receiver<Result<(), Failure>>,
    commit: oneshot::Sender<oneshot::Sender<()>>,
}

impl Prepared {
    fn ask(orders: &mpsc::UnboundedSender<Order>, chain: &FilterChain, prove: bool) -> Self {
        let (started, ready) = oneshot::channel();
        let (commit, committed) = oneshot::channel();
        let replacement = Replacement {
            chain: chain.clone(),
            prove,
            ready: started,
            commit: committed,
        };
        // One that is gone lets go of the other end.
        let _ = orders.send(Order::Replace(Box::new(replacement)));
        Prepared { ready, commit }
    }

    /// What to say for the chain to be the thread's. `None` if the thread died.
    async fn ready(self) -> Result<Option<oneshot::Sender<oneshot::Sender<()>>>, Failure> {
        match self.ready.await {
            Ok(started) => started.map(|()| Some(self.commit)),
            Err(_) => Ok(None),
        }
    }
}

/// A thread that has not said yet whether its plugins started.
struct Starting {
    orders: mpsc::UnboundedSender<Order>,
    result: std_mpsc::Receiver<Result<(), Failure>>,
}

impl Starting {
    fn spawn(number: usize, chain: &FilterChain, surroundings: &Arc<Surroundings>) -> Result<Self, Failure> {
        let (orders, queue) = mpsc::unbounded_channel();
        let (started, result) = std_mpsc::channel();
        let (chain, surroundings) = (chain.clone(), surroundings.clone());
        std::thread::Builder::new()
            .name(format!("enginebay-{number}"))
            .spawn(move || run(&chain, &*surroundings, &started, queue))
            .map_err(|error| unable(format!("a worker thread can't be started: {error}")))?;
        Ok(Starting { orders, result })
    }

    fn ready(self) -> Result<mpsc::UnboundedSender<Order>, Failure> {
        match self.result.recv() {
            Ok(Ok(())) => Ok(self.orders),
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
    mut queue: mpsc::UnboundedReceiver<Order>,
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
    let chain = Rc::new(RefCell::new(chain));
    streams.block_on(&runtime, async {
        while let Some(order) = queue.recv().await {
            match order {
                Order::Do(job) => job(&chain.borrow()),
                Order::Replace(replacement) => prepare(*replacement, &chain),
            }
        }
    });
    // Streams that are left hold their chains; nobody else does now.
    drop(chain);
    runtime.block_on(streams);
}

/// Starts another chain in the VMs of the one that is there, and puts it in its place when it is told to.
fn prepare(replacement: Replacement, current: &Rc<RefCell<LocalChain>>) {
    let Replacement {
        chain,
        prove,
        ready,
        commit,
    } = replacement;
    let new = {
        let running = current.borrow();
        let proved = if prove { running.prove(&chain) } else { Ok(()) };
        proved.and_then(|()| running.vms().start(&chain))
    };
    let new = match new {
        Ok(new) => new,
        Err(failure) => {
            // Whoever asked may be gone.
            let _ = ready.send(Err(failure));
            return;
        }
    };
    let current = Rc::downgrade(current);
    spawn_local(async move {
        if ready.send(Ok(())).is_err() {
            return;
        }
        let Ok(done) = commit.await else { return };
        if let Some(current) = current.upgrade() {
            let old = current.replace(new);
            drop(old);
        }
        let _ = done.send(());
    });
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
    async fn a_chain_is_replaced_on_the_threads_that_are_left() {
        let workers = workers(2);
        kill_one(&workers).await;
        workers.replace(FilterChain::new([])).await.unwrap();
        assert_eq!(get(&workers).await, 200);
        kill_one(&workers).await;
        let failure = workers.replace(FilterChain::new([])).await.unwrap_err();
        assert_eq!(failure.to_string(), "no worker thread is alive");
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
