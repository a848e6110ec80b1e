//! What plugins see of any kind of stream: one type, so that streams of all kinds can share a VM.

use std::cell::RefMut;
use std::ops::DerefMut;

use enginebay::abi::{BufferType, MapType, PropertyPath, Status, StreamType};
use enginebay::host::LifeSpan;
use enginebay::{Body, HeaderMap, LocalResponse, PropertyDeclaration, StreamState};

use crate::state::HttpHandle;
use crate::tcp::TcpHandle;

/// Something that waits for a plugin.
pub(crate) trait Wake {
    /// Wakes whoever drives it.
    fn wake(&self);

    /// Bytes that wait at this plugin.
    fn buffered(&self, index: usize) -> usize;
}

/// A plugin's view of a stream.
pub(crate) enum Handle {
    Http(HttpHandle),
    Tcp(TcpHandle),
}

/// Calls the same method of whichever it is.
macro_rules! either {
    ($handle:expr, $inner:ident => $call:expr) => {
        match $handle {
            Handle::Http($inner) => $call,
            Handle::Tcp($inner) => $call,
        }
    };
}

#[expect(
    refining_impl_trait,
    reason = "the buffers of all kinds of stream have one type"
)]
impl StreamState for Handle {
    #[inline]
    fn headers(&mut self, map: MapType) -> Option<impl DerefMut<Target = HeaderMap>> {
        match self {
            Handle::Http(http) => http.headers(map),
            Handle::Tcp(_) => None,
        }
    }

    #[inline]
    fn buffer(&mut self, buffer: BufferType) -> Option<RefMut<'_, Body>> {
        either!(self, inner => inner.buffer(buffer))
    }

    fn send_local_response(&mut self, response: LocalResponse) -> Status {
        either!(self, inner => inner.send_local_response(response))
    }

    fn continue_stream(&mut self, stream: StreamType) -> Status {
        either!(self, inner => inner.continue_stream(stream))
    }

    fn close_stream(&mut self, stream: StreamType) -> Status {
        either!(self, inner => inner.close_stream(stream))
    }

    fn clear_route_cache(&mut self) -> Status {
        either!(self, inner => inner.clear_route_cache())
    }

    fn property(&mut self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        either!(self, inner => inner.property(path, out))
    }

    fn set_property(
        &mut self,
        path: PropertyPath<'_>,
        value: &[u8],
        declared: &PropertyDeclaration,
    ) -> Status {
        either!(self, inner => inner.set_property(path, value, declared))
    }

    fn set_filter_state(&mut self, key: &[u8], value: &[u8], span: LifeSpan) -> Status {
        either!(self, inner => inner.set_filter_state(key, value, span))
    }
}
