//! What callouts bring, and their end.

use bytes::Bytes;
use enginebay_abi::Callback;

use super::Vm;
use crate::callouts::{CalloutKind, Received, What};
use crate::{Body, CalloutId, Failure, HeaderMap, HttpCallResponse, StreamState};

/// Callouts: what came of what [`Callouts`](crate::Callouts) sent. A callout that was cancelled meanwhile, by the plugin or
/// with its context, is ignored.
impl<S: StreamState> Vm<S> {
    /// `proxy_on_http_call_response`: the response to an HTTP call, or `None` where there is none, which the plugin is told
    /// as 0 headers.
    ///
    /// # Errors
    /// When the VM failed, or fails now. Likewise for all callbacks below.
    pub fn on_http_call_response(
        &self,
        id: CalloutId,
        response: Option<HttpCallResponse>,
    ) -> Result<(), Failure> {
        self.check()?;
        let Some(context) = self.state.forget_callout(id) else {
            return Ok(());
        };
        let response = response.unwrap_or_default();
        let sizes = [
            response.headers.len(),
            response.body.len(),
            response.trailers.len(),
        ]
        .map(|size| size as u64);
        let args = |root| [root, u64::from(id.0), sizes[0], sizes[1], sizes[2]];
        self.tell(
            Callback::ProxyOnHttpCallResponse,
            context,
            args,
            What::Http(response),
        )
    }

    /// `proxy_on_grpc_receive_initial_metadata`: the headers of the server's response.
    pub fn on_grpc_receive_initial_metadata(
        &self,
        id: CalloutId,
        metadata: HeaderMap,
    ) -> Result<(), Failure> {
        let len = metadata.len();
        let callback = Callback::ProxyOnGrpcReceiveInitialMetadata;
        self.tell_of(id, callback, len as u64, What::InitialMetadata(metadata))
    }

    /// `proxy_on_grpc_receive`: a message. For a call, as opposed to a stream, it is the last there is.
    pub fn on_grpc_receive(&self, id: CalloutId, message: Bytes) -> Result<(), Failure> {
        let mut body = Body::new();
        body.push(message);
        let len = body.len() as u64;
        let is_call = id.kind() == Some(CalloutKind::GrpcCall);
        let callback = Callback::ProxyOnGrpcReceive;
        match is_call {
            true => {
                self.check()?;
                let Some(context) = self.state.forget_callout(id) else {
                    return Ok(());
                };
                let args = |root| [root, u64::from(id.0), len];
                self.tell(callback, context, args, What::Message(body))
            }
            false => self.tell_of(id, callback, len, What::Message(body)),
        }
    }

    /// `proxy_on_grpc_receive_trailing_metadata`: the trailers of the server's response.
    pub fn on_grpc_receive_trailing_metadata(
        &self,
        id: CalloutId,
        metadata: HeaderMap,
    ) -> Result<(), Failure> {
        let len = metadata.len();
        let callback = Callback::ProxyOnGrpcReceiveTrailingMetadata;
        self.tell_of(id, callback, len as u64, What::TrailingMetadata(metadata))
    }

    /// `proxy_on_grpc_close`: the server ended the call or stream, with this gRPC status and message.
    pub fn on_grpc_close(&self, id: CalloutId, status: u32, message: &[u8]) -> Result<(), Failure> {
        self.check()?;
        let context = {
            let mut pending = self.state.pending.borrow_mut();
            let Some(entry) = pending.get_mut(id).filter(|entry| !entry.closed_there) else {
                return Ok(());
            };
            entry.closed_there = true;
            // As on Envoy, a stream that the plugin has not ended yet is still its to close.
            let stays = id.kind() == Some(CalloutKind::GrpcStream) && !entry.closed_here;
            let context = entry.context;
            drop(pending);
            if !stays {
                self.state.forget_callout(id);
            }
            context
        };
        {
            let mut last = self.state.grpc_status.borrow_mut();
            last.code = status;
            last.message = Bytes::copy_from_slice(message);
        }
        let args = |root| [root, u64::from(id.0), u64::from(status)];
        let result = self.tell(Callback::ProxyOnGrpcClose, context, args, What::Nothing);
        self.state.grpc_status.borrow_mut().message = Bytes::new();
        result
    }

    /// Number of callouts that contexts of this VM wait for.
    pub fn callout_count(&self) -> usize {
        self.state.pending.borrow().len()
    }

    fn tell_of(&self, id: CalloutId, callback: Callback, size: u64, what: What) -> Result<(), Failure> {
        self.check()?;
        let waiting = self.state.pending.borrow_mut().get_mut(id).map(|entry| *entry);
        let Some(entry) = waiting.filter(|entry| !entry.closed_there) else {
            return Ok(());
        };
        let args = |root| [root, u64::from(id.0), size];
        self.tell(callback, entry.context, args, what)
    }

    /// Makes the callback on the root context of the one that made the callout. The C++ and Go SDKs look there for who waits,
    /// and end in a trap at the id of a stream.
    fn tell<const N: usize>(
        &self,
        callback: Callback,
        context: u32,
        args: impl FnOnce(u64) -> [u64; N],
        what: What,
    ) -> Result<(), Failure> {
        let root = self.state.contexts.borrow().root_of(context);
        self.state.received.replace(Received { root, what });
        let result = self.callback(callback, root, &args(u64::from(root)), 0);
        self.state.received.take();
        result.map(|_| ())
    }
}
