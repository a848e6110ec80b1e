//! A connection on its chain: bytes on their way through the plugins.

use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use enginebay::abi::{Action, PeerType};
use enginebay::{Absent, Body, Vm};

use super::state::{Closing, Connection, Side, State, TcpHandle};
use crate::chain::Inner;
use crate::context::Stopped;
use crate::handle::Handle;
use crate::lane::append;
use crate::vms::{At, Root};
use crate::{ConnectionInfo, LocalChain};

/// What came out of the last plugin of a direction.
#[derive(Default)]
pub(crate) struct Out {
    pub(crate) data: Body,
    pub(crate) end: bool,
}

/// A connection on its chain.
#[derive(Clone)]
pub(crate) struct Cx {
    pub(super) chain: Rc<Inner>,
    pub(crate) connection: Rc<Connection>,
}

impl Cx {
    pub(crate) fn new(chain: &LocalChain, info: ConnectionInfo) -> Self {
        let chain = chain.0.clone();
        let connection = Connection::new(State::new(&chain, info));
        Cx { chain, connection }
    }

    fn count(&self) -> usize {
        self.chain.filters.len()
    }

    /// The plugin at this place of the direction: bytes of the server pass them backwards.
    fn index(&self, side: Side, position: usize) -> usize {
        match side {
            Side::Downstream => position,
            Side::Upstream => self.count() - 1 - position,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Stopped> {
        match self.connection.state().closing {
            Some(_) => Err(Stopped),
            None => Ok(()),
        }
    }

    /// Tells the plugins from this place on of the connection. [`State::opening`] is the one that paused, if one did.
    pub(crate) fn open(&self, from: usize) -> Result<(), Stopped> {
        for index in from..self.count() {
            let filter = &self.chain.filters[index];
            let Some(root) = filter.plugin.for_stream() else {
                let refused = filter.plugin.plugin().why_absent() == Some(Absent::Configuration);
                if refused || !filter.lets_go_on(true) {
                    self.connection.state().close(Closing::Failed);
                }
                self.check()?;
                continue;
            };
            let failed_before = root.vm().failure().is_some();
            let handle = Handle::Tcp(TcpHandle::new(self.connection.clone(), index));
            match root.vm().create_stream(root.id, handle) {
                Ok(id) => self.connection.state().slots[index].at = Some(At { root, id }),
                Err(_) => {
                    self.failed(index, &root, failed_before)?;
                    continue;
                }
            }
            self.check()?;
            self.connection.state().slots[index].lanes[Side::Downstream as usize].resumed = false;
            if self.call(index, Vm::on_new_connection)? == Some(Action::Pause) {
                self.connection.state().opening = Some(index);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Goes on with the connection if the plugin that paused it asked for that, or failed. Says whether it is open.
    pub(crate) fn poll_open(&self, task: &Context<'_>) -> Result<bool, Stopped> {
        loop {
            self.check()?;
            let Some(index) = self.connection.state().opening else {
                return Ok(true);
            };
            if !self.connection.state().slots[index].lanes[Side::Downstream as usize].resumed {
                let Some(root) = self.failed_root(index) else {
                    self.wait_for(index);
                    self.connection.state().register(task);
                    return Ok(false);
                };
                self.failed(index, &root, false)?;
            }
            self.no_longer_waits(index);
            self.connection.state().opening = None;
            self.open(index + 1)?;
        }
    }

    /// Brings bytes from this place on through the plugins. `end` is the direction's end.
    pub(crate) fn data(
        &self,
        side: Side,
        from: usize,
        mut data: Body,
        mut end: bool,
        out: &mut Out,
    ) -> Result<(), Stopped> {
        if side == Side::Upstream && from == 0 {
            self.connection.state().sent += data.len() as u64;
        }
        for position in from..self.count() {
            if data.is_empty() && !end {
                return Ok(());
            }
            let index = self.index(side, position);
            let len = {
                let mut state = self.connection.state();
                let slot = &mut state.slots[index];
                if slot.at.is_none() || slot.skipped {
                    continue;
                }
                let lane = &mut slot.lanes[side as usize];
                append(&mut lane.buffer, &mut data);
                lane.end |= end;
                end = lane.end;
                lane.open = true;
                lane.resumed = false;
                lane.buffer.len()
            };
            let action = self.call(index, |vm, id| match side {
                Side::Downstream => vm.on_downstream_data(id, len, end),
                Side::Upstream => vm.on_upstream_data(id, len, end),
            })?;
            if side == Side::Upstream && end {
                // The one place where Envoy makes this callback, and it never says who it was.
                self.call(index, |vm, id| {
                    vm.on_upstream_connection_close(id, PeerType::Unknown)
                })?;
            }
            if action == Some(Action::Pause) && self.at(index).is_some() {
                self.connection.state().slots[index].lanes[side as usize].held = true;
                return Ok(());
            }
            (data, end) = self.leave(side, index);
        }
        if side == Side::Downstream {
            self.connection.state().received += data.len() as u64;
        }
        append(&mut out.data, &mut data);
        out.end |= end;
        Ok(())
    }

    /// Passes on what plugins held back that asked to go on, or failed. Says whether there was anything.
    pub(crate) fn release(&self, side: Side, out: &mut Out) -> Result<bool, Stopped> {
        let mut any = false;
        for position in 0..self.count() {
            let index = self.index(side, position);
            let (held, resumed) = {
                let state = self.connection.state();
                let lane = &state.slots[index].lanes[side as usize];
                (lane.held, lane.resumed)
            };
            if !held {
                continue;
            }
            if !resumed {
                let Some(root) = self.failed_root(index) else {
                    continue;
                };
                self.failed(index, &root, false)?;
            }
            any = true;
            let (data, end) = self.leave(side, index);
            self.data(side, position + 1, data, end, out)?;
        }
        Ok(any)
    }

    /// How many more bytes may come while plugins hold the direction up; `None` if none does.
    pub(crate) fn room(&self, side: Side) -> Option<usize> {
        let state = self.connection.state();
        let limit = state.options.body_buffer;
        let held = state.slots.iter().map(|slot| &slot.lanes[side as usize]);
        held.filter(|lane| lane.held)
            .map(|lane| limit.saturating_sub(lane.buffer.len()))
            .min()
    }

    /// Has the driver called again when a plugin goes on, fails or closes.
    pub(crate) fn wait(&self, task: &Context<'_>) {
        for index in 0..self.count() {
            let holds = self.connection.state().slots[index]
                .lanes
                .iter()
                .any(|lane| lane.held);
            if holds {
                self.wait_for(index);
            }
        }
        self.connection.state().register(task);
    }

    /// Ends the connection for every plugin that saw it, and then for the access loggers, as on Envoy.
    pub(crate) fn end(&self) {
        let by = self.connection.state().closed_by;
        for index in 0..self.count() {
            let at = self.connection.state().slots[index].at.take();
            let Some(At { root, id }) = at else { continue };
            root.shared().no_longer_waits(id);
            let vm = root.vm();
            let told = vm.on_downstream_connection_close(id, by);
            match told.and_then(|()| vm.finish_connection(id)) {
                Ok(()) => root.shared().prove(),
                Err(_) => {
                    vm.abandon(id);
                    root.shared().failed();
                }
            }
        }
        {
            let mut state = self.connection.state();
            let taken = self.chain.platform().monotonic_ns();
            let taken = taken.saturating_sub(state.started_monotonic);
            state.taken = Some(Duration::from_nanos(taken));
        }
        self.chain
            .log(|| Handle::Tcp(TcpHandle::of_logger(self.connection.clone())));
    }

    /// Where a plugin is that holds something up, if its VM failed.
    fn failed_root(&self, index: usize) -> Option<Rc<Root>> {
        let state = self.connection.state();
        let root = &state.slots[index].at.as_ref()?.root;
        root.vm().failure().map(|_| root.clone())
    }

    /// Takes everything that waits at a plugin, which has no more access to it.
    fn leave(&self, side: Side, index: usize) -> (Body, bool) {
        let (left, other_holds) = {
            let mut state = self.connection.state();
            let lanes = &mut state.slots[index].lanes;
            let left = std::mem::take(&mut lanes[side as usize]);
            (left, lanes[side.other() as usize].held)
        };
        if !other_holds {
            self.no_longer_waits(index);
        }
        (left.buffer, left.end)
    }
}
