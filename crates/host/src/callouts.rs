//! Callouts: requests that plugins send themselves, by HTTP and by gRPC.
//!
//! The host gives each a number and remembers which context waits for it; the embedder does the rest through
//! [`Callouts`] and tells the [`Vm`](crate::Vm) what came back.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;

use crate::{Body, HeaderMap};

/// The number of a callout, as the plugin knows it. No two callouts of a VM that are under way have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CalloutId(pub(crate) u32);

impl CalloutId {
    /// The number itself.
    pub fn get(self) -> u32 {
        self.0
    }

    /// What it is the number of, which its lowest two bits say, as on Envoy. `None` for a number that is none.
    pub(crate) fn kind(self) -> Option<CalloutKind> {
        match self.0 & MASK {
            0 => Some(CalloutKind::HttpCall),
            1 => Some(CalloutKind::GrpcCall),
            2 => Some(CalloutKind::GrpcStream),
            _ => None,
        }
    }
}

const MASK: u32 = 3;
const STEP: u32 = MASK + 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CalloutKind {
    HttpCall,
    GrpcCall,
    GrpcStream,
}

/// A request by `proxy_http_call`.
#[derive(Clone, Debug)]
pub struct HttpCall {
    /// The upstream's name: for Envoy, that of a cluster.
    pub upstream: String,
    /// The headers, with `:method`, `:path` and `:authority`, and others as the plugin gave them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The trailers.
    pub trailers: HeaderMap,
    /// How long the whole response may take. `None` for as long as it takes: the plugin gave 0.
    pub timeout: Option<Duration>,
}

impl HttpCall {
    /// Bytes that the plugin gave.
    pub(crate) fn size(&self) -> usize {
        self.upstream.len() + self.headers.size() + self.body.len() + self.trailers.size()
    }
}

/// What answers a [`HttpCall`].
#[derive(Clone, Debug, Default)]
pub struct HttpCallResponse {
    /// The headers, with `:status`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// The trailers.
    pub trailers: HeaderMap,
}

/// Where a gRPC call or stream goes, by `proxy_grpc_call` or `proxy_grpc_stream`.
#[derive(Clone, Debug)]
pub struct GrpcTarget {
    /// The upstream's name: for Envoy, that of a cluster.
    pub upstream: String,
    /// The `:authority`, if the plugin gave one.
    pub authority: Option<String>,
    /// The service, with its package.
    pub service: String,
    /// The method.
    pub method: String,
    /// The initial metadata.
    pub initial_metadata: HeaderMap,
    /// How long the whole call may take; `None` for as long as it takes.
    pub timeout: Option<Duration>,
}

impl GrpcTarget {
    /// Bytes that the plugin gave.
    pub(crate) fn size(&self) -> usize {
        let names = self.upstream.len() + self.service.len() + self.method.len();
        names + self.authority.as_ref().map_or(0, String::len) + self.initial_metadata.size()
    }
}

/// Why a callout is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CalloutError {
    /// There is no upstream of this name: `BAD_ARGUMENT` for HTTP, `PARSE_FAILURE` for gRPC.
    #[error("there is no upstream of this name")]
    UnknownUpstream,
    /// The embedder can't send it: `INTERNAL_FAILURE`.
    #[error("the request can't be sent")]
    Failed,
}

/// Sends callouts, for one VM on its thread. [`Platform::callouts`](crate::Platform::callouts) gives it.
///
/// A method starts something and returns at once: it must not call into the VM. What comes of it is told later, when
/// no callback runs, by [`Vm::on_http_call_response`](crate::Vm::on_http_call_response) and its gRPC neighbours; a VM that
/// is told of a callout that it cancelled meanwhile ignores that. When the VM is dropped nobody cancels what is still under
/// way: the embedder does, since it drops this too.
pub trait Callouts {
    /// Sends a request. [`Vm::on_http_call_response`](crate::Vm::on_http_call_response) is to be called once.
    ///
    /// # Errors
    /// Why it is not sent; then nothing more is to come of it.
    fn http_call(&self, id: CalloutId, call: HttpCall) -> Result<(), CalloutError>;

    /// Sends one message. Either [`Vm::on_grpc_receive`](crate::Vm::on_grpc_receive) or
    /// [`Vm::on_grpc_close`](crate::Vm::on_grpc_close) is to be called once, and nothing after it.
    ///
    /// # Errors
    /// Why it is not sent; then nothing more is to come of it.
    fn grpc_call(&self, id: CalloutId, target: GrpcTarget, message: Bytes) -> Result<(), CalloutError>;

    /// Opens a stream. [`Vm::on_grpc_close`](crate::Vm::on_grpc_close) is the last that is to come of it.
    ///
    /// # Errors
    /// Why it is not opened; then nothing more is to come of it.
    fn grpc_stream(&self, id: CalloutId, target: GrpcTarget) -> Result<(), CalloutError>;

    /// Sends a message on a stream that was opened, and ends this side of the stream with it if `end_of_stream`.
    ///
    /// # Errors
    /// [`CalloutError::Failed`] when as much waits to be sent as may; the message is lost then.
    fn grpc_send(&self, id: CalloutId, message: Bytes, end_of_stream: bool) -> Result<(), CalloutError>;

    /// Ends this side of a stream.
    fn grpc_close(&self, id: CalloutId);

    /// Nobody waits for this callout any more: it is to be broken off.
    fn cancel(&self, id: CalloutId);
}

/// The callouts of a VM that are under way.
pub(crate) struct Pending {
    entries: HashMap<u32, Entry>,
    ids: Ids,
}

/// A callout that is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The context that waits for it.
    pub(crate) context: u32,
    /// Bytes of what it sends.
    pub(crate) bytes: usize,
    /// For a gRPC stream: the plugin has ended its side.
    pub(crate) closed_here: bool,
    /// For a gRPC stream: the server has ended it, and the plugin has not closed it yet.
    pub(crate) closed_there: bool,
}

/// The last number of each kind.
#[derive(Clone, Copy)]
struct Last([u32; 3]);

impl Last {
    const NONE: Last = Last([0, 1, 2]);

    fn next(&mut self, kind: CalloutKind) -> u32 {
        let last = &mut self.0[kind as usize];
        *last = last.checked_add(STEP).unwrap_or(STEP + kind as u32);
        *last
    }
}

/// Where numbers come from.
enum Ids {
    OfVm(Last),
    /// Guests that share state on a thread must not meet a number twice.
    OfThread,
}

thread_local! {
    static LAST_OF_THREAD: Cell<Last> = const { Cell::new(Last::NONE) };
}

impl Ids {
    fn next(&mut self, kind: CalloutKind) -> u32 {
        match self {
            Ids::OfVm(last) => last.next(kind),
            Ids::OfThread => LAST_OF_THREAD.with(|cell| {
                let mut last = cell.get();
                let next = last.next(kind);
                cell.set(last);
                next
            }),
        }
    }
}

impl Pending {
    pub(crate) fn new(ids_of_thread: bool) -> Self {
        Pending {
            entries: HashMap::new(),
            ids: match ids_of_thread {
                true => Ids::OfThread,
                false => Ids::OfVm(Last::NONE),
            },
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A number for one more callout of this context.
    pub(crate) fn insert(&mut self, kind: CalloutKind, context: u32, bytes: usize) -> CalloutId {
        let entry = Entry {
            context,
            bytes,
            closed_here: false,
            closed_there: false,
        };
        // Far fewer are under way than there are numbers, so this ends.
        loop {
            let id = self.ids.next(kind);
            if let std::collections::hash_map::Entry::Vacant(vacant) = self.entries.entry(id) {
                vacant.insert(entry);
                return CalloutId(id);
            }
        }
    }

    pub(crate) fn get_mut(&mut self, id: CalloutId) -> Option<&mut Entry> {
        self.entries.get_mut(&id.0)
    }

    pub(crate) fn remove(&mut self, id: CalloutId) -> Option<Entry> {
        self.entries.remove(&id.0)
    }

    /// Takes out those of one context, or of all. The numbers of those that are not over for the embedder, in order.
    pub(crate) fn take_all(&mut self, of: Option<u32>) -> Vec<CalloutId> {
        let taken = self
            .entries
            .extract_if(|_, entry| of.is_none_or(|context| entry.context == context));
        let mut ids: Vec<CalloutId> = taken
            .filter(|(_, entry)| !entry.closed_there)
            .map(|(id, _)| CalloutId(id))
            .collect();
        // The order in the map is another one in each run.
        ids.sort_unstable();
        ids
    }
}

/// What a callout brought, while the plugin is told of it.
#[derive(Default)]
pub(crate) struct Received {
    /// The root context that is told.
    pub(crate) root: u32,
    pub(crate) what: What,
}

#[derive(Default)]
pub(crate) enum What {
    #[default]
    Nothing,
    Http(HttpCallResponse),
    InitialMetadata(HeaderMap),
    Message(Body),
    TrailingMetadata(HeaderMap),
}

/// How the gRPC call that closed last did (`proxy_get_status`).
#[derive(Default)]
pub(crate) struct GrpcStatus {
    pub(crate) code: u32,
    pub(crate) message: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_say_what_they_are_of_and_are_as_on_envoy() {
        let mut pending = Pending::new(false);
        let mut next = |kind| pending.insert(kind, 1, 0);
        use CalloutKind::{GrpcCall, GrpcStream, HttpCall};
        let kinds = [HttpCall, GrpcCall, GrpcStream, HttpCall, GrpcCall, GrpcStream];
        let ids = kinds.map(&mut next);
        assert_eq!(ids.map(CalloutId::get), [4, 5, 6, 8, 9, 10]);
        assert_eq!(ids.map(CalloutId::kind), kinds.map(Some));
        assert_eq!(CalloutId(7).kind(), None);
    }

    #[test]
    fn numbers_start_again_and_pass_over_those_in_use() {
        let mut pending = Pending::new(false);
        let kept = pending.insert(CalloutKind::GrpcCall, 1, 0);
        pending.ids = Ids::OfVm(Last([0, u32::MAX - 2, 0]));
        assert_eq!(
            pending.insert(CalloutKind::GrpcCall, 1, 0).get(),
            kept.get() + STEP
        );
    }

    #[test]
    fn those_of_a_context_are_taken_out_in_order() {
        let mut pending = Pending::new(false);
        let kinds = [CalloutKind::HttpCall, CalloutKind::GrpcStream]
            .into_iter()
            .cycle();
        let mut ids: Vec<CalloutId> = kinds.take(50).map(|kind| pending.insert(kind, 1, 0)).collect();
        let other = pending.insert(CalloutKind::HttpCall, 2, 0);
        ids.sort_unstable();
        assert_eq!(pending.take_all(Some(1)), ids);
        assert_eq!(pending.take_all(None), [other]);
    }

    #[test]
    fn numbers_of_a_thread_are_different_in_all_its_vms() {
        let (mut one, mut two) = (Pending::new(true), Pending::new(true));
        let a = one.insert(CalloutKind::HttpCall, 1, 0);
        let b = two.insert(CalloutKind::HttpCall, 1, 0);
        let c = one.insert(CalloutKind::HttpCall, 1, 0);
        assert!(a < b && b < c);
    }

    #[test]
    fn those_of_a_context_go_together() {
        let mut pending = Pending::new(false);
        let ids: Vec<_> = [1, 2, 1]
            .map(|c| pending.insert(CalloutKind::HttpCall, c, 0))
            .into();
        let mut taken = pending.take_all(Some(1));
        taken.sort_unstable();
        assert_eq!(taken, [ids[0], ids[2]]);
        assert_eq!(pending.take_all(None), [ids[1]]);
        assert_eq!(pending.len(), 0);
    }
}
