//! Callouts: requests that plugins send themselves, to upstreams that the embedder knows.

mod grpc;
mod http_call;
mod messages;
mod outgoing;
mod upstreams;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use bytes::Bytes;
use enginebay::host::{CalloutError, CalloutId, Callouts, GrpcTarget, HttpCall};
use enginebay::{Failure, Vm};
use tokio::sync::{Notify, oneshot};

use crate::ChainOptions;
use crate::handle::Handle;
use crate::vms::SharedVm;
pub(crate) use grpc::{Event as GrpcEvent, Events};
pub(crate) use outgoing::Outgoing;
pub use upstreams::{LocalBoxBody, UpstreamFuture, Upstreams};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// A gRPC stream that belongs to no VM: both of its ends.
pub(crate) fn grpc_stream(
    upstreams: &dyn Upstreams,
    target: GrpcTarget,
    max_waiting: usize,
    max_message: usize,
) -> Result<(Outgoing, Events), CalloutError> {
    let (outgoing, body) = outgoing::stream(max_waiting);
    let events = grpc::stream(upstreams, target, body, max_message)?;
    Ok((outgoing, events))
}

/// The callouts of one VM. Dropped, they are all broken off.
pub(crate) struct VmCallouts(Rc<Inside>);

struct Inside {
    upstreams: Rc<dyn Upstreams>,
    options: ChainOptions,
    /// Wakes the thread's background.
    notify: Arc<Notify>,
    /// Set once it is there.
    vm: OnceCell<Weak<SharedVm>>,
    open: RefCell<HashMap<CalloutId, Open>>,
    /// What the background has not taken yet, each also in `open`.
    fresh: RefCell<Vec<(CalloutId, Task)>>,
}

/// A callout under way.
struct Open {
    /// Dropped, the callout is broken off.
    _stop: oneshot::Sender<()>,
    /// For a gRPC stream.
    outgoing: Option<Outgoing>,
}

impl VmCallouts {
    pub(crate) fn new(upstreams: Rc<dyn Upstreams>, options: ChainOptions, notify: Arc<Notify>) -> Self {
        VmCallouts(Rc::new(Inside {
            upstreams,
            options,
            notify,
            vm: OnceCell::new(),
            open: RefCell::default(),
            fresh: RefCell::default(),
        }))
    }

    /// What the VM sends callouts with.
    pub(crate) fn sender(&self) -> Rc<dyn Callouts> {
        Rc::new(Sender(Rc::downgrade(&self.0)))
    }

    /// Says whose callouts these are.
    pub(crate) fn attach(&self, vm: &Rc<SharedVm>) {
        // Once: it is made for one VM.
        let _ = self.0.vm.set(Rc::downgrade(vm));
    }

    /// The callouts that were made since, for the background to run.
    pub(crate) fn take_fresh(&self) -> impl Iterator<Item = Task> + use<> {
        self.0.fresh.take().into_iter().map(|(_, task)| task)
    }
}

/// A weak reference: the VM and its callouts would else own each other.
struct Sender(Weak<Inside>);

impl Sender {
    fn with<R>(&self, f: impl FnOnce(&Rc<Inside>) -> Result<R, CalloutError>) -> Result<R, CalloutError> {
        self.0
            .upgrade()
            .map_or(Err(CalloutError::Failed), |inside| f(&inside))
    }
}

impl Callouts for Sender {
    fn http_call(&self, id: CalloutId, call: HttpCall) -> Result<(), CalloutError> {
        self.with(|inside| {
            let limit = inside.options.callout_response;
            let work = http_call::send(&*inside.upstreams, call, limit)?;
            let to = Rc::downgrade(inside);
            inside.start(id, None, async move {
                let response = work.await;
                last(&to, id, |vm| vm.on_http_call_response(id, response));
            });
            Ok(())
        })
    }

    fn grpc_call(&self, id: CalloutId, target: GrpcTarget, message: Bytes) -> Result<(), CalloutError> {
        self.with(|inside| {
            let limit = inside.options.callout_response;
            let work = grpc::call(&*inside.upstreams, target, &message, limit)?;
            let to = Rc::downgrade(inside);
            inside.start(id, None, async move {
                let outcome = work.await;
                last(&to, id, |vm| match outcome {
                    Ok(message) => vm.on_grpc_receive(id, message),
                    Err(status) => vm.on_grpc_close(id, status.code, status.message.as_bytes()),
                });
            });
            Ok(())
        })
    }

    fn grpc_stream(&self, id: CalloutId, target: GrpcTarget) -> Result<(), CalloutError> {
        self.with(|inside| {
            let limit = inside.options.callout_response;
            let (outgoing, events) =
                grpc_stream(&*inside.upstreams, target, inside.options.grpc_send, limit)?;
            let to = Rc::downgrade(inside);
            inside.start(id, Some(outgoing), async move {
                let mut events = events;
                loop {
                    let told = match events.next().await {
                        grpc::Event::InitialMetadata(metadata) => {
                            tell(&to, |vm| vm.on_grpc_receive_initial_metadata(id, metadata))
                        }
                        grpc::Event::Message(message) => tell(&to, |vm| vm.on_grpc_receive(id, message)),
                        grpc::Event::TrailingMetadata(metadata) => {
                            tell(&to, |vm| vm.on_grpc_receive_trailing_metadata(id, metadata))
                        }
                        grpc::Event::Close(status) => {
                            last(&to, id, |vm| {
                                vm.on_grpc_close(id, status.code, status.message.as_bytes())
                            });
                            return;
                        }
                    };
                    if told.is_none() {
                        return;
                    }
                    // A server that sends without a break must leave the thread to others.
                    tokio::task::yield_now().await;
                }
            });
            Ok(())
        })
    }

    fn grpc_send(&self, id: CalloutId, message: Bytes, end_of_stream: bool) -> Result<(), CalloutError> {
        self.with(|inside| {
            let open = inside.open.borrow();
            let outgoing = open.get(&id).and_then(|open| open.outgoing.as_ref());
            outgoing.map_or(Ok(()), |outgoing| outgoing.send(&message, end_of_stream))
        })
    }

    fn grpc_close(&self, id: CalloutId) {
        let _ = self.with(|inside| {
            let open = inside.open.borrow();
            if let Some(outgoing) = open.get(&id).and_then(|open| open.outgoing.as_ref()) {
                outgoing.end();
            }
            Ok(())
        });
    }

    fn cancel(&self, id: CalloutId) {
        let _ = self.with(|inside| {
            let open = inside.open.borrow_mut().remove(&id);
            // A plugin could else fill the memory with calls that it takes back at once.
            let fresh = inside.remove_fresh(id);
            drop((open, fresh));
            Ok(())
        });
    }
}

impl Inside {
    /// Has the background run a callout until it is over or broken off.
    fn start(
        self: &Rc<Self>,
        id: CalloutId,
        outgoing: Option<Outgoing>,
        work: impl Future<Output = ()> + 'static,
    ) {
        let (stop, stopped) = oneshot::channel();
        self.open.borrow_mut().insert(
            id,
            Open {
                _stop: stop,
                outgoing,
            },
        );
        let task: Task = Box::pin(async move {
            tokio::select! {
                biased;
                _ = stopped => {}
                () = work => {}
            }
        });
        self.fresh.borrow_mut().push((id, task));
        self.notify.notify_one();
    }

    fn remove_fresh(&self, id: CalloutId) -> Option<(CalloutId, Task)> {
        let mut fresh = self.fresh.borrow_mut();
        let at = fresh.iter().rposition(|(of, _)| *of == id)?;
        Some(fresh.remove(at))
    }
}

/// Tells the plugin something. `None` if nobody is there any more who could be told.
///
/// Tasks hold a weak reference, so that dropping the callouts ends the tasks.
fn tell(to: &Weak<Inside>, f: impl FnOnce(&Vm<Handle>) -> Result<(), Failure>) -> Option<()> {
    let shared = to.upgrade()?.vm.get()?.upgrade()?;
    let told = f(&shared.vm);
    if told.is_err() {
        shared.failed();
    }
    told.ok()
}

/// Tells the plugin the last that there is of a callout.
fn last(to: &Weak<Inside>, id: CalloutId, f: impl FnOnce(&Vm<Handle>) -> Result<(), Failure>) {
    let open = to
        .upgrade()
        .and_then(|inside| inside.open.borrow_mut().remove(&id));
    // The task that runs this is broken off by that only where it waits again, which it does not.
    drop(open);
    let _ = tell(to, f);
}
