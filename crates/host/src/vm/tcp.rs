//! The callbacks of TCP streams (section "TCP streams").

use enginebay_abi::{Action, Callback, PeerType};

use super::{ContextId, Vm};
use crate::{Failure, StreamState};

impl<S: StreamState> Vm<S> {
    /// `proxy_on_new_connection`: the client has connected, and nothing has been read from it.
    ///
    /// Any result but 0 is [`Action::Pause`], as on Envoy; here and in the two data callbacks.
    ///
    /// # Errors
    /// When the VM failed, or fails now. Likewise for all callbacks below.
    pub fn on_new_connection(&self, id: ContextId) -> Result<Action, Failure> {
        let result = self.callback(Callback::ProxyOnNewConnection, id.0, &[u64::from(id.0)], 0)?;
        Ok(Action::from_guest(result as u32))
    }

    /// `proxy_on_downstream_data`, with the size of the buffer `DOWNSTREAM_DATA` and whether the client sends nothing
    /// after it.
    pub fn on_downstream_data(
        &self,
        id: ContextId,
        size: usize,
        end_of_stream: bool,
    ) -> Result<Action, Failure> {
        self.data_callback(Callback::ProxyOnDownstreamData, id, size, end_of_stream)
    }

    /// `proxy_on_upstream_data`, with the size of the buffer `UPSTREAM_DATA` and whether the server sends nothing after
    /// it.
    pub fn on_upstream_data(
        &self,
        id: ContextId,
        size: usize,
        end_of_stream: bool,
    ) -> Result<Action, Failure> {
        self.data_callback(Callback::ProxyOnUpstreamData, id, size, end_of_stream)
    }

    /// `proxy_on_downstream_connection_close`, with who closed the client's connection.
    pub fn on_downstream_connection_close(&self, id: ContextId, by: PeerType) -> Result<(), Failure> {
        self.close_callback(Callback::ProxyOnDownstreamConnectionClose, id, by)
    }

    /// `proxy_on_upstream_connection_close`, with who closed the connection to the server.
    pub fn on_upstream_connection_close(&self, id: ContextId, by: PeerType) -> Result<(), Failure> {
        self.close_callback(Callback::ProxyOnUpstreamConnectionClose, id, by)
    }

    /// Ends a TCP stream: `proxy_on_done`, `proxy_on_log`, and `proxy_on_delete` unless the plugin asks to wait for its
    /// `proxy_done`. That is Envoy's order for TCP; for HTTP, where the log comes first, see [`Vm::on_log`] and
    /// [`Vm::finish`]. Does nothing for a context that was finished before.
    ///
    /// # Errors
    /// When the VM failed, or fails now. The context is gone in any case, then or when the VM fails later.
    pub fn finish_connection(&self, id: ContextId) -> Result<(), Failure> {
        if self.is_over(id) {
            return self.check();
        }
        let result = self.done_and_log(id);
        if result.is_err() {
            self.remove(id.0);
        }
        match result? {
            true => self.delete(id.0),
            false => Ok(()),
        }
    }

    /// Says whether the context is to be deleted now.
    fn done_and_log(&self, id: ContextId) -> Result<bool, Failure> {
        let done = self.callback(Callback::ProxyOnDone, id.0, &[u64::from(id.0)], 1)? as u32 != 0;
        // Before the log: the plugin may call `proxy_done` there.
        let over = done || !self.keep(id.0);
        self.on_log(id)?;
        Ok(over)
    }

    fn data_callback(
        &self,
        callback: Callback,
        id: ContextId,
        size: usize,
        end_of_stream: bool,
    ) -> Result<Action, Failure> {
        let args = [u64::from(id.0), size as u64, u64::from(end_of_stream)];
        let result = self.callback(callback, id.0, &args, 0)?;
        Ok(Action::from_guest(result as u32))
    }

    fn close_callback(&self, callback: Callback, id: ContextId, by: PeerType) -> Result<(), Failure> {
        let args = [u64::from(id.0), u64::from(by.as_u32())];
        self.callback(callback, id.0, &args, 0).map(|_| ())
    }
}
