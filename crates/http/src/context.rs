//! A stream on its chain: calls into plugins, and what their failure does.

use std::rc::Rc;
use std::task::Context;

use enginebay::abi::{FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus};
use enginebay::{Absent, ContextId, Failure, Vm};
use http::{request, response};

use crate::chain::{Filter, Inner, LocalChain};
use crate::handle::Handle;
use crate::message::ResponseHead;
use crate::properties::Facts;
use crate::reply::Reply;
use crate::state::{Dir, Hold, HttpHandle, Open, Stream};
use crate::vms::{At, Root};
use crate::{ConnectionInfo, StreamAttributes};

/// The direction goes no further: the stream is answered, cut or over. The state says which.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopped;

/// A stream on its chain. Cheap to clone.
#[derive(Clone)]
pub(crate) struct StreamCx {
    pub(crate) chain: Rc<Inner>,
    pub(crate) stream: Rc<Stream>,
}

impl StreamCx {
    /// A stream that begins with this head. Without a `connection`, that among the request's extensions is it.
    #[inline]
    pub(crate) fn new(
        chain: &LocalChain,
        parts: request::Parts,
        connection: Option<Rc<ConnectionInfo>>,
    ) -> Self {
        let chain = chain.0.clone();
        let mut facts = Facts::new(parts.version);
        let mut given = None;
        if chain.uses_properties {
            let given = || parts.extensions.get::<ConnectionInfo>();
            facts.connection = connection.or_else(|| given().cloned().map(Rc::new));
        }
        if chain.asks_properties {
            facts.started = chain.platform().monotonic_ns();
            given = parts.extensions.get::<StreamAttributes>().cloned();
        }
        let stream = Stream::begin(&chain, parts, facts, given);
        StreamCx { chain, stream }
    }

    /// There is a response, with this head.
    #[inline]
    pub(crate) fn answered(&self, parts: response::Parts) {
        let mut state = self.stream.state();
        if self.chain.asks_properties {
            state.given[1] = parts.extensions.get::<StreamAttributes>().cloned();
        }
        state.response = Some(ResponseHead::new(parts));
        state.responding = true;
    }

    pub(crate) fn count(&self) -> usize {
        self.chain.filters.len()
    }

    /// The plugin at this place of the direction: responses pass them backwards.
    #[inline]
    pub(crate) fn index(&self, dir: Dir, position: usize) -> usize {
        match dir {
            Dir::Request => position,
            Dir::Response => self.count() - 1 - position,
        }
    }

    pub(crate) fn check(&self, dir: Dir) -> Result<(), Stopped> {
        match self.stream.state().closed[dir as usize] {
            true => Err(Stopped),
            false => Ok(()),
        }
    }

    /// The headers callback. `None` is a plugin that takes no part in the stream.
    pub(crate) fn headers(
        &self,
        dir: Dir,
        index: usize,
        end: bool,
    ) -> Result<Option<FilterHeadersStatus>, Stopped> {
        let filter = &self.chain.filters[index];
        if dir == Dir::Request && !self.create(index)? {
            return Ok(None);
        }
        if !filter.calls[dir as usize].headers {
            return Ok(None);
        }
        let len = {
            let mut state = self.stream.state();
            state.slots[index].lanes[dir as usize].open.head = true;
            match dir {
                // The map is needed in any case then, and knows its length.
                Dir::Request if self.chain.keeps_request => state.request_map().len(),
                Dir::Request => state.request.len(),
                Dir::Response => state.response.as_ref().map_or(0, |head| head.len()),
            }
        };
        self.call(dir, index, |vm, id| match dir {
            Dir::Request => vm.on_request_headers(id, len, end),
            Dir::Response => vm.on_response_headers(id, len, end),
        })
    }

    /// The body callback, on the bytes in the plugin's buffer.
    pub(crate) fn body(
        &self,
        dir: Dir,
        index: usize,
        len: usize,
        end: bool,
    ) -> Result<Option<FilterDataStatus>, Stopped> {
        self.call(dir, index, |vm, id| match dir {
            Dir::Request => vm.on_request_body(id, len, end),
            Dir::Response => vm.on_response_body(id, len, end),
        })
    }

    /// The trailers callback.
    pub(crate) fn trailers(&self, dir: Dir, index: usize) -> Result<Option<FilterTrailersStatus>, Stopped> {
        let len = {
            let mut state = self.stream.state();
            state.slots[index].lanes[dir as usize].open.trailers = true;
            state.trailers[dir as usize]
                .as_ref()
                .map_or(0, |trailers| trailers.len())
        };
        self.call(dir, index, |vm, id| match dir {
            Dir::Request => vm.on_request_trailers(id, len),
            Dir::Response => vm.on_response_trailers(id, len),
        })
    }

    /// Makes the plugin's context. False for a plugin that takes no part in the stream.
    fn create(&self, index: usize) -> Result<bool, Stopped> {
        let filter = &self.chain.filters[index];
        let Some(root) = filter.plugin.for_stream() else {
            self.absent(filter);
            return self.check(Dir::Request).map(|()| false);
        };
        let failed_before = root.vm().failure().is_some();
        let handle = Handle::Http(HttpHandle::new(self.stream.clone(), index));
        match root.vm().create_stream(root.id, handle) {
            Ok(id) => {
                self.stream.state().slots[index].at = Some(At { root, id });
                self.check(Dir::Request)?;
                Ok(true)
            }
            Err(_) => {
                self.failed(Dir::Request, index, &root, failed_before)?;
                Ok(false)
            }
        }
    }

    /// Calls a plugin that takes part in the stream.
    fn call<R>(
        &self,
        dir: Dir,
        index: usize,
        callback: impl FnOnce(&Vm<Handle>, ContextId) -> Result<R, Failure>,
    ) -> Result<Option<R>, Stopped> {
        let Some(At { root, id }) = self.at(index) else {
            return Ok(None);
        };
        let failed_before = root.vm().failure().is_some();
        match callback(root.vm(), id) {
            Ok(result) => {
                self.check(dir)?;
                Ok(Some(result))
            }
            Err(_) => {
                self.failed(dir, index, &root, failed_before)?;
                Ok(None)
            }
        }
    }

    /// The context of a plugin that takes part in the stream.
    pub(crate) fn at(&self, index: usize) -> Option<At> {
        let state = self.stream.state();
        let slot = &state.slots[index];
        slot.at.as_ref().filter(|_| !slot.skipped).cloned()
    }

    /// What a plugin that is not there means for the stream.
    #[cold]
    fn absent(&self, filter: &Filter) {
        let reply = match filter.plugin.plugin().why_absent() {
            Some(Absent::Configuration) => Reply::NotConfigured,
            _ if filter.lets_go_on(true) => return,
            _ => Reply::Failed,
        };
        self.stream.state().answer(reply);
    }

    /// What a failed VM means for the stream: the policy decides whether it goes on without the plugin.
    #[cold]
    fn failed(&self, dir: Dir, index: usize, root: &Root, failed_before: bool) -> Result<(), Stopped> {
        let filter = &self.chain.filters[index];
        let goes_on = filter.lets_go_on(failed_before);
        {
            let mut state = self.stream.state();
            // Also where it is the reason for the answer, which the others see.
            state.slots[index].skipped = true;
            if !goes_on {
                state.answer(Reply::Failed);
            }
        }
        // After this stream's own answer, which must not depend on who is woken first.
        root.shared().failed();
        if !goes_on {
            self.stream.wake();
        }
        self.check(dir)
    }

    /// The first plugin of the direction that can be left now: it asked to go on, or its VM failed.
    pub(crate) fn released(&self, dir: Dir) -> Result<Option<usize>, Stopped> {
        let count = self.count();
        for position in 0..count {
            let index = self.index(dir, position);
            let at = {
                let state = self.stream.state();
                let slot = &state.slots[index];
                let lane = &slot.lanes[dir as usize];
                if lane.hold == Hold::No {
                    continue;
                }
                if lane.resumed {
                    return Ok(Some(position));
                }
                slot.at.clone()
            };
            if let Some(At { root, .. }) = at.filter(|at| at.root.vm().failure().is_some()) {
                self.failed(dir, index, &root, true)?;
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    /// Whether the plugins that hold the direction up leave room for more of it.
    pub(crate) fn has_room(&self, dir: Dir) -> bool {
        let state = self.stream.state();
        let limit = state.options.body_buffer;
        state.slots.iter().all(|slot| {
            let lane = &slot.lanes[dir as usize];
            match lane.hold {
                Hold::All { fail: false } => false,
                Hold::Data { fail: false } => lane.buffer.len() < limit,
                Hold::No | Hold::Head | Hold::All { fail: true } | Hold::Data { fail: true } => true,
            }
        })
    }

    /// Has the driver called again when a plugin goes on, fails or answers.
    pub(crate) fn wait(&self, dir: Dir, task: &Context<'_>) {
        let mut state = self.stream.state();
        state.register(dir, task);
        if state.held[dir as usize] == 0 {
            return;
        }
        for (index, slot) in state.slots.iter_mut().enumerate() {
            let lane = &mut slot.lanes[dir as usize];
            if let (false, true, Some(at)) = (lane.waits, lane.hold != Hold::No, &slot.at) {
                lane.waits = true;
                let stream = Rc::downgrade(&self.stream);
                at.root.shared().wait(at.id, stream, index);
            }
        }
    }

    /// Ends the stream: `on_log` of every plugin that saw it and of the access loggers, then `on_done` and `on_delete`.
    fn end(&self) {
        {
            let mut state = self.stream.state();
            state.closed = [true; 2];
            state.responded = true;
            state.logging = true;
            state.over = true;
        }
        // Whoever still sends the request must learn that nobody wants it any more.
        self.stream.wake();
        for index in 0..self.count() {
            if let (true, Some(At { root, id })) = (self.chain.filters[index].log, self.at(index))
                && root.vm().on_log(id).is_err()
            {
                root.shared().failed();
            }
        }
        // As on Envoy, before the filters' contexts go.
        self.chain
            .log(|| Handle::Http(HttpHandle::of_logger(self.stream.clone())));
        {
            let mut state = self.stream.state();
            state.logging = false;
            for slot in &mut state.slots {
                slot.lanes.iter_mut().for_each(|lane| lane.open = Open::default());
            }
        }
        for index in 0..self.count() {
            let at = self.stream.state().slots[index].at.take();
            if let Some(At { root, id }) = at {
                root.shared().no_longer_waits(id);
                match root.vm().finish(id) {
                    Ok(()) => root.shared().prove(),
                    Err(_) => root.shared().failed(),
                }
            }
        }
        let (request, response) = self.stream.state().take_maps();
        self.chain.give_back(request);
        self.chain.give_back(response);
    }
}

/// Ends the stream once, when it goes.
pub(crate) struct EndGuard(StreamCx);

impl EndGuard {
    pub(crate) fn new(cx: StreamCx) -> Self {
        EndGuard(cx)
    }
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Drop for StreamCx {
    /// The last one leaves the stream's memory to another.
    fn drop(&mut self) {
        if Rc::strong_count(&self.stream) == 1 && Rc::weak_count(&self.stream) == 0 {
            self.chain.keep_stream(&self.stream);
        }
    }
}
