//! Drives one request and its response through a plugin, in the order and with the pauses of Envoy.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use enginebay::abi::{Callback, FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus};
use enginebay::{Body, ContextId, Failure, LocalResponse, Vm};

use super::callouts::Canned;
use super::local_reply::LocalReply;
use super::outcome::{Call, Ending, LocalReplySent, Message};
use super::properties::GivenProperties;
use super::stream::{Side, Stream};

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

/// Why a direction did not run to its end.
enum Stop {
    Failed(Failure),
    Answered(Box<LocalResponse>),
    Closed,
    Paused,
}

/// How far a direction came.
#[derive(Default)]
struct Progress {
    /// The headers have left, and can't be taken back.
    headers_sent: bool,
    /// Body that has left.
    sent: Body,
    /// Body that is held back and that the plugin doesn't see any more.
    held: Body,
    /// Body that the plugin has not seen yet.
    rest: VecDeque<Bytes>,
    /// The callback that ran last.
    last: &'static str,
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

    fn request_headers(&self) -> enginebay::HeaderMap {
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
                false => enginebay::HeaderMap::new(),
            },
        }
    }

    /// Takes one direction through its callbacks.
    fn pass(&mut self, side: Side, body: &Bytes, progress: &mut Progress) -> Result<(), Stop> {
        progress.rest = chunks(body, self.given.chunk_size);
        let has_trailers = self.with(side, |half| !half.trailers.is_empty());
        self.headers(side, has_trailers, progress)?;
        while let Some(chunk) = progress.rest.pop_front() {
            let end = progress.rest.is_empty() && !has_trailers;
            self.body(side, chunk, end, progress)?;
        }
        if has_trailers {
            self.trailers(side, progress)?;
        }
        match progress.headers_sent && progress.held.is_empty() && !self.with(side, |half| half.body_open) {
            true => Ok(()),
            false => Err(Stop::Paused),
        }
    }

    fn headers(&mut self, side: Side, has_trailers: bool, progress: &mut Progress) -> Result<(), Stop> {
        let (name, callback) = match side {
            Side::Request => ("request_headers", Callback::ProxyOnRequestHeaders),
            Side::Response => ("response_headers", Callback::ProxyOnResponseHeaders),
        };
        let end = progress.rest.is_empty() && !has_trailers;
        let len = self.with(side, |half| {
            half.headers_open = true;
            half.headers.len()
        });
        progress.last = name;
        let status = self.call(
            name,
            callback,
            FilterHeadersStatus::Continue,
            |status| status.name(),
            |vm, id| match side {
                Side::Request => vm.on_request_headers(id, len, end),
                Side::Response => vm.on_response_headers(id, len, end),
            },
        )?;
        if !matches!(
            status,
            FilterHeadersStatus::Continue | FilterHeadersStatus::ContinueAndEndStream
        ) {
            self.settle(progress)?;
        }
        let resumed = self.take_resumed(side);
        match status {
            // Envoy ends no stream for the second of these either.
            FilterHeadersStatus::Continue | FilterHeadersStatus::ContinueAndEndStream => {
                self.let_go(side, progress);
            }
            _ if resumed => self.let_go(side, progress),
            FilterHeadersStatus::StopIteration => {}
            FilterHeadersStatus::StopAllIterationAndBuffer
            | FilterHeadersStatus::StopAllIterationAndWatermark => return Err(Stop::Paused),
        }
        self.settle_late(side, progress)
    }

    fn body(&mut self, side: Side, chunk: Bytes, end: bool, progress: &mut Progress) -> Result<(), Stop> {
        let (name, callback) = match side {
            Side::Request => ("request_body", Callback::ProxyOnRequestBody),
            Side::Response => ("response_body", Callback::ProxyOnResponseBody),
        };
        let size = self.with(side, |half| {
            half.body.push(chunk);
            half.body_open = true;
            // At the end of the body a plugin may add trailers where there are none.
            half.trailers_open = end;
            half.body.len()
        });
        progress.last = name;
        let status = self.call(
            name,
            callback,
            FilterDataStatus::Continue,
            |status| status.name(),
            |vm, id| match side {
                Side::Request => vm.on_request_body(id, size, end),
                Side::Response => vm.on_response_body(id, size, end),
            },
        )?;
        if status != FilterDataStatus::Continue {
            self.settle(progress)?;
        }
        let resumed = self.take_resumed(side);
        match status {
            FilterDataStatus::Continue => self.let_go(side, progress),
            _ if resumed => self.let_go(side, progress),
            FilterDataStatus::StopIterationAndBuffer => {}
            // The next call sees the bytes that come next alone.
            FilterDataStatus::StopIterationAndWatermark => {
                self.with(side, |half| append(&mut progress.held, &mut half.body));
            }
            FilterDataStatus::StopIterationNoBuffer => self.with(side, |half| half.body.clear()),
        }
        self.settle_late(side, progress)
    }

    fn trailers(&mut self, side: Side, progress: &mut Progress) -> Result<(), Stop> {
        let (name, callback) = match side {
            Side::Request => ("request_trailers", Callback::ProxyOnRequestTrailers),
            Side::Response => ("response_trailers", Callback::ProxyOnResponseTrailers),
        };
        let len = self.with(side, |half| {
            half.trailers_open = true;
            half.trailers.len()
        });
        progress.last = name;
        let status = self.call(
            name,
            callback,
            FilterTrailersStatus::Continue,
            |status| status.name(),
            |vm, id| match side {
                Side::Request => vm.on_request_trailers(id, len),
                Side::Response => vm.on_response_trailers(id, len),
            },
        )?;
        if status != FilterTrailersStatus::Continue {
            self.settle(progress)?;
        }
        let resumed = self.take_resumed(side);
        match status {
            FilterTrailersStatus::Continue => self.let_go(side, progress),
            FilterTrailersStatus::StopIteration if resumed => self.let_go(side, progress),
            FilterTrailersStatus::StopIteration => return Err(Stop::Paused),
        }
        self.settle_late(side, progress)
    }

    /// The plugin let a part pass, and with it all that it held before.
    fn let_go(&mut self, side: Side, progress: &mut Progress) {
        progress.headers_sent = true;
        append(&mut progress.sent, &mut progress.held);
        self.with(side, |half| {
            append(&mut progress.sent, &mut half.body);
            half.close();
        });
    }

    /// Makes one call, if the plugin has it, and looks at what it asked for besides its result.
    fn call<R: Copy>(
        &mut self,
        name: &'static str,
        callback: Callback,
        missing: R,
        action: impl FnOnce(R) -> &'static str,
        call: impl FnOnce(&Vm<Stream>, ContextId) -> Result<R, Failure>,
    ) -> Result<R, Stop> {
        if !self.vm.program().has_callback(callback) {
            return Ok(missing);
        }
        let start = Instant::now();
        let result = call(self.vm, self.id);
        self.calls.push(Call {
            name,
            action: result.as_ref().ok().map(|result| action(*result)),
            took: start.elapsed(),
        });
        let result = result.map_err(Stop::Failed)?;
        self.asked()?;
        Ok(result)
    }

    /// Tells the plugin what its callouts brought until none is under way; a run has a bound on them.
    fn settle(&mut self, progress: &mut Progress) -> Result<(), Stop> {
        while let Some((name, result)) = self.callouts.tell_next(self.vm, self.calls) {
            if let Err(stop) = result.map_err(Stop::Failed).and_then(|()| self.asked()) {
                progress.last = name;
                return Err(stop);
            }
        }
        Ok(())
    }

    /// The same when nothing waits for it: that the plugin resumes then means nothing.
    fn settle_late(&mut self, side: Side, progress: &mut Progress) -> Result<(), Stop> {
        self.settle(progress)?;
        self.take_resumed(side);
        Ok(())
    }

    /// What the plugin asked for besides a callback's result.
    fn asked(&mut self) -> Result<(), Stop> {
        if let Some(mut stream) = self.vm.stream(self.id) {
            if stream.closed {
                return Err(Stop::Closed);
            }
            if let Some(local) = stream.local.take() {
                return Err(Stop::Answered(Box::new(local)));
            }
        }
        Ok(())
    }

    fn take_resumed(&self, side: Side) -> bool {
        self.vm
            .stream(self.id)
            .is_some_and(|mut stream| stream.take_resumed(side))
    }

    fn with<R: Default>(&self, side: Side, f: impl FnOnce(&mut super::stream::Half) -> R) -> R {
        match self.vm.stream(self.id) {
            Some(mut stream) => f(stream.half(side)),
            None => R::default(),
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

fn append(to: &mut Body, from: &mut Body) {
    while let Some(chunk) = from.pop() {
        to.push(chunk);
    }
}

fn chunks(body: &Bytes, size: usize) -> VecDeque<Bytes> {
    let mut rest = body.clone();
    let mut chunks = VecDeque::new();
    while !rest.is_empty() {
        chunks.push_back(rest.split_to(size.clamp(1, rest.len())));
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_cut_into_chunks() {
        let cut = |size| {
            chunks(&Bytes::from_static(b"abcde"), size)
                .iter()
                .map(|chunk| String::from_utf8_lossy(chunk).into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(cut(2), ["ab", "cd", "e"]);
        assert_eq!(cut(usize::MAX), ["abcde"]);
        assert_eq!(cut(0).len(), 5);
        assert!(chunks(&Bytes::new(), 2).is_empty());
    }
}
