//! What the driver of a stream and its plugins share.

use std::cell::{RefCell, RefMut};
use std::ops::DerefMut;
use std::rc::Rc;
use std::task::{Context, Waker};

use enginebay::abi::{BufferType, MapType, PropertyPath, Status, StreamType};
use enginebay::host::LifeSpan;
use enginebay::{Body, HeaderMap, LocalResponse, PropertyDeclaration, StreamState};
use http::{Version, request};

use crate::chain::Inner;
use crate::fields::Trailers;
use crate::handle::Wake;
use crate::message::{RequestHead, ResponseHead};
use crate::properties::{Facts, FilterState};
use crate::reply::Reply;
use crate::vms::At;
use crate::{Attributes, ChainOptions, StreamAttributes, properties};

/// A direction of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dir {
    Request = 0,
    Response = 1,
}

/// One HTTP stream. No borrow of the state is held while a VM runs.
pub(crate) struct Stream(RefCell<State>);

impl Stream {
    /// A stream that begins: in the memory of one that is over, if there is one.
    #[inline]
    pub(crate) fn begin(
        chain: &Rc<Inner>,
        request: request::Parts,
        facts: Facts,
        given: Option<StreamAttributes>,
    ) -> Rc<Self> {
        let stream = chain
            .spare_stream()
            .unwrap_or_else(|| Rc::new(Stream(RefCell::new(State::new(chain)))));
        {
            let mut state = stream.state();
            state.request.begin(request, chain.options.tls);
            state.facts = facts;
            state.given[0] = given;
            state.slots.resize_with(chain.filters.len(), Slot::default);
        }
        stream
    }

    /// Makes it as new. Nobody else may know of it.
    pub(crate) fn clear(&self) {
        self.state().clear();
    }

    pub(crate) fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    /// Wakes whoever drives the stream.
    pub(crate) fn wake(&self) {
        let wakers = std::mem::take(&mut self.state().wakers);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Wake for Stream {
    fn wake(&self) {
        Stream::wake(self);
    }

    fn buffered(&self, index: usize) -> usize {
        let state = self.state();
        let slot = state.slots.get(index);
        slot.map_or(0, |slot| slot.lanes.iter().map(|lane| lane.buffer.len()).sum())
    }
}

/// The state of a stream.
pub(crate) struct State {
    pub(crate) request: RequestHead,
    pub(crate) response: Option<ResponseHead>,
    /// By direction, as all of the following.
    pub(crate) trailers: [Option<Trailers>; 2],
    /// Whether the trailers came from the sender, or were taken note of already.
    pub(crate) trailers_known: [bool; 2],
    pub(crate) slots: Vec<Slot>,
    pub(crate) wakers: [Option<Waker>; 2],
    /// Number of plugins that hold the direction up.
    pub(crate) held: [u32; 2],
    /// Nothing more goes that way.
    pub(crate) closed: [bool; 2],
    pub(crate) reply: Option<Reply>,
    /// The response, from the service or a plugin, is on its way through the plugins.
    pub(crate) responding: bool,
    /// The response's head is out.
    pub(crate) responded: bool,
    /// `on_log` runs: everything can be read.
    pub(crate) logging: bool,
    /// The stream has ended.
    pub(crate) over: bool,
    pub(crate) facts: Facts,
    /// What the embedder gave with the request and with the response, if a plugin can ask for it.
    pub(crate) given: [Option<StreamAttributes>; 2],
    /// What the service told of later.
    pub(crate) noted: Option<Rc<dyn Attributes>>,
    pub(crate) filter_state: Option<Box<FilterState>>,
    pub(crate) options: ChainOptions,
    chain: std::rc::Weak<Inner>,
}

impl State {
    fn new(chain: &Rc<Inner>) -> Self {
        State {
            request: RequestHead::none(),
            response: None,
            trailers: [None, None],
            trailers_known: [false; 2],
            slots: Vec::with_capacity(chain.filters.len()),
            wakers: [None, None],
            held: [0; 2],
            closed: [false; 2],
            reply: None,
            responding: false,
            responded: false,
            logging: false,
            over: false,
            facts: Facts::new(Version::HTTP_11),
            given: [None, None],
            noted: None,
            filter_state: None,
            options: chain.options,
            chain: Rc::downgrade(chain),
        }
    }

    /// Makes it as new: what it held goes.
    fn clear(&mut self) {
        let State {
            request,
            response,
            trailers,
            trailers_known,
            slots,
            wakers,
            held,
            closed,
            reply,
            responding,
            responded,
            logging,
            over,
            facts,
            given,
            noted,
            filter_state,
            options: _,
            chain: _,
        } = self;
        *request = RequestHead::none();
        *response = None;
        *trailers = [None, None];
        *trailers_known = [false; 2];
        slots.clear();
        *wakers = [None, None];
        (*held, *closed) = ([0; 2], [false; 2]);
        *reply = None;
        (*responding, *responded, *logging, *over) = (false, false, false, false);
        *facts = Facts::new(Version::HTTP_11);
        *given = [None, None];
        *noted = None;
        *filter_state = None;
    }

    /// Has the stream answered by the chain, as far as that is still possible: the first reply counts, and a
    /// response that is out already is cut.
    pub(crate) fn answer(&mut self, reply: Reply) {
        if self.responded {
            self.closed = [true; 2];
        } else if self.reply.is_none() {
            self.closed = [true, self.responding];
            self.reply = Some(reply);
        }
    }

    /// Has the driver called again when something happens.
    pub(crate) fn register(&mut self, dir: Dir, task: &Context<'_>) {
        let waker = &mut self.wakers[dir as usize];
        match waker {
            Some(waker) => waker.clone_from(task.waker()),
            None => *waker = Some(task.waker().clone()),
        }
    }

    /// Takes out the maps that are not needed any more.
    pub(crate) fn take_maps(&mut self) -> (Option<HeaderMap>, Option<HeaderMap>) {
        let response = self.response.as_mut().and_then(ResponseHead::take_map);
        (self.request.take_map(), response)
    }

    /// The time on the monotonic clock. `None` once the chain is gone.
    pub(crate) fn monotonic_ns(&self) -> Option<u64> {
        Some(self.chain.upgrade()?.platform().monotonic_ns())
    }

    /// When the request came, in nanoseconds since 1970: found out when somebody asks, which is seldom.
    pub(crate) fn started_realtime(&self) -> Option<u64> {
        let chain = self.chain.upgrade()?;
        let since = chain.platform().monotonic_ns().saturating_sub(self.facts.started);
        Some(chain.platform().realtime_ns().saturating_sub(since))
    }

    pub(crate) fn request_map(&mut self) -> &mut HeaderMap {
        let chain = &self.chain;
        self.request.map(|| spare(chain))
    }

    pub(crate) fn response_map(&mut self) -> Option<&mut HeaderMap> {
        let chain = &self.chain;
        Some(self.response.as_mut()?.map(|| spare(chain)))
    }
}

fn spare(chain: &std::rc::Weak<Inner>) -> HeaderMap {
    chain
        .upgrade()
        .map_or_else(HeaderMap::new, |chain| chain.spare_map())
}

/// One plugin's part of a stream.
#[derive(Default)]
pub(crate) struct Slot {
    /// From the request's headers to the end of the stream.
    pub(crate) at: Option<At>,
    /// The plugin failed and its policy lets the stream go on without it.
    pub(crate) skipped: bool,
    pub(crate) lanes: [SlotLane; 2],
}

/// One plugin's part of a direction.
#[derive(Default)]
pub(crate) struct SlotLane {
    pub(crate) hold: Hold,
    /// The head waits here.
    pub(crate) holds_head: bool,
    /// Body bytes that wait here, or that the plugin looks at now.
    pub(crate) buffer: Body,
    /// The end of the direction waits here.
    pub(crate) end: bool,
    pub(crate) trailers: TrailersAt,
    /// The plugin asked to go on.
    pub(crate) resumed: bool,
    /// The plugin's VM knows that the stream waits.
    pub(crate) waits: bool,
    /// What the plugin may look at now.
    pub(crate) open: Open,
}

/// Why a direction waits at a plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hold {
    /// It does not.
    #[default]
    No,
    /// The head waits, body and trailers still reach the plugin.
    Head,
    /// Everything waits, unseen. Whether a full buffer is an error.
    All { fail: bool },
    /// Body, trailers or both wait, and more of them still reaches the plugin. Whether a full buffer is an
    /// error.
    Data { fail: bool },
}

/// How far trailers came at a plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TrailersAt {
    /// None came.
    #[default]
    None,
    /// They wait, unseen.
    Waiting,
    /// They wait, and the plugin was called with them.
    Seen,
}

/// What of a direction a plugin may read and change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) head: bool,
    pub(crate) body: bool,
    pub(crate) trailers: bool,
}

/// A plugin's view of an HTTP stream.
pub(crate) struct HttpHandle {
    stream: Rc<Stream>,
    index: usize,
}

impl HttpHandle {
    /// The place of an access logger, which has no part of its own in the stream.
    const LOGGER: usize = usize::MAX;

    pub(crate) fn new(stream: Rc<Stream>, index: usize) -> Self {
        HttpHandle { stream, index }
    }

    /// An access logger's view of a stream that is over.
    pub(crate) fn of_logger(stream: Rc<Stream>) -> Self {
        HttpHandle::new(stream, Self::LOGGER)
    }
}

#[expect(
    refining_impl_trait,
    reason = "the buffers of all kinds of stream have one type"
)]
impl StreamState for HttpHandle {
    #[inline]
    fn headers(&mut self, map: MapType) -> Option<impl DerefMut<Target = HeaderMap>> {
        let index = self.index;
        let state = self.stream.0.try_borrow_mut().ok()?;
        RefMut::filter_map(state, |state| {
            let logging = state.logging;
            let open = |dir: Dir| state.slots.get(index).map(|slot| slot.lanes[dir as usize].open);
            match map {
                MapType::HttpRequestHeaders if logging || open(Dir::Request)?.head => {
                    Some(state.request_map())
                }
                MapType::HttpResponseHeaders if logging || open(Dir::Response)?.head => state.response_map(),
                MapType::HttpRequestTrailers if logging || open(Dir::Request)?.trailers => {
                    trailers(&mut state.trailers[0], logging)
                }
                MapType::HttpResponseTrailers if logging || open(Dir::Response)?.trailers => {
                    trailers(&mut state.trailers[1], logging)
                }
                _ => None,
            }
        })
        .ok()
    }

    fn buffer(&mut self, buffer: BufferType) -> Option<RefMut<'_, Body>> {
        let dir = match buffer {
            BufferType::HttpRequestBody => Dir::Request,
            BufferType::HttpResponseBody => Dir::Response,
            _ => return None,
        };
        let index = self.index;
        let state = self.stream.0.try_borrow_mut().ok()?;
        RefMut::filter_map(state, |state| {
            let limit = state.options.body_growth;
            let lane = &mut state.slots.get_mut(index)?.lanes[dir as usize];
            (lane.open.body && lane.buffer.len() <= limit).then_some(&mut lane.buffer)
        })
        .ok()
    }

    fn send_local_response(&mut self, response: LocalResponse) -> Status {
        self.stream.state().answer(Reply::Plugin(response));
        self.stream.wake();
        Status::Ok
    }

    fn continue_stream(&mut self, stream: StreamType) -> Status {
        let dir = match stream {
            StreamType::HttpRequest => Dir::Request,
            StreamType::HttpResponse => Dir::Response,
            // What Envoy says: there is nothing of that kind that waits.
            StreamType::Downstream => return Status::Ok,
            StreamType::Upstream => return Status::Unimplemented,
        };
        if let Some(slot) = self.stream.state().slots.get_mut(self.index) {
            slot.lanes[dir as usize].resumed = true;
        }
        self.stream.wake();
        Status::Ok
    }

    fn close_stream(&mut self, stream: StreamType) -> Status {
        match stream {
            StreamType::HttpRequest | StreamType::HttpResponse => {
                self.stream.state().answer(Reply::Closed);
                self.stream.wake();
                Status::Ok
            }
            StreamType::Downstream | StreamType::Upstream => Status::Ok,
        }
    }

    fn property(&mut self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        properties::get(&mut self.stream.state(), path, out).is_some()
    }

    fn set_property(
        &mut self,
        path: PropertyPath<'_>,
        value: &[u8],
        declared: &PropertyDeclaration,
    ) -> Status {
        // As on Envoy: access loggers get the stream to read.
        if self.index == Self::LOGGER {
            return Status::NotFound;
        }
        properties::set(&mut self.stream.state(), path, value, declared)
    }

    fn set_filter_state(&mut self, key: &[u8], value: &[u8], span: LifeSpan) -> Status {
        if self.index == Self::LOGGER {
            return Status::NotFound;
        }
        properties::set_filter_state(&mut self.stream.state(), key, value, span)
    }
}

/// A plugin that may look at trailers may add some where there are none.
fn trailers(trailers: &mut Option<Trailers>, logging: bool) -> Option<&mut HeaderMap> {
    match logging {
        true => Some(trailers.as_mut()?.map()),
        false => Some(trailers.get_or_insert_default().map()),
    }
}
