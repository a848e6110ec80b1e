//! The one stream of a run, as the plugin sees it.

use std::ops::DerefMut;

use enginebay::abi::{BufferType, MapType, PropertyPath, Status, StreamType};
use enginebay::host::LifeSpan;
use enginebay::{Body, HeaderMap, LocalResponse, PropertyDeclaration, StreamState};

use super::given_properties::GivenProperties;
use super::properties::Properties;

/// The two directions of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Response,
}

/// One direction, and which parts of it the plugin can reach now.
///
/// A part is within reach from its own callback on until the plugin lets it go, as on Envoy.
#[derive(Default)]
pub(super) struct Half {
    pub(super) headers: HeaderMap,
    pub(super) headers_open: bool,
    pub(super) body: Body,
    pub(super) body_open: bool,
    pub(super) trailers: HeaderMap,
    pub(super) trailers_open: bool,
}

impl Half {
    pub(super) fn close(&mut self) {
        self.headers_open = false;
        self.body_open = false;
        self.trailers_open = false;
    }
}

/// The stream's state: its messages, and what the plugin asked for during the callback that ran last.
#[derive(Default)]
pub(super) struct Stream {
    pub(super) request: Half,
    pub(super) response: Half,
    /// A local response that is yet to be sent.
    pub(super) local: Option<LocalResponse>,
    /// A stream is answered once.
    answered: bool,
    pub(super) closed: bool,
    request_resumed: bool,
    response_resumed: bool,
    properties: Properties,
}

impl Stream {
    pub(super) fn new(properties: GivenProperties) -> Self {
        Stream {
            properties: Properties::new(properties),
            ..Stream::default()
        }
    }

    pub(super) fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
        }
    }

    /// Whether the plugin asked to go on with this direction since the last call.
    pub(super) fn take_resumed(&mut self, side: Side) -> bool {
        std::mem::take(match side {
            Side::Request => &mut self.request_resumed,
            Side::Response => &mut self.response_resumed,
        })
    }

    /// Opens for reading what `proxy_on_log` can read.
    pub(super) fn open_for_log(&mut self) {
        self.request.close();
        self.response.close();
        self.request.headers_open = true;
        self.response.headers_open = true;
        self.response.trailers_open = true;
    }
}

impl StreamState for Stream {
    fn headers(&mut self, map: MapType) -> Option<impl DerefMut<Target = HeaderMap>> {
        let (open, map) = match map {
            MapType::HttpRequestHeaders => (self.request.headers_open, &mut self.request.headers),
            MapType::HttpRequestTrailers => (self.request.trailers_open, &mut self.request.trailers),
            MapType::HttpResponseHeaders => (self.response.headers_open, &mut self.response.headers),
            MapType::HttpResponseTrailers => (self.response.trailers_open, &mut self.response.trailers),
            _ => return None,
        };
        open.then_some(map)
    }

    fn buffer(&mut self, buffer: BufferType) -> Option<impl DerefMut<Target = Body>> {
        let half = match buffer {
            BufferType::HttpRequestBody => &mut self.request,
            BufferType::HttpResponseBody => &mut self.response,
            _ => return None,
        };
        half.body_open.then_some(&mut half.body)
    }

    fn send_local_response(&mut self, response: LocalResponse) -> Status {
        if self.answered {
            return Status::BadArgument;
        }
        self.answered = true;
        self.local = Some(response);
        Status::Ok
    }

    fn continue_stream(&mut self, stream: StreamType) -> Status {
        match stream {
            StreamType::HttpRequest => {
                self.request_resumed = true;
                self.request.close();
                Status::Ok
            }
            StreamType::HttpResponse => {
                self.response_resumed = true;
                Status::Ok
            }
            StreamType::Downstream => Status::Ok,
            StreamType::Upstream => Status::Unimplemented,
        }
    }

    fn close_stream(&mut self, stream: StreamType) -> Status {
        if matches!(stream, StreamType::HttpRequest | StreamType::HttpResponse) {
            self.closed = true;
        }
        Status::Ok
    }

    fn property(&mut self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        self.properties.get(path, &self.request, &self.response, out)
    }

    fn set_property(
        &mut self,
        path: PropertyPath<'_>,
        value: &[u8],
        declared: &PropertyDeclaration,
    ) -> Status {
        self.properties.set(path, value, declared)
    }

    fn set_filter_state(&mut self, key: &[u8], value: &[u8], span: LifeSpan) -> Status {
        self.properties.set_filter_state(key, value, span)
    }
}
