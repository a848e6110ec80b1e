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

use enginebay_http::Usage;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::connection::{self, Connection};
use super::here::Here;
use super::plan::Plan;
use super::stats::Stats;
use super::tcp;
use super::upstream::{Cluster, Clusters};

/// How long the first look-up of names may hold up the start, as in Envoy (`warming`).
const WARM_TIMEOUT: Duration = Duration::from_secs(5);
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
    pub(super) plan: Arc<Plan>,
    pub(super) stats: Arc<Stats>,
    /// One for each listener.
    pub(super) sockets: Vec<StdListener>,
    pub(super) max_connections: usize,
    pub(super) drain_timeout: Duration,
    pub(super) orders: watch::Receiver<Orders>,
    pub(super) events: mpsc::UnboundedSender<Event>,
}

/// What a worker says.
pub(super) enum Event {
    /// Its VMs have started and it takes connections.
    Ready,
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
            tasks.block_on(&runtime, work(task))
        })
}

/// Says that the worker is gone even when it panics.
struct Farewell(mpsc::UnboundedSender<Event>);

impl Drop for Farewell {
    fn drop(&mut self) {
        let _ = self.0.send(Event::Gone);
    }
}

async fn work(mut task: Task) -> Result<(), String> {
    let clock = Rc::new(Clock::default());
    let clusters = clusters(&task, &clock).await;
    let mut listeners = Vec::with_capacity(task.plan.listeners.len());
    for (index, listener) in task.plan.listeners.iter().enumerate() {
        let here = Here::start(&task, index, listener, &clusters)?;
        spawn_local(here.background());
        listeners.push(Rc::new(here));
    }
    let open = Rc::new(OpenConnections::new(&task));
    let mut accepting = Vec::with_capacity(listeners.len());
    for (here, socket) in listeners.iter().zip(std::mem::take(&mut task.sockets)) {
        let socket = TcpListener::from_std(socket).map_err(|error| format!("can't listen: {error}"))?;
        accepting.push(spawn_local(accept(
            here.clone(),
            socket,
            open.clone(),
            clock.clone(),
            task.orders.clone(),
        )));
    }
    let usage = (task.stats.clone(), task.index);
    spawn_local(keep_time(clock, open.clone(), listeners, clusters, usage));
    let _ = task.events.send(Event::Ready);

    for task in accepting {
        let _ = task.await;
    }
    open.drain();
    let stop = task.orders.wait_for(|orders| *orders == Orders::Stop);
    tokio::select! {
        () = open.none_left() => {}
        () = sleep(task.drain_timeout) => {
            tracing::warn!("worker {}: {} connections cut after the drain timeout", task.index, open.count());
        }
        _ = stop => {}
    }
    // What is still running is dropped with the task set, which ends its streams.
    Ok(())
}

async fn clusters(task: &Task, clock: &Rc<Clock>) -> Rc<Clusters> {
    let plans = task.plan.clusters.iter();
    let clusters =
        plans.map(|plan| Cluster::new(plan.cluster.clone(), plan.tls.clone(), clock.clone(), task.index));
    let clusters = Rc::new(Clusters::new(clusters.collect()));
    let warming: Vec<_> = clusters
        .all()
        .iter()
        .map(|cluster| {
            let cluster = cluster.clone();
            spawn_local(async move { cluster.warm().await })
        })
        .collect();
    let all = async {
        for task in warming {
            let _ = task.await;
        }
    };
    // Those that take longer go on by themselves.
    let _ = timeout(WARM_TIMEOUT, all).await;
    clusters
}

/// Seconds since the worker started, kept by [`keep_time`]: reading it costs nothing.
#[derive(Default)]
pub(super) struct Clock(Cell<u32>);

impl Clock {
    #[inline]
    pub(super) fn seconds(&self) -> u32 {
        self.0.get()
    }

    #[cfg(test)]
    pub(super) fn set(&self, seconds: u32) {
        self.0.set(seconds);
    }
}

/// Does everything that is due by time, for all connections at once: no request and no connection has a timer.
async fn keep_time(
    clock: Rc<Clock>,
    open: Rc<OpenConnections>,
    listeners: Vec<Rc<Here>>,
    clusters: Rc<Clusters>,
    (stats, worker): (Arc<Stats>, usize),
) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let started = ticks.tick().await;
    loop {
        let now = ticks.tick().await;
        let seconds = now.saturating_duration_since(started).as_secs();
        clock.0.set(u32::try_from(seconds).unwrap_or(u32::MAX - 1));
        for connection in open.all() {
            connection.check_time();
        }
        for cluster in clusters.all() {
            cluster.close_idle();
        }
        let mut usage = Usage::default();
        for here in &listeners {
            usage += here.usage();
        }
        stats.usage(worker).set(usage);
    }
}

async fn accept(
    here: Rc<Here>,
    socket: TcpListener,
    open: Rc<OpenConnections>,
    clock: Rc<Clock>,
    mut orders: watch::Receiver<Orders>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = orders.wait_for(|orders| *orders != Orders::Serve) => break,
        };
        match accepted {
            Ok((stream, peer)) => open.serve(&here, &clock, stream, peer),
            Err(error) => {
                tracing::warn!("{}: can't accept a connection: {error}", here.name());
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // The system has accepted these already and would reset them.
    while let Some((stream, peer)) = waiting(&socket).await {
        open.serve(&here, &clock, stream, peer);
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
            match connection.here.tcp() {
                Some(_) => tcp::serve(stream, peer, id, connection).await,
                None => connection::serve(stream, peer, id, connection).await,
            }
        });
    }

    /// All of them, taken out of the table so that they may close meanwhile.
    fn all(&self) -> Vec<Rc<Connection>> {
        self.connections.borrow().values().cloned().collect()
    }

    fn drain(&self) {
        for connection in self.all() {
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
