//! A worker: one thread with its own runtime, sockets, VMs and upstream connections.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{JoinHandle as TaskHandle, LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::connection::{self, Connection};
use super::here::Here;
use super::plan::{ListenerKey, Plan};
use super::rig::{Prepared, Rig};
use super::stats::Stats;
use super::tcp;

/// The wait after a connection could not be accepted, for instance for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the workers are told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orders {
    Serve,
    /// Take no more connections, finish the requests.
    Drain,
    /// Stop at once.
    Stop,
}

/// What a worker needs.
pub(super) struct Task {
    pub(super) index: usize,
    pub(super) workers: usize,
    pub(super) stats: Arc<Stats>,
    pub(super) max_connections: usize,
    pub(super) drain_timeout: Duration,
    pub(super) orders: watch::Receiver<Orders>,
    pub(super) changes: mpsc::UnboundedReceiver<Change>,
    pub(super) events: mpsc::UnboundedSender<Event>,
}

/// One step towards another configuration. All workers take the first step before any takes the second.
pub(super) enum Change {
    /// Starts what the plan needs, beside what runs. Says whether that worked.
    Prepare(Arc<Plan>, oneshot::Sender<Result<(), String>>),
    /// Serves with it from now on; these are sockets of its listeners that are new. Says when it does.
    Commit(
        Vec<(ListenerKey, StdListener)>,
        oneshot::Sender<Result<(), String>>,
    ),
    /// Forgets it.
    Abandon,
}

/// What a worker says.
pub(super) enum Event {
    /// Its thread is about to end, for whatever reason.
    Gone,
}

/// Starts a worker's thread. It ends after [`Orders::Drain`], or with the reason why it can't work.
pub(super) fn spawn(task: Task) -> std::io::Result<JoinHandle<Result<(), String>>> {
    Builder::new()
        .name(format!("worker-{}", task.index))
        .spawn(move || {
            let _farewell = Farewell(task.events.clone());
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| format!("can't start a worker: {error}"))?;
            let tasks = LocalSet::new();
            tasks.block_on(&runtime, work(task));
            Ok(())
        })
}

/// Says that the worker is gone even when it panics.
struct Farewell(mpsc::UnboundedSender<Event>);

impl Drop for Farewell {
    fn drop(&mut self) {
        let _ = self.0.send(Event::Gone);
    }
}

/// A worker at work.
struct Worker {
    index: usize,
    rig: Rig,
    max_connections: usize,
    orders: watch::Receiver<Orders>,
    open: Rc<OpenConnections>,
    /// The listeners there are, each with what accepts its connections.
    listeners: RefCell<Vec<(Rc<Here>, TaskHandle<()>)>>,
    prepared: RefCell<Option<Prepared>>,
}

async fn work(mut task: Task) {
    let clock = Rc::new(Clock::default());
    let worker = Rc::new(Worker {
        index: task.index,
        rig: Rig::new(task.index, clock.clone(), &task.stats),
        max_connections: task.max_connections,
        orders: task.orders.clone(),
        open: Rc::new(OpenConnections::new(&task)),
        listeners: RefCell::default(),
        prepared: RefCell::default(),
    });
    spawn_local(keep_time(worker.clone()));
    loop {
        tokio::select! {
            change = task.changes.recv() => match change {
                Some(change) => worker.change(change).await,
                None => break,
            },
            _ = task.orders.wait_for(|orders| *orders != Orders::Serve) => break,
        }
    }
    let listeners = worker.listeners.take();
    for (_, accepting) in listeners {
        let _ = accepting.await;
    }
    let open = &worker.open;
    open.drain(|_| true);
    let stop = task.orders.wait_for(|orders| *orders == Orders::Stop);
    tokio::select! {
        () = open.none_left() => {}
        () = sleep(task.drain_timeout) => {
            tracing::warn!("worker {}: {} connections cut after the drain timeout", task.index, open.count());
        }
        _ = stop => {}
    }
    // What is still running is dropped with the task set, which ends its streams.
}

impl Worker {
    async fn change(self: &Rc<Self>, change: Change) {
        // Whoever asked may not care any more.
        match change {
            Change::Prepare(plan, done) => {
                let prepared = self.rig.prepare(plan).await;
                let result = prepared.map(|prepared| *self.prepared.borrow_mut() = Some(prepared));
                let _ = done.send(result.map_err(|problem| format!("worker {}: {problem}", self.index)));
            }
            Change::Commit(sockets, done) => {
                let _ = done.send(self.commit(sockets));
            }
            Change::Abandon => {
                let prepared = self.prepared.take();
                drop(prepared);
            }
        }
    }

    fn commit(self: &Rc<Self>, sockets: Vec<(ListenerKey, StdListener)>) -> Result<(), String> {
        let Some(prepared) = self.prepared.take() else {
            return Err("nothing was prepared".to_owned());
        };
        let mut sockets: HashMap<ListenerKey, StdListener> = sockets.into_iter().collect();
        let mut known = self.listeners.take();
        let mut listeners = Vec::new();
        let servings = self.rig.commit(prepared);
        for serving in servings {
            let planned = serving.planned();
            let key = ListenerKey::of(&planned.listener);
            if let Some(at) = known.iter().position(|(here, _)| *here.key() == key) {
                let (here, accepting) = known.swap_remove(at);
                here.set_serving(serving);
                listeners.push((here, accepting));
                continue;
            }
            let Some(socket) = sockets.remove(&key) else {
                return Err("a listener has no socket".to_owned());
            };
            let socket = TcpListener::from_std(socket).map_err(|error| format!("can't listen: {error}"))?;
            let counts = planned.counts.clone();
            let here = Here::new(key, counts, self.index, self.max_connections, serving);
            let accepting = spawn_local(accept(here.clone(), socket, self.clone()));
            listeners.push((here, accepting));
        }
        for (here, _) in known {
            here.close();
            self.open.drain(|connection| Rc::ptr_eq(&connection.here, &here));
        }
        self.listeners.replace(listeners);
        Ok(())
    }
}

/// Seconds since the worker started, kept by [`keep_time`]: reading it costs nothing.
#[derive(Default)]
pub(super) struct Clock(Cell<u32>);

impl Clock {
    #[inline]
    pub(super) fn seconds(&self) -> u32 {
        self.0.get()
    }

    pub(super) fn set(&self, since_start: Duration) {
        self.0
            .set(u32::try_from(since_start.as_secs()).unwrap_or(u32::MAX - 1));
    }
}

/// Does everything that is due by time, for all connections at once: no request and no connection has a timer.
async fn keep_time(worker: Rc<Worker>) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let started = ticks.tick().await;
    loop {
        let now = ticks.tick().await;
        worker.rig.clock().set(now.saturating_duration_since(started));
        for connection in worker.open.all() {
            connection.check_time();
        }
        worker.rig.tick();
    }
}

async fn accept(here: Rc<Here>, socket: TcpListener, worker: Rc<Worker>) {
    let mut orders = worker.orders.clone();
    let serve = |stream, peer| worker.open.serve(&here, worker.rig.clock(), stream, peer);
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = here.closed() => break,
            _ = orders.wait_for(|orders| *orders != Orders::Serve) => break,
        };
        match accepted {
            Ok((stream, peer)) => serve(stream, peer),
            Err(error) => {
                let name = here.serving().planned().listener.name.clone();
                tracing::warn!("{name}: can't accept a connection: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // The system has accepted these already and would reset them.
    while let Some((stream, peer)) = waiting(&socket).await {
        serve(stream, peer);
    }
}

async fn waiting(socket: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    poll_fn(|context| match socket.poll_accept(context) {
        Poll::Ready(Ok(accepted)) => Poll::Ready(Some(accepted)),
        _ => Poll::Ready(None),
    })
    .await
}

/// The connections of a worker.
struct OpenConnections {
    connections: RefCell<HashMap<u64, Rc<Connection>>>,
    next_id: Cell<u64>,
    /// Ids of this worker are so far apart, so that no two workers give the same.
    step: u64,
    closed: Notify,
}

impl OpenConnections {
    fn new(task: &Task) -> Self {
        OpenConnections {
            connections: RefCell::default(),
            next_id: Cell::new(task.index as u64),
            step: task.workers as u64,
            closed: Notify::new(),
        }
    }

    fn serve(self: &Rc<Self>, here: &Rc<Here>, clock: &Rc<Clock>, stream: TcpStream, peer: SocketAddr) {
        if !here.admit() {
            here.stats().cx_overflow.raise();
            return;
        }
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(self.step));
        let connection = Connection::new(here.clone(), clock.clone());
        self.connections.borrow_mut().insert(id, connection.clone());
        let entry = Entry {
            open: self.clone(),
            id,
        };
        spawn_local(async move {
            let _entry = entry;
            match connection.here.key().is_tcp() {
                true => tcp::serve(stream, peer, id, connection).await,
                false => connection::serve(stream, peer, id, connection).await,
            }
        });
    }

    /// All of them, taken out of the table so that they may close meanwhile.
    fn all(&self) -> Vec<Rc<Connection>> {
        self.connections.borrow().values().cloned().collect()
    }

    /// Ends the connections of this kind after the requests that are on their way.
    fn drain(&self, of: impl Fn(&Connection) -> bool) {
        for connection in self.all().into_iter().filter(|connection| of(connection)) {
            connection.drain();
        }
    }

    fn count(&self) -> usize {
        self.connections.borrow().len()
    }

    async fn none_left(&self) {
        while self.count() > 0 {
            self.closed.notified().await;
        }
    }
}

struct Entry {
    open: Rc<OpenConnections>,
    id: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let removed = self.open.connections.borrow_mut().remove(&self.id);
        drop(removed);
        self.open.closed.notify_one();
    }
}
