//! Upstreams that answer what they were told to answer, when they are asked to.

use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::Bytes;
use enginebay::host::{CalloutError, CalloutId, Callouts, GrpcTarget, HttpCall, HttpCallResponse};
use enginebay::{Body, Failure, HeaderMap, StreamState, Vm};

/// What an upstream answers to everything.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// A response, to an HTTP call.
    Http(&'static str, &'static str),
    /// No response, to an HTTP call.
    Nothing,
    /// Its own messages back, then this status and message, to gRPC. A call gets its message only with status 0.
    Grpc(u32, &'static str),
}

/// Upstreams by name.
pub type Named = &'static [(&'static str, Answer)];

/// One thing that the plugin is yet to be told.
#[expect(clippy::large_enum_variant, reason = "there are a few of them in a test")]
enum Event {
    Response(Option<HttpCallResponse>),
    Metadata,
    Message(Bytes),
    Close(u32, &'static str),
}

/// The upstreams of one VM.
pub(crate) struct Upstreams {
    named: Named,
    events: RefCell<VecDeque<(CalloutId, Event)>>,
    /// The status of each stream.
    streams: RefCell<Vec<(CalloutId, Answer)>>,
}

impl Upstreams {
    pub(crate) fn new(named: Named) -> Self {
        Self {
            named,
            events: RefCell::default(),
            streams: RefCell::default(),
        }
    }

    /// Tells the plugin the next thing. False when there is none.
    pub(crate) fn deliver_one<S: StreamState>(&self, vm: &Vm<S>) -> Result<bool, Failure> {
        // Not borrowed any more while the plugin runs: it may call again.
        let next = self.events.borrow_mut().pop_front();
        let Some((id, event)) = next else {
            return Ok(false);
        };
        match event {
            Event::Response(response) => vm.on_http_call_response(id, response)?,
            Event::Metadata => {
                let mut metadata = HeaderMap::default();
                metadata.push_valid("x-to", "you");
                vm.on_grpc_receive_initial_metadata(id, metadata)?;
            }
            Event::Message(message) => vm.on_grpc_receive(id, message)?,
            Event::Close(status, message) => vm.on_grpc_close(id, status, message.as_bytes())?,
        }
        Ok(true)
    }

    /// Numbers of the callouts that the plugin is yet to hear of.
    pub(crate) fn under_way(&self) -> Vec<u32> {
        self.events.borrow().iter().map(|(id, _)| id.get()).collect()
    }

    fn answer(&self, upstream: &str) -> Result<Answer, CalloutError> {
        let named = self.named.iter().find(|(name, _)| *name == upstream);
        named
            .map(|(_, answer)| *answer)
            .ok_or(CalloutError::UnknownUpstream)
    }

    fn push(&self, id: CalloutId, event: Event) {
        self.events.borrow_mut().push_back((id, event));
    }

    /// The plugin's side of a stream has ended.
    fn ended(&self, id: CalloutId) {
        let streams = self.streams.borrow();
        if let Some((_, Answer::Grpc(status, message))) = streams.iter().find(|(other, _)| *other == id) {
            self.push(id, Event::Close(*status, message));
        }
    }
}

impl Callouts for Upstreams {
    fn http_call(&self, id: CalloutId, call: HttpCall) -> Result<(), CalloutError> {
        let response = match self.answer(&call.upstream)? {
            Answer::Http(status, text) => {
                let mut response = HttpCallResponse::default();
                response.headers.push_valid(":status", status);
                let mut body = Body::new();
                body.push(Bytes::from_static(text.as_bytes()));
                response.body = body;
                Some(response)
            }
            Answer::Nothing => None,
            Answer::Grpc(..) => return Err(CalloutError::Failed),
        };
        self.push(id, Event::Response(response));
        Ok(())
    }

    fn grpc_call(&self, id: CalloutId, target: GrpcTarget, message: Bytes) -> Result<(), CalloutError> {
        match self.answer(&target.upstream)? {
            Answer::Grpc(0, _) => self.push(id, Event::Message(message)),
            Answer::Grpc(status, message) => self.push(id, Event::Close(status, message)),
            _ => return Err(CalloutError::Failed),
        }
        Ok(())
    }

    fn grpc_stream(&self, id: CalloutId, target: GrpcTarget) -> Result<(), CalloutError> {
        let answer = self.answer(&target.upstream)?;
        self.streams.borrow_mut().push((id, answer));
        self.push(id, Event::Metadata);
        Ok(())
    }

    fn grpc_send(&self, id: CalloutId, message: Bytes, end_of_stream: bool) -> Result<(), CalloutError> {
        self.push(id, Event::Message(message));
        if end_of_stream {
            self.ended(id);
        }
        Ok(())
    }

    fn grpc_close(&self, id: CalloutId) {
        self.ended(id);
    }

    fn cancel(&self, id: CalloutId) {
        self.events.borrow_mut().retain(|(other, _)| *other != id);
    }
}
