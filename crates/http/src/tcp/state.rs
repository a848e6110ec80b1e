//! What the driver of a TCP connection and its plugins share.

use std::cell::{RefCell, RefMut};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use enginebay::abi::{BufferType, PeerType, PropertyPath, Status, StreamType};
use enginebay::host::LifeSpan;
use enginebay::{Body, LocalResponse, PropertyDeclaration, StreamState};
use smallvec::SmallVec;

use super::properties;
use crate::chain::Inner;
use crate::handle::Wake;
use crate::properties::{FilterState, Key};
use crate::vms::At;
use crate::{ChainOptions, ConnectionInfo, TcpEnd};

/// Where bytes come from; those of the other side go there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Downstream = 0,
    Upstream = 1,
}

impl Side {
    pub(crate) const BOTH: [Side; 2] = [Side::Downstream, Side::Upstream];

    pub(crate) fn other(self) -> Side {
        match self {
            Side::Downstream => Side::Upstream,
            Side::Upstream => Side::Downstream,
        }
    }
}

/// One TCP connection. No borrow of the state is held while a VM runs.
pub(crate) struct Connection(RefCell<State>);

impl Connection {
    pub(crate) fn new(state: State) -> Rc<Self> {
        Rc::new(Connection(RefCell::new(state)))
    }

    pub(crate) fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }
}

impl Wake for Connection {
    fn wake(&self) {
        let waker = self.state().waker.take();
        waker.into_iter().for_each(Waker::wake);
    }

    fn buffered(&self, index: usize) -> usize {
        let state = self.state();
        let slot = state.slots.get(index);
        slot.map_or(0, |slot| slot.lanes.iter().map(|lane| lane.buffer.len()).sum())
    }
}

/// The state of a connection.
pub(crate) struct State {
    pub(crate) slots: SmallVec<[Slot; 4]>,
    /// The plugin whose `proxy_on_new_connection` paused.
    pub(crate) opening: Option<usize>,
    /// The connection ends without looking at further bytes.
    pub(crate) closing: Option<Closing>,
    /// Who closes the client's connection, as plugins are told.
    pub(crate) closed_by: PeerType,
    pub(crate) info: ConnectionInfo,
    pub(crate) upstream: Option<SocketAddr>,
    pub(crate) upstream_local: Option<SocketAddr>,
    /// When the connection came, in nanoseconds since 1970, and on the monotonic clock.
    pub(crate) started_realtime: u64,
    pub(crate) started_monotonic: u64,
    /// How long it took, once it is over.
    pub(crate) taken: Option<Duration>,
    /// Bytes of the client that left the last plugin.
    pub(crate) received: u64,
    /// Bytes of the server that came.
    pub(crate) sent: u64,
    pub(crate) filter_state: Option<Box<FilterState>>,
    pub(crate) options: ChainOptions,
    waker: Option<Waker>,
}

/// Why a connection ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// A plugin asked for it.
    Plugin,
    /// A plugin's VM failed.
    Failed,
}

impl<E> From<Closing> for TcpEnd<E> {
    fn from(closing: Closing) -> Self {
        match closing {
            Closing::Plugin => TcpEnd::ClosedByPlugin,
            Closing::Failed => TcpEnd::PluginFailed,
        }
    }
}

impl State {
    pub(crate) fn new(chain: &Rc<Inner>, info: ConnectionInfo) -> Self {
        State {
            slots: std::iter::repeat_with(Slot::default)
                .take(chain.filters.len())
                .collect(),
            opening: None,
            closing: None,
            closed_by: PeerType::Local,
            info,
            upstream: None,
            upstream_local: None,
            started_realtime: chain.platform().realtime_ns(),
            started_monotonic: chain.platform().monotonic_ns(),
            taken: None,
            received: 0,
            sent: 0,
            filter_state: None,
            options: chain.options,
            waker: None,
        }
    }

    /// Ends the connection; the first reason counts.
    pub(crate) fn close(&mut self, why: Closing) {
        self.closing.get_or_insert(why);
    }

    /// Has the driver called again when something happens.
    pub(crate) fn register(&mut self, task: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(task.waker()),
            None => self.waker = Some(task.waker().clone()),
        }
    }
}

/// One plugin's part of a connection.
#[derive(Default)]
pub(crate) struct Slot {
    pub(crate) at: Option<At>,
    /// The plugin failed, and its policy lets the connection go on without it.
    pub(crate) skipped: bool,
    /// The plugin's VM knows that the connection waits.
    pub(crate) waits: bool,
    /// By [`Side`].
    pub(crate) lanes: [Lane; 2],
}

/// One plugin's part of a direction.
#[derive(Default)]
pub(crate) struct Lane {
    /// Bytes that wait here, or that the plugin looks at now.
    pub(crate) buffer: Body,
    /// The end of the direction came.
    pub(crate) end: bool,
    /// The plugin paused.
    pub(crate) held: bool,
    /// The plugin may look at the buffer now.
    pub(crate) open: bool,
    /// The plugin asked to go on.
    pub(crate) resumed: bool,
}

/// A plugin's view of a TCP connection.
pub(crate) struct TcpHandle {
    connection: Rc<Connection>,
    index: usize,
}

impl TcpHandle {
    /// The place of an access logger, which has no part of its own in the connection.
    const LOGGER: usize = usize::MAX;

    pub(crate) fn new(connection: Rc<Connection>, index: usize) -> Self {
        TcpHandle { connection, index }
    }

    /// An access logger's view of a connection that is over.
    pub(crate) fn of_logger(connection: Rc<Connection>) -> Self {
        TcpHandle::new(connection, Self::LOGGER)
    }
}

#[expect(
    refining_impl_trait,
    reason = "the buffers of all kinds of stream have one type"
)]
impl StreamState for TcpHandle {
    fn buffer(&mut self, buffer: BufferType) -> Option<RefMut<'_, Body>> {
        let side = match buffer {
            BufferType::DownstreamData => Side::Downstream,
            BufferType::UpstreamData => Side::Upstream,
            _ => return None,
        };
        let index = self.index;
        let state = self.connection.0.try_borrow_mut().ok()?;
        RefMut::filter_map(state, |state| {
            let limit = state.options.body_growth;
            let lane = &mut state.slots.get_mut(index)?.lanes[side as usize];
            (lane.open && lane.buffer.len() <= limit).then_some(&mut lane.buffer)
        })
        .ok()
    }

    /// There is nobody to answer. Envoy says the same.
    fn send_local_response(&mut self, _: LocalResponse) -> Status {
        Status::Ok
    }

    fn continue_stream(&mut self, stream: StreamType) -> Status {
        let side = match stream {
            StreamType::Downstream => Side::Downstream,
            StreamType::Upstream => Side::Upstream,
            // Nothing to do here, as on Envoy.
            StreamType::HttpRequest | StreamType::HttpResponse => return Status::Ok,
        };
        if let Some(slot) = self.connection.state().slots.get_mut(self.index) {
            slot.lanes[side as usize].resumed = true;
        }
        self.connection.wake();
        Status::Ok
    }

    fn close_stream(&mut self, stream: StreamType) -> Status {
        // On Envoy too, closing one side closes the other.
        if let StreamType::Downstream | StreamType::Upstream = stream {
            self.connection.state().close(Closing::Plugin);
            self.connection.wake();
        }
        Status::Ok
    }

    fn property(&mut self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        properties::get(&mut self.connection.state(), path, out).is_some()
    }

    fn set_property(
        &mut self,
        path: PropertyPath<'_>,
        value: &[u8],
        declared: &PropertyDeclaration,
    ) -> Status {
        // As on Envoy: access loggers get the connection to read.
        if self.index == Self::LOGGER {
            return Status::NotFound;
        }
        let key = Key::property(path.as_bytes());
        properties::set(&mut self.connection.state(), key, value, declared.read_only)
    }

    fn set_filter_state(&mut self, key: &[u8], value: &[u8], _: LifeSpan) -> Status {
        if self.index == Self::LOGGER {
            return Status::NotFound;
        }
        properties::set(&mut self.connection.state(), Key::named(key), value, false)
    }
}
