//! The callouts of a run: answered by what `--upstream` says, and kept to be shown.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use enginebay::abi::Callback;
use enginebay::host::{CalloutError, CalloutId, Callouts, GrpcTarget, HttpCall, HttpCallResponse};
use enginebay::{Failure, HeaderMap, Vm};

use super::outcome::{Call, Callout, CalloutKind, Came};
use super::stream::Stream;
use super::upstreams::{Answer, Upstream};

/// The most callouts of a run, and the most bytes of names that are kept of them: a plugin can call out again whenever it
/// is answered.
const MAX_CALLOUTS: usize = 1000;
const MAX_SIZE: usize = 4 << 20;

/// Stands in for all upstreams.
pub(super) struct Canned {
    upstreams: Vec<Upstream>,
    inside: RefCell<Inside>,
}

#[derive(Default)]
struct Inside {
    events: VecDeque<(CalloutId, usize, Event)>,
    made: Vec<Callout>,
    size: usize,
    refused: usize,
}

/// One thing that the plugin is yet to be told.
#[expect(
    clippy::large_enum_variant,
    reason = "most are responses, and there are few of them"
)]
enum Event {
    Response(Option<HttpCallResponse>),
    InitialMetadata,
    Message(Bytes),
    Close(u32, Bytes),
}

impl Canned {
    pub(super) fn new(upstreams: Vec<Upstream>) -> Self {
        Canned {
            upstreams,
            inside: RefCell::default(),
        }
    }

    /// All callouts so far, and the number of those that were too many, taken out.
    pub(super) fn take(&self) -> (Vec<Callout>, usize) {
        let inside = self.inside.take();
        (inside.made, inside.refused)
    }

    /// Tells the plugin the next thing that came back: by which callback, and how that went. `None` when there is nothing.
    pub(super) fn tell_next(
        &self,
        vm: &Vm<Stream>,
        calls: &mut Vec<Call>,
    ) -> Option<(&'static str, Result<(), Failure>)> {
        // Nothing is borrowed while the plugin runs: it may call out again.
        let (id, _, event) = self.inside.borrow_mut().events.pop_front()?;
        let (name, callback) = match &event {
            Event::Response(_) => ("http_call_response", Callback::ProxyOnHttpCallResponse),
            Event::InitialMetadata => (
                "grpc_receive_initial_metadata",
                Callback::ProxyOnGrpcReceiveInitialMetadata,
            ),
            Event::Message(_) => ("grpc_receive", Callback::ProxyOnGrpcReceive),
            Event::Close(..) => ("grpc_close", Callback::ProxyOnGrpcClose),
        };
        let start = Instant::now();
        let result = match event {
            Event::Response(response) => vm.on_http_call_response(id, response),
            Event::InitialMetadata => vm.on_grpc_receive_initial_metadata(id, HeaderMap::new()),
            Event::Message(message) => vm.on_grpc_receive(id, message),
            Event::Close(status, details) => vm.on_grpc_close(id, status, &details),
        };
        if vm.program().has_callback(callback) {
            calls.push(Call {
                name,
                action: None,
                took: start.elapsed(),
            });
        }
        Some((name, result))
    }

    /// Keeps a callout, and finds what answers it: its place in what is kept, and the answer.
    fn make(
        &self,
        kind: CalloutKind,
        upstream: String,
        method: String,
        path: String,
    ) -> Result<(usize, &Answer), CalloutError> {
        let mut inside = self.inside.borrow_mut();
        let size = upstream.len() + method.len() + path.len();
        if inside.made.len() >= MAX_CALLOUTS || inside.size + size > MAX_SIZE {
            inside.refused += 1;
            return Err(CalloutError::Failed);
        }
        let found = self.upstreams.iter().find(|known| known.name == upstream);
        let came = found.map_or(Came::Unknown, |found| found.answer.comes(kind));
        inside.size += size;
        inside.made.push(Callout {
            kind,
            upstream,
            method,
            path,
            came,
        });
        match found {
            Some(found) => Ok((inside.made.len() - 1, &found.answer)),
            None => Err(CalloutError::UnknownUpstream),
        }
    }

    fn push(&self, id: CalloutId, at: usize, event: Event) {
        self.inside.borrow_mut().events.push_back((id, at, event));
    }
}

fn path(target: &GrpcTarget) -> String {
    format!("/{}/{}", target.service, target.method)
}

impl Callouts for Canned {
    fn http_call(&self, id: CalloutId, call: HttpCall) -> Result<(), CalloutError> {
        let header = |name| {
            let value = call.headers.get(name).unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        let (method, path) = (header(":method"), header(":path"));
        let (at, answer) = self.make(CalloutKind::Http, call.upstream, method, path)?;
        self.push(id, at, Event::Response(answer.http()));
        Ok(())
    }

    fn grpc_call(&self, id: CalloutId, target: GrpcTarget, _: Bytes) -> Result<(), CalloutError> {
        let path = path(&target);
        let (at, answer) = self.make(CalloutKind::GrpcCall, target.upstream, "POST".to_owned(), path)?;
        let end = answer.grpc();
        let event = match end.status {
            0 => Event::Message(end.message),
            status => Event::Close(status, end.details),
        };
        self.push(id, at, event);
        Ok(())
    }

    fn grpc_stream(&self, id: CalloutId, target: GrpcTarget) -> Result<(), CalloutError> {
        let path = path(&target);
        let kind = CalloutKind::GrpcStream;
        let (at, answer) = self.make(kind, target.upstream, "POST".to_owned(), path)?;
        let end = answer.grpc();
        self.push(id, at, Event::InitialMetadata);
        if !end.message.is_empty() {
            self.push(id, at, Event::Message(end.message));
        }
        self.push(id, at, Event::Close(end.status, end.details));
        Ok(())
    }

    /// What is sent makes no difference to the answer.
    fn grpc_send(&self, _: CalloutId, _: Bytes, _: bool) -> Result<(), CalloutError> {
        Ok(())
    }

    fn grpc_close(&self, _: CalloutId) {}

    fn cancel(&self, id: CalloutId) {
        let mut inside = self.inside.borrow_mut();
        let Inside { events, made, .. } = &mut *inside;
        events.retain(|(other, at, _)| {
            let keep = *other != id;
            if let Some(callout) = made.get_mut(*at).filter(|_| !keep) {
                callout.came = Came::Cancelled;
            }
            keep
        });
    }
}
