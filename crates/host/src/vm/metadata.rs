//! The callbacks for HTTP/2 metadata, which are in no specification. Envoy calls them.

use enginebay_abi::{Callback, FilterMetadataStatus};

use super::{ContextId, Vm};
use crate::{Failure, StreamState};

impl<S: StreamState> Vm<S> {
    /// `proxy_on_request_metadata`, with the number of elements. A stream goes on whatever the plugin returns.
    ///
    /// # Errors
    /// When the VM failed, or fails now.
    pub fn on_request_metadata(
        &self,
        id: ContextId,
        elements: usize,
    ) -> Result<FilterMetadataStatus, Failure> {
        self.metadata_callback(Callback::ProxyOnRequestMetadata, id, elements)
    }

    /// `proxy_on_response_metadata`, likewise.
    ///
    /// # Errors
    /// When the VM failed, or fails now.
    pub fn on_response_metadata(
        &self,
        id: ContextId,
        elements: usize,
    ) -> Result<FilterMetadataStatus, Failure> {
        self.metadata_callback(Callback::ProxyOnResponseMetadata, id, elements)
    }

    fn metadata_callback(
        &self,
        callback: Callback,
        id: ContextId,
        elements: usize,
    ) -> Result<FilterMetadataStatus, Failure> {
        self.callback(callback, id.0, &[u64::from(id.0), elements as u64], 0)?;
        Ok(FilterMetadataStatus::Continue)
    }
}
