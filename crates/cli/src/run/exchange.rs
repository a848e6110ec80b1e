//! Drives one request and its response through a plugin, in the order and with the pauses of Envoy.

mod direction;

use std::time::Instant;

use enginebay::{ContextId, Failure, HeaderMap, LocalResponse, Vm};

use super::callouts::Canned;
use super::given_properties::GivenProperties;
use super::local_reply::LocalReply;
use super::outcome::{Call, Ending, LocalReplySent, Message};
use super::stream::{Side, Stream};
use direction::{Progress, Stop, append};

/// What goes in.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) request: Message,
    pub(super) response: Message,
    /// Bodies are handed over in pieces of this size, in bytes.
    pub(super) chunk_size: usize,
    pub(super) properties: GivenProperties,
}

/// What comes out.
pub(super) struct Exchanged {
    pub(super) request: Message,
    pub(super) response: Option<Message>,
    pub(super) local_reply: Option<LocalReplySent>,
    pub(super) ending: Ending,
    pub(super) failure: Option<Failure>,
}

/// Runs the exchange. Every call is added to `calls`.
pub(super) fn run(
    vm: &Vm<Stream>,
    root: ContextId,
    given: &Given,
    callouts: &Canned,
    calls: &mut Vec<Call>,
) -> Exchanged {
    if let Err(failure) = tell_all(vm, callouts, calls) {
        return failed(given, failure);
    }
    let mut stream = Stream::new(given.properties.clone());
    stream.request.headers = given.request.headers.clone();
    stream.request.trailers = given.request.trailers.clone();
    let start = Instant::now();
    let created = vm.create_stream(root, stream);
    calls.push(Call {
        name: "context_create",
        action: None,
        took: start.elapsed(),
    });
    match created {
        Ok(id) => Exchange {
            vm,
            id,
            given,
            callouts,
            calls,
            failure: None,
        }
        .run(),
        Err(failure) => failed(given, failure),
    }
}

/// What the client gets from a plugin that failed before the stream began.
fn failed(given: &Given, failure: Failure) -> Exchanged {
    Exchanged {
        request: given.request.clone(),
        response: Some(unavailable(&given.request)),
        local_reply: None,
        ending: Ending::Done,
        failure: Some(failure),
    }
}

/// Tells the plugin what its callouts brought until none is under way, where nobody waits for what it does then.
fn tell_all(vm: &Vm<Stream>, callouts: &Canned, calls: &mut Vec<Call>) -> Result<(), Failure> {
    while let Some((_, result)) = callouts.tell_next(vm, calls) {
        result?;
    }
    Ok(())
}

fn unavailable(request: &Message) -> Message {
    let reply = LocalReply::unavailable(&request.headers);
    Message {
        headers: reply.headers,
        body: reply.body,
        ..Message::default()
    }
}

struct Exchange<'a> {
    vm: &'a Vm<Stream>,
    id: ContextId,
    given: &'a Given,
    callouts: &'a Canned,
    calls: &'a mut Vec<Call>,
    failure: Option<Failure>,
}

impl Exchange<'_> {
    fn run(mut self) -> Exchanged {
        let mut progress = Progress::default();
        let stopped = self.pass(Side::Request, &self.given.request.body, &mut progress);
        let request = self.message(Side::Request, &mut progress, true);
        let mut local_reply = None;
        let (response, ending) = match stopped {
            Ok(()) => {
                self.set_response(&self.given.response);
                self.respond(&self.given.response, &mut local_reply)
            }
            Err(Stop::Failed(failure)) => {
                self.failure = Some(failure);
                self.direct(unavailable(&request))
            }
            Err(Stop::Answered(answer)) => {
                local_reply = Some(describe(&answer, progress.last));
                let reply = LocalReply::from_plugin(&answer, &request.headers);
                let answer = Message {
                    headers: reply.headers,
                    body: reply.body,
                    ..Message::default()
                };
                self.set_response(&answer);
                self.respond(&answer, &mut local_reply)
            }
            Err(Stop::Closed) => (None, Ending::Closed(progress.last)),
            Err(Stop::Paused) => (None, Ending::RequestPaused(progress.last)),
        };
        self.end();
        Exchanged {
            request,
            response,
            local_reply,
            ending,
            failure: self.failure,
        }
    }

    /// Takes a response through the plugin's response callbacks.
    fn respond(
        &mut self,
        response: &Message,
        local_reply: &mut Option<LocalReplySent>,
    ) -> (Option<Message>, Ending) {
        let mut progress = Progress::default();
        let stopped = self.pass(Side::Response, &response.body, &mut progress);
        let last = progress.last;
        let stop = match stopped {
            Ok(()) => {
                return (
                    Some(self.message(Side::Response, &mut progress, true)),
                    Ending::Done,
                );
            }
            Err(stop) => stop,
        };
        if let Stop::Failed(failure) = &stop {
            self.failure = Some(failure.clone());
        }
        let ending = match stop {
            Stop::Closed => Ending::Closed(last),
            Stop::Paused => Ending::ResponsePaused(last),
            Stop::Failed(_) | Stop::Answered(_) if progress.headers_sent => Ending::Cut(last),
            Stop::Failed(_) => {
                let request = Message {
                    headers: self.request_headers(),
                    ..Message::default()
                };
                return self.direct(unavailable(&request));
            }
            Stop::Answered(answer) => {
                *local_reply = Some(describe(&answer, last));
                let reply = LocalReply::from_plugin(&answer, &self.request_headers());
                return self.direct(Message {
                    headers: reply.headers,
                    body: reply.body,
                    ..Message::default()
                });
            }
        };
        match progress.headers_sent {
            // The client has the headers and what went through of the body.
            true => (Some(self.message(Side::Response, &mut progress, false)), ending),
            false => (None, ending),
        }
    }

    /// A response that goes to the client past the plugin.
    fn direct(&mut self, response: Message) -> (Option<Message>, Ending) {
        self.set_response(&response);
        (Some(response), Ending::Done)
    }

    fn set_response(&mut self, response: &Message) {
        if let Some(mut stream) = self.vm.stream(self.id) {
            stream.response.close();
            stream.response.headers = response.headers.clone();
            stream.response.trailers = response.trailers.clone();
            stream.response.body.clear();
        }
    }

    fn request_headers(&self) -> HeaderMap {
        self.vm
            .stream(self.id)
            .map(|stream| stream.request.headers.clone())
            .unwrap_or_default()
    }

    /// A direction as it is now: all of it, or only what has left.
    fn message(&self, side: Side, progress: &mut Progress, all: bool) -> Message {
        let Some(mut stream) = self.vm.stream(self.id) else {
            return Message::default();
        };
        let half = stream.half(side);
        let mut body = std::mem::take(&mut progress.sent);
        if all {
            append(&mut body, &mut progress.held);
            append(&mut body, &mut half.body);
            progress.rest.drain(..).for_each(|chunk| body.push(chunk));
        }
        Message {
            headers: half.headers.clone(),
            body: body.to_bytes(),
            trailers: match all {
                true => half.trailers.clone(),
                false => HeaderMap::new(),
            },
        }
    }

    /// The end of the stream: log, done, delete.
    fn end(&mut self) {
        if self.failure.is_some() {
            self.vm.abandon(self.id);
            return;
        }
        if let Some(mut stream) = self.vm.stream(self.id) {
            stream.open_for_log();
        }
        let log = self.timed("log", |vm, id| vm.on_log(id));
        let result = match log {
            Ok(()) => {
                if let Some(mut stream) = self.vm.stream(self.id) {
                    stream.request.close();
                    stream.response.close();
                }
                self.timed("done", |vm, id| vm.finish(id))
            }
            Err(failure) => {
                self.vm.abandon(self.id);
                Err(failure)
            }
        };
        // Of callouts, those of the plugin's root context are left.
        let result = result.and_then(|()| tell_all(self.vm, self.callouts, self.calls));
        self.failure = result.err();
    }

    fn timed(
        &mut self,
        name: &'static str,
        call: impl FnOnce(&Vm<Stream>, ContextId) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        let result = call(self.vm, self.id);
        self.calls.push(Call {
            name,
            action: None,
            took: start.elapsed(),
        });
        result
    }
}

fn describe(answer: &LocalResponse, from: &'static str) -> LocalReplySent {
    LocalReplySent {
        from,
        details: String::from_utf8_lossy(&answer.details).into_owned(),
    }
}
