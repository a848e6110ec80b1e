//! The workers, as the main thread sees them.

use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::plan::{ListenerKey, Plan};
use super::stats::Stats;
use super::worker::{self, Change, Event, Orders, Task};
use super::{ServeArgs, listen};

/// The workers.
pub(super) struct Crew {
    threads: Vec<JoinHandle<Result<(), String>>>,
    changes: Vec<mpsc::UnboundedSender<Change>>,
    orders: watch::Sender<Orders>,
    events: mpsc::UnboundedReceiver<Event>,
    /// The addresses of the listeners that are served, and their names, in order.
    listeners: Vec<(ListenerKey, String, SocketAddr)>,
}

/// The sockets of listeners that are new, one for each worker.
#[derive(Default)]
pub(super) struct Sockets {
    of_workers: Vec<Vec<(ListenerKey, TcpListener)>>,
    addresses: HashMap<ListenerKey, SocketAddr>,
}

impl Crew {
    /// Starts the workers. They serve nothing yet.
    pub(super) fn start(args: &ServeArgs, stats: &Arc<Stats>, workers: usize) -> Result<Self, String> {
        let (orders, _) = watch::channel(Orders::Serve);
        let (sender, events) = mpsc::unbounded_channel();
        let mut crew = Crew {
            threads: Vec::with_capacity(workers),
            changes: Vec::with_capacity(workers),
            orders,
            events,
            listeners: Vec::new(),
        };
        for index in 0..workers {
            let (changes, received) = mpsc::unbounded_channel();
            let task = Task {
                index,
                workers,
                stats: stats.clone(),
                max_connections: args.max_connections,
                drain_timeout: Duration::from_secs(args.drain_timeout),
                orders: crew.orders.subscribe(),
                changes: received,
                events: sender.clone(),
            };
            let thread = worker::spawn(task).map_err(|error| format!("can't start a worker: {error}"))?;
            crew.threads.push(thread);
            crew.changes.push(changes);
        }
        Ok(crew)
    }

    /// Names and addresses of the listeners, in order.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.listeners
            .iter()
            .map(|(_, name, address)| (name.as_str(), *address))
    }

    /// Listens where a plan wants it and nothing listens yet.
    pub(super) fn bind(&self, plan: &Plan) -> Result<Sockets, String> {
        let mut sockets = Sockets {
            of_workers: self.changes.iter().map(|_| Vec::new()).collect(),
            addresses: HashMap::new(),
        };
        let known: HashSet<&ListenerKey> = self.listeners.iter().map(|(key, ..)| key).collect();
        for planned in &plan.listeners {
            let key = ListenerKey::of(&planned.listener);
            if known.contains(&key) {
                continue;
            }
            let (address, shared) =
                listen::bind_shared(key.address, self.changes.len()).map_err(|error| {
                    let (name, wanted) = (&planned.listener.name, key.address);
                    format!("listener {name}: can't listen on {wanted}: {error}")
                })?;
            for (of_worker, socket) in sockets.of_workers.iter_mut().zip(shared) {
                of_worker.push((key.clone(), socket));
            }
            sockets.addresses.insert(key, address);
        }
        Ok(sockets)
    }

    /// Has all workers start what a plan needs, beside what runs.
    ///
    /// # Errors
    /// Why one of them can't. None keeps anything of it then.
    pub(super) async fn prepare(&self, plan: &Arc<Plan>) -> Result<(), String> {
        let result = self.all(|done| Change::Prepare(plan.clone(), done)).await;
        if result.is_err() {
            for changes in &self.changes {
                // One that is gone has nothing to forget.
                let _ = changes.send(Change::Abandon);
            }
        }
        result
    }

    /// Has all workers serve with what they prepared.
    pub(super) async fn commit(&mut self, plan: &Plan, sockets: Sockets) -> Result<(), String> {
        let mut of_workers = sockets.of_workers.into_iter();
        self.all(|done| Change::Commit(of_workers.next().unwrap_or_default(), done))
            .await?;
        let known: HashMap<ListenerKey, SocketAddr> = self
            .listeners
            .drain(..)
            .map(|(key, _, address)| (key, address))
            .chain(sockets.addresses)
            .collect();
        self.listeners = plan
            .listeners
            .iter()
            .filter_map(|planned| {
                let key = ListenerKey::of(&planned.listener);
                let address = *known.get(&key)?;
                Some((key, planned.listener.name.clone(), address))
            })
            .collect();
        Ok(())
    }

    /// Sends each worker a change, and waits for all of them.
    async fn all(
        &self,
        mut change: impl FnMut(oneshot::Sender<Result<(), String>>) -> Change,
    ) -> Result<(), String> {
        let mut answers = Vec::with_capacity(self.changes.len());
        for changes in &self.changes {
            let (done, answer) = oneshot::channel();
            // One that is gone lets go of the other end.
            let _ = changes.send(change(done));
            answers.push(answer);
        }
        let mut result = Ok(());
        for answer in answers {
            let answer = answer
                .await
                .unwrap_or_else(|_| Err("a worker is gone".to_owned()));
            result = result.and(answer);
        }
        result
    }

    /// Until a worker's thread ends, though it was not told to.
    pub(super) async fn lost_one(&mut self) {
        let _ = self.events.recv().await;
    }

    /// Has the workers finish their requests, and ends them. `again` is a second signal, which ends them at once.
    pub(super) async fn drain(
        &mut self,
        again: &mut impl AsyncFnMut() -> &'static str,
    ) -> Result<(), String> {
        let _ = self.orders.send(Orders::Drain);
        for _ in 0..self.threads.len() {
            tokio::select! {
                signal = again() => {
                    tracing::info!("{signal} again: stopping");
                    return self.stop();
                }
                _ = self.events.recv() => {}
            }
        }
        self.stop()
    }

    /// Ends all workers, and says why one ended before it was told to.
    pub(super) fn stop(&mut self) -> Result<(), String> {
        let _ = self.orders.send(Orders::Stop);
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
