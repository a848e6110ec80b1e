//! One direction of an exchange, through the plugin's callbacks.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use enginebay::abi::{Callback, FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus};
use enginebay::{Body, ContextId, Failure, LocalResponse, Vm};

use super::Exchange;
use crate::run::outcome::Call;
use crate::run::stream::{Half, Side, Stream};

/// Why a direction did not run to its end.
pub(super) enum Stop {
    Failed(Failure),
    Answered(Box<LocalResponse>),
    Closed,
    Paused,
}

/// How far a direction came.
#[derive(Default)]
pub(super) struct Progress {
    /// The headers have left, and can't be taken back.
    pub(super) headers_sent: bool,
    /// Body that has left.
    pub(super) sent: Body,
    /// Body that is held back and that the plugin doesn't see any more.
    pub(super) held: Body,
    /// Body that the plugin has not seen yet.
    pub(super) rest: VecDeque<Bytes>,
    /// The callback that ran last.
    pub(super) last: &'static str,
}

impl Exchange<'_> {
    /// Takes one direction through its callbacks.
    pub(super) fn pass(&mut self, side: Side, body: &Bytes, progress: &mut Progress) -> Result<(), Stop> {
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

    fn with<R: Default>(&self, side: Side, f: impl FnOnce(&mut Half) -> R) -> R {
        match self.vm.stream(self.id) {
            Some(mut stream) => f(stream.half(side)),
            None => R::default(),
        }
    }
}

pub(super) fn append(to: &mut Body, from: &mut Body) {
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
