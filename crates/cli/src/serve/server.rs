//! The process: start, signals, end.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use enginebay::host::Shared;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::admin::Admin;
use super::limits::Limits;
use super::plan::{self, Plan};
use super::stats::Stats;
use super::worker::{self, Event, Orders, Task};
use super::{Mode, ServeArgs, listen};

/// Runs the server to its end.
pub(super) fn run(args: &ServeArgs) -> Result<(), String> {
    let bootstrap = plan::read(&args.config)?;
    let workers = worker_count(args);
    let engines = plan::engines(&bootstrap, workers, args.engine.options())?;
    let limits = Limits::new(&args.limits);
    let shared = Shared::new(limits.shared);
    let stats = Arc::new(Stats::new(engines.registry(), workers, shared));
    let file = args.config.display().to_string();
    let admin = match (args.mode, bootstrap.admin) {
        (Mode::Serve, Some(address)) => Some(Admin::start(address, engines.registry(), &stats, args)?),
        _ => None,
    };
    let plan = Arc::new(Plan::load(&file, bootstrap, &engines, &stats, &limits)?);
    if args.mode == Mode::Validate {
        println!("configuration '{file}' OK");
        return Ok(());
    }

    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("can't start: {error}"))?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let mut crew = Crew::start(args, &plan, &stats, workers)?;
        crew.ready().await?;
        if let Some(admin) = &admin {
            admin.set_listeners(&plan, &crew.addresses);
        }
        for (listener, address) in plan.listeners.iter().zip(&crew.addresses) {
            tracing::info!("listening on {address} ({})", listener.listener.name);
        }
        stats.set_live(true);
        tracing::info!("ready with {workers} workers");
        let result = crew.work(&mut signals).await;
        stats.set_live(false);
        result
    })
}

fn worker_count(args: &ServeArgs) -> usize {
    let count = args
        .concurrency
        .or_else(|| std::thread::available_parallelism().ok());
    count.map_or(1, NonZeroUsize::get)
}

/// What ends the server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, String> {
        let handler = |kind| signal(kind).map_err(|error| format!("can't handle signals: {error}"));
        Ok(Signals {
            terminate: handler(SignalKind::terminate())?,
            interrupt: handler(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The workers.
struct Crew {
    threads: Vec<JoinHandle<Result<(), String>>>,
    orders: watch::Sender<Orders>,
    events: mpsc::UnboundedReceiver<Event>,
    /// Of each listener.
    addresses: Vec<SocketAddr>,
}

impl Crew {
    /// Listens, and starts the workers.
    fn start(args: &ServeArgs, plan: &Arc<Plan>, stats: &Arc<Stats>, workers: usize) -> Result<Self, String> {
        let mut addresses = Vec::new();
        let mut sockets: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
        for planned in &plan.listeners {
            let wanted = planned.listener.address;
            let (address, shared) = listen::bind_shared(wanted, workers).map_err(|error| {
                let name = &planned.listener.name;
                format!("listener {name}: can't listen on {wanted}: {error}")
            })?;
            addresses.push(address);
            for (worker, socket) in sockets.iter_mut().zip(shared) {
                worker.push(socket);
            }
        }
        let (orders, _) = watch::channel(Orders::Serve);
        let (sender, events) = mpsc::unbounded_channel();
        let mut threads = Vec::with_capacity(workers);
        for (index, sockets) in sockets.into_iter().enumerate() {
            let task = Task {
                index,
                workers,
                plan: plan.clone(),
                stats: stats.clone(),
                sockets,
                max_connections: args.max_connections,
                drain_timeout: Duration::from_secs(args.drain_timeout),
                orders: orders.subscribe(),
                events: sender.clone(),
            };
            let thread = worker::spawn(task).map_err(|error| format!("can't start a worker: {error}"))?;
            threads.push(thread);
        }
        Ok(Crew {
            threads,
            orders,
            events,
            addresses,
        })
    }

    /// Waits until all of them take connections.
    async fn ready(&mut self) -> Result<(), String> {
        for _ in 0..self.threads.len() {
            if !matches!(self.events.recv().await, Some(Event::Ready)) {
                return self.end(Orders::Stop);
            }
        }
        Ok(())
    }

    /// Waits for a signal, then for the requests that are on their way.
    async fn work(&mut self, signals: &mut Signals) -> Result<(), String> {
        tokio::select! {
            signal = signals.next() => tracing::info!("{signal}: finishing requests"),
            _ = self.events.recv() => return self.end(Orders::Stop),
        }
        let _ = self.orders.send(Orders::Drain);
        for _ in 0..self.threads.len() {
            tokio::select! {
                signal = signals.next() => {
                    tracing::info!("{signal} again: stopping");
                    return self.end(Orders::Stop);
                }
                _ = self.events.recv() => {}
            }
        }
        self.end(Orders::Stop)
    }

    /// Ends all workers, and says why one ended before it was told to.
    fn end(&mut self, orders: Orders) -> Result<(), String> {
        let _ = self.orders.send(orders);
        let mut result = Ok(());
        for thread in self.threads.drain(..) {
            let ended = match thread.join() {
                Ok(ended) => ended,
                Err(_) => Err("a worker panicked".to_owned()),
            };
            result = result.and(ended);
        }
        result
    }
}
