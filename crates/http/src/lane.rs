//! One direction of a stream on its way through the plugins.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use enginebay::Body;
use enginebay::abi::{FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus};
use http_body::{Frame, SizeHint};

use crate::BoxError;
use crate::context::{Stopped, StreamCx};
use crate::fields::Trailers;
use crate::reply::Reply;
use crate::source::Source;
use crate::state::{Dir, Hold, Open, TrailersAt};

/// Why a direction ends before its end.
pub(crate) enum LaneError {
    /// The plugins or the stream's end stopped it.
    Stopped,
    /// The sender's body failed.
    Source(BoxError),
}

impl From<Stopped> for LaneError {
    fn from(_: Stopped) -> Self {
        LaneError::Stopped
    }
}

/// One direction of a stream. What came out of the last plugin waits in it to be taken.
pub(crate) struct Lane<B> {
    dir: Dir,
    source: Source<B>,
    /// `ContinueAndEndStream`: there is no body any more.
    cut: bool,
    head_out: bool,
    /// The one chunk that came through without any plugin looking at it.
    through: Option<Bytes>,
    out: Body,
    trailers_out: bool,
    end_out: bool,
    /// A plugin made the body longer or shorter.
    resized: bool,
}

impl<B> Lane<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    #[inline]
    pub(crate) fn new(dir: Dir, source: Source<B>) -> Self {
        Lane {
            dir,
            source,
            cut: false,
            head_out: false,
            through: None,
            out: Body::new(),
            trailers_out: false,
            end_out: false,
            resized: false,
        }
    }

    /// Whether a plugin made the body longer or shorter.
    pub(crate) fn resized(&self) -> bool {
        self.resized
    }

    /// Whether the sender sent no body.
    pub(crate) fn has_no_body(&self) -> bool {
        matches!(self.source, Source::End)
    }

    /// Whether all of it went through the plugins.
    pub(crate) fn is_done(&self) -> bool {
        self.end_out
    }

    /// Whether there is something of the body to take.
    pub(crate) fn has_output(&self) -> bool {
        self.through.is_some() || !self.out.is_empty() || self.trailers_out || self.end_out
    }

    /// Whether everything was taken.
    pub(crate) fn is_finished(&self) -> bool {
        self.end_out && self.through.is_none() && self.out.is_empty() && !self.trailers_out
    }

    /// What can be taken now.
    pub(crate) fn take_data(&mut self) -> Option<Bytes> {
        self.through.take().or_else(|| self.out.pop())
    }

    /// Whether trailers are next, now that there is no data left.
    pub(crate) fn take_trailers(&mut self) -> bool {
        std::mem::take(&mut self.trailers_out)
    }

    /// Whether the body is as it came and no plugin can have a say in it.
    pub(crate) fn is_untouched(&self, cx: &StreamCx) -> bool {
        let dir = self.dir as usize;
        let looked_at =
            cx.chain.body_callbacks[dir] || cx.chain.trailers_callbacks[dir] || cx.chain.counts_bodies;
        !(looked_at || self.has_output() || self.cut || cx.stream.state().held[dir] > 0)
    }

    pub(crate) fn source(&self) -> &Source<B> {
        &self.source
    }

    pub(crate) fn into_source(self) -> Source<B> {
        self.source
    }

    /// How long the rest of the body is, as far as that can be known.
    pub(crate) fn size_hint(&self, cx: &StreamCx) -> SizeHint {
        let waiting = (self.out.len() + self.through.as_ref().map_or(0, Bytes::len)) as u64;
        if self.end_out {
            return SizeHint::with_exact(waiting);
        }
        if self.cut || cx.chain.body_callbacks[self.dir as usize] {
            return SizeHint::default();
        }
        let source = self.source.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = source.upper() {
            hint.set_upper(upper + waiting);
        }
        hint.set_lower(source.lower() + waiting);
        hint
    }

    /// The head's way through the plugins, as far as it comes.
    pub(crate) fn start(&mut self, cx: &StreamCx, end: bool) -> Result<(), Stopped> {
        if end {
            self.source = Source::End;
        }
        self.head(cx, 0, end)
    }

    /// Moves things along until the head is out.
    pub(crate) fn poll_head(&mut self, cx: &StreamCx, task: &mut Context<'_>) -> Poll<Result<(), LaneError>> {
        self.poll(cx, task, |lane| lane.head_out)
    }

    /// Moves things along until there is something of the body to take.
    pub(crate) fn poll_output(
        &mut self,
        cx: &StreamCx,
        task: &mut Context<'_>,
    ) -> Poll<Result<(), LaneError>> {
        self.poll(cx, task, Self::has_output)
    }

    fn poll(
        &mut self,
        cx: &StreamCx,
        task: &mut Context<'_>,
        done: impl Fn(&Self) -> bool,
    ) -> Poll<Result<(), LaneError>> {
        loop {
            let held = {
                let state = cx.stream.state();
                if state.closed[self.dir as usize] {
                    return Poll::Ready(Err(LaneError::Stopped));
                }
                state.held[self.dir as usize] > 0
            };
            if held && let Some(position) = cx.released(self.dir)? {
                self.release(cx, position)?;
                continue;
            }
            if done(self) {
                return Poll::Ready(Ok(()));
            }
            if held && !cx.has_room(self.dir) {
                cx.wait(self.dir, task);
                return Poll::Pending;
            }
            match self.poll_source(task) {
                None => {
                    cx.wait(self.dir, task);
                    return Poll::Pending;
                }
                Some(Err(error)) => return Poll::Ready(Err(LaneError::Source(error))),
                Some(Ok(arrived)) => self.arrived(cx, arrived, held)?,
            }
        }
    }

    /// The next part of the body; `None` if there is none now.
    fn poll_source(&mut self, task: &mut Context<'_>) -> Option<Result<Arrived, BoxError>> {
        match &mut self.source {
            Source::End => None,
            Source::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                self.source = Source::End;
                Some(Ok(Arrived::Data(bytes, true)))
            }
            Source::Body(body) => match Pin::new(&mut *body).poll_frame(task) {
                Poll::Pending => None,
                Poll::Ready(None) => {
                    self.source = Source::End;
                    Some(Ok(Arrived::Data(Bytes::new(), true)))
                }
                Poll::Ready(Some(Err(error))) => {
                    self.source = Source::End;
                    Some(Err(error.into()))
                }
                Poll::Ready(Some(Ok(frame))) => {
                    let arrived = match frame.into_data() {
                        Ok(data) => Arrived::Data(data, body.is_end_stream()),
                        Err(frame) => match frame.into_trailers() {
                            Ok(trailers) => Arrived::Trailers(trailers),
                            Err(_) => Arrived::Data(Bytes::new(), false),
                        },
                    };
                    if !matches!(arrived, Arrived::Data(_, false)) {
                        self.source = Source::End;
                    }
                    Some(Ok(arrived))
                }
            },
        }
    }

    fn arrived(&mut self, cx: &StreamCx, arrived: Arrived, held: bool) -> Result<(), Stopped> {
        let dir = self.dir as usize;
        match arrived {
            Arrived::Data(data, false) if data.is_empty() => Ok(()),
            Arrived::Data(data, end) => {
                cx.stream.state().facts.received[dir] += data.len() as u64;
                if !held && !self.cut && !cx.chain.body_callbacks[dir] {
                    self.through = Some(data).filter(|data| !data.is_empty());
                    self.end_out = end;
                    return Ok(());
                }
                self.data(cx, 0, data.into(), end)
            }
            Arrived::Trailers(trailers) => {
                {
                    let mut state = cx.stream.state();
                    state.trailers[dir] = Some(Trailers::new(trailers));
                    state.trailers_known[dir] = true;
                }
                self.trailers(cx, 0)
            }
        }
    }

    /// Brings the head from this place on through the plugins.
    fn head(&mut self, cx: &StreamCx, from: usize, mut end: bool) -> Result<(), Stopped> {
        let dir = self.dir;
        for position in from..cx.count() {
            let index = cx.index(dir, position);
            let status = cx.headers(dir, index, end)?;
            let hold = match status {
                None | Some(FilterHeadersStatus::Continue) => Hold::No,
                Some(FilterHeadersStatus::ContinueAndEndStream) => {
                    if !end {
                        self.source = Source::End;
                        (self.cut, self.resized) = (true, true);
                    }
                    end = true;
                    Hold::No
                }
                Some(FilterHeadersStatus::StopIteration) => Hold::Head,
                Some(FilterHeadersStatus::StopAllIterationAndBuffer) => Hold::All { fail: true },
                Some(FilterHeadersStatus::StopAllIterationAndWatermark) => Hold::All { fail: false },
            };
            let mut state = cx.stream.state();
            let lane = &mut state.slots[index].lanes[dir as usize];
            if hold == Hold::No {
                lane.open.head = false;
                lane.resumed = false;
                continue;
            }
            lane.hold = hold;
            lane.holds_head = true;
            lane.end = end;
            state.held[dir as usize] += 1;
            return Ok(());
        }
        self.head_out = true;
        self.end_out |= end;
        Ok(())
    }

    /// Brings body bytes from this place on through the plugins. `end` is the direction's end.
    fn data(&mut self, cx: &StreamCx, from: usize, mut data: Body, mut end: bool) -> Result<(), Stopped> {
        if self.cut {
            return Ok(());
        }
        let dir = self.dir;
        let mut added_trailers = None;
        for position in from..cx.count() {
            let index = cx.index(dir, position);
            let (hold, len) = {
                let mut state = cx.stream.state();
                let slot = &mut state.slots[index];
                let takes_part = slot.at.is_some() && !slot.skipped;
                let lane = &mut slot.lanes[dir as usize];
                let called = cx.chain.filters[index].calls[dir as usize].body || lane.hold != Hold::No;
                if !takes_part || !called {
                    continue;
                }
                append(&mut lane.buffer, &mut data);
                lane.end |= end;
                lane.open.body = !matches!(lane.hold, Hold::All { .. });
                // A plugin may add trailers where there are none.
                lane.open.trailers = end && lane.open.body;
                (lane.hold, lane.buffer.len())
            };
            if let Hold::All { fail } = hold {
                self.limit(cx, index, fail)?;
                return self.added(cx, added_trailers);
            }
            let status = cx.body(dir, index, len, end)?;
            let now = cx.stream.state().slots[index].lanes[dir as usize].buffer.len();
            self.resized |= now != len;
            match status {
                None | Some(FilterDataStatus::Continue) => {
                    let left = self.leave(cx, index);
                    data = left.buffer;
                    if end && self.notes_added_trailers(cx) {
                        end = false;
                        added_trailers = Some(position + 1);
                    }
                    if left.holds_head {
                        let last = end && data.is_empty();
                        self.head(cx, position + 1, last)?;
                        if last {
                            return Ok(());
                        }
                    }
                }
                Some(FilterDataStatus::StopIterationAndBuffer) => {
                    self.hold(cx, index, Hold::Data { fail: true });
                    self.limit(cx, index, true)?;
                    return self.added(cx, added_trailers);
                }
                Some(FilterDataStatus::StopIterationAndWatermark) => {
                    self.hold(cx, index, Hold::Data { fail: false });
                    return self.added(cx, added_trailers);
                }
                Some(FilterDataStatus::StopIterationNoBuffer) => {
                    self.hold(cx, index, Hold::Data { fail: true });
                    cx.stream.state().slots[index].lanes[dir as usize].buffer.clear();
                    self.resized |= len > 0;
                    return self.added(cx, added_trailers);
                }
            }
        }
        append(&mut self.out, &mut data);
        self.end_out |= end;
        self.added(cx, added_trailers)
    }

    /// Brings the trailers from this place on through the plugins.
    fn trailers(&mut self, cx: &StreamCx, from: usize) -> Result<(), Stopped> {
        if self.cut {
            return Ok(());
        }
        let dir = self.dir;
        for position in from..cx.count() {
            let index = cx.index(dir, position);
            let (hold, before) = {
                let mut state = cx.stream.state();
                let slot = &mut state.slots[index];
                let takes_part = slot.at.is_some() && !slot.skipped;
                let lane = &mut slot.lanes[dir as usize];
                let called = cx.chain.filters[index].calls[dir as usize].trailers || lane.hold != Hold::No;
                if !takes_part || !called {
                    continue;
                }
                if matches!(lane.hold, Hold::All { .. }) {
                    lane.trailers = TrailersAt::Waiting;
                    return Ok(());
                }
                (lane.hold, lane.buffer.len())
            };
            let status = cx.trailers(dir, index)?;
            let now = cx.stream.state().slots[index].lanes[dir as usize].buffer.len();
            self.resized |= now != before;
            match status {
                None | Some(FilterTrailersStatus::Continue) => {
                    let left = self.leave(cx, index);
                    if hold == Hold::No {
                        continue;
                    }
                    if left.holds_head {
                        self.head(cx, position + 1, false)?;
                    }
                    if !left.buffer.is_empty() {
                        self.data(cx, position + 1, left.buffer, false)?;
                    }
                }
                Some(FilterTrailersStatus::StopIteration) => {
                    self.hold(cx, index, Hold::Data { fail: true });
                    cx.stream.state().slots[index].lanes[dir as usize].trailers = TrailersAt::Seen;
                    return Ok(());
                }
            }
        }
        self.trailers_out = true;
        self.end_out = true;
        Ok(())
    }

    /// Lets a plugin that held things up go on.
    fn release(&mut self, cx: &StreamCx, position: usize) -> Result<(), Stopped> {
        let dir = self.dir;
        let index = cx.index(dir, position);
        let left = self.leave(cx, index);
        let mut end = left.end;
        let mut trailers = left.trailers;
        if end && trailers == TrailersAt::None && self.notes_added_trailers(cx) {
            (end, trailers) = (false, TrailersAt::Seen);
        }
        let has_data = !left.buffer.is_empty();
        if left.holds_head {
            let last = end && !has_data;
            self.head(cx, position + 1, last)?;
            if last {
                return Ok(());
            }
        }
        if matches!(left.hold, Hold::All { .. }) {
            // The plugin has not seen these yet.
            if has_data || end {
                self.data(cx, position, left.buffer, end)?;
            }
            if trailers != TrailersAt::None {
                self.trailers(cx, position)?;
            }
            return Ok(());
        }
        if has_data || end {
            self.data(cx, position + 1, left.buffer, end)?;
        }
        if trailers != TrailersAt::None {
            self.trailers(cx, position + 1)?;
        }
        Ok(())
    }

    fn hold(&self, cx: &StreamCx, index: usize, hold: Hold) {
        let mut state = cx.stream.state();
        let lane = &mut state.slots[index].lanes[self.dir as usize];
        let held_before = lane.hold != Hold::No;
        lane.hold = hold;
        if !held_before {
            state.held[self.dir as usize] += 1;
        }
    }

    /// Takes everything that waits at a plugin, which has no more access to it.
    fn leave(&self, cx: &StreamCx, index: usize) -> Left {
        let dir = self.dir as usize;
        let mut state = cx.stream.state();
        let slot = &mut state.slots[index];
        let lane = &mut slot.lanes[dir];
        let left = Left {
            hold: std::mem::take(&mut lane.hold),
            holds_head: std::mem::take(&mut lane.holds_head),
            buffer: std::mem::take(&mut lane.buffer),
            end: std::mem::take(&mut lane.end),
            trailers: std::mem::take(&mut lane.trailers),
        };
        lane.resumed = false;
        lane.open = Open::default();
        let waited = std::mem::take(&mut lane.waits);
        let other_waits = slot.lanes[1 - dir].waits;
        if let (true, false, Some(at)) = (waited, other_waits, &slot.at) {
            at.root.shared().no_longer_waits(at.id);
        }
        if left.hold != Hold::No {
            state.held[dir] -= 1;
        }
        left
    }

    /// Answers the stream if a plugin holds back more than it may.
    fn limit(&self, cx: &StreamCx, index: usize, fail: bool) -> Result<(), Stopped> {
        let mut state = cx.stream.state();
        let held = state.slots[index].lanes[self.dir as usize].buffer.len();
        if !fail || held <= state.options.body_buffer {
            return Ok(());
        }
        state.answer(match self.dir {
            Dir::Request => Reply::RequestTooLarge,
            Dir::Response => Reply::ResponseTooLarge,
        });
        drop(state);
        cx.stream.wake();
        Err(Stopped)
    }

    /// Whether a plugin just added trailers to a body that had none.
    fn notes_added_trailers(&self, cx: &StreamCx) -> bool {
        let dir = self.dir as usize;
        let mut state = cx.stream.state();
        let added = !state.trailers_known[dir]
            && state.trailers[dir]
                .as_ref()
                .is_some_and(|trailers| trailers.len() > 0);
        state.trailers_known[dir] |= added;
        added
    }

    fn added(&mut self, cx: &StreamCx, trailers_from: Option<usize>) -> Result<(), Stopped> {
        match trailers_from {
            Some(position) => self.trailers(cx, position),
            None => Ok(()),
        }
    }

    /// The trailers as a frame.
    pub(crate) fn trailers_frame(&self, cx: &StreamCx) -> Frame<Bytes> {
        let state = cx.stream.state();
        let trailers = state.trailers[self.dir as usize].as_ref();
        Frame::trailers(trailers.map(Trailers::to_http).unwrap_or_default())
    }
}

/// What came from the sender.
enum Arrived {
    /// Bytes, and whether they are the last.
    Data(Bytes, bool),
    Trailers(http::HeaderMap),
}

/// What waited at a plugin.
struct Left {
    hold: Hold,
    holds_head: bool,
    buffer: Body,
    end: bool,
    trailers: TrailersAt,
}

/// Adds everything that is in `from`, which is empty then.
pub(crate) fn append(to: &mut Body, from: &mut Body) {
    if to.is_empty() {
        std::mem::swap(to, from);
        return;
    }
    while let Some(chunk) = from.pop() {
        to.push(chunk);
    }
}
