//! The heads of a request and of a response, which become a plugin's map when one looks at them.

use bytes::Bytes;
use enginebay::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, StatusCode, Uri, request, response};

use crate::ResponseDetails;
use crate::fields::{self, Invalid, Known};

/// Why a request that plugins changed is not sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadRequest {
    /// A plugin took out `:path`, so there is nowhere to go.
    NoPath,
    /// A plugin took out `:method`.
    NoMethod,
    /// A header or pseudo-header can't be sent.
    Invalid,
}

impl From<Invalid> for BadRequest {
    fn from(_: Invalid) -> Self {
        BadRequest::Invalid
    }
}

/// The head of a request.
pub(crate) struct RequestHead {
    /// Until the request is sent on.
    parts: Option<request::Parts>,
    map: Option<HeaderMap>,
    tls: bool,
    /// It came as a HEAD request, whatever plugins make of it.
    head: bool,
}

impl RequestHead {
    /// That of no request.
    #[inline]
    pub(crate) fn none() -> Self {
        RequestHead {
            parts: None,
            map: None,
            tls: false,
            head: false,
        }
    }

    /// Begins with these; there is no map.
    #[inline]
    pub(crate) fn begin(&mut self, parts: request::Parts, tls: bool) {
        self.head = parts.method == Method::HEAD;
        self.tls = tls;
        self.parts = Some(parts);
    }

    /// Whether the client wants no body.
    pub(crate) fn is_head(&self) -> bool {
        self.head
    }

    /// Number of headers that plugins see.
    pub(crate) fn len(&self) -> usize {
        match (&self.map, &self.parts) {
            (Some(map), _) => map.len(),
            (None, Some(parts)) => {
                let pseudo = 2
                    + usize::from(authority(parts).is_some())
                    + usize::from(parts.uri.path_and_query().is_some());
                parts.headers.len() - fields::hosts(&parts.headers) + pseudo
            }
            (None, None) => 0,
        }
    }

    /// The plugins' map, made in `spare` if it is not there yet.
    pub(crate) fn map(&mut self, spare: impl FnOnce() -> HeaderMap) -> &mut HeaderMap {
        let (parts, tls) = (&self.parts, self.tls);
        self.map.get_or_insert_with(|| {
            let mut map = spare();
            if let Some(parts) = parts {
                fill_request(&mut map, parts, tls);
            }
            map.set_unmodified();
            map
        })
    }

    /// A value by the name that plugins know it by, whether or not one has looked yet.
    pub(crate) fn value(&self, name: &str) -> Option<&[u8]> {
        if let Some(map) = &self.map {
            return map.get(name);
        }
        let parts = self.parts.as_ref()?;
        match name {
            ":authority" | "host" => authority(parts),
            ":path" => parts.uri.path_and_query().map(|path| path.as_str().as_bytes()),
            ":method" => Some(parts.method.as_str().as_bytes()),
            ":scheme" => Some(scheme(parts, self.tls).as_bytes()),
            name => parts.headers.get(name).map(HeaderValue::as_bytes),
        }
    }

    pub(crate) fn is_grpc(&self) -> bool {
        self.value("content-type").is_some_and(is_grpc)
    }

    /// Makes it the head to send on, as the plugins left it. Gives its fields.
    pub(crate) fn finish(&mut self, known: &Known) -> Result<&mut http::HeaderMap, BadRequest> {
        let Some(parts) = &mut self.parts else {
            return Err(BadRequest::Invalid);
        };
        if let Some(map) = self.map.as_ref().filter(|map| map.is_modified()) {
            match map.added().filter(|added| only_fields(added.clone())) {
                Some(added) => append_all(&mut parts.headers, known, added)?,
                None => rebuild_request(parts, known, map)?,
            }
        }
        Ok(&mut parts.headers)
    }

    /// Takes the head to send on. Once.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<request::Parts> {
        self.parts.take()
    }

    pub(crate) fn take_map(&mut self) -> Option<HeaderMap> {
        self.map.take()
    }
}

pub(crate) fn is_grpc(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

fn authority(parts: &request::Parts) -> Option<&[u8]> {
    match parts.uri.authority() {
        Some(authority) => Some(authority.as_str().as_bytes()),
        None => parts.headers.get(HOST).map(HeaderValue::as_bytes),
    }
}

fn scheme(parts: &request::Parts, tls: bool) -> &str {
    match (parts.uri.scheme_str(), tls) {
        (Some(scheme), _) => scheme,
        (None, true) => "https",
        (None, false) => "http",
    }
}

/// Pseudo-headers first, as Envoy orders them.
fn fill_request(map: &mut HeaderMap, parts: &request::Parts, tls: bool) {
    if let Some(authority) = authority(parts) {
        fields::add(map, ":authority", authority);
    }
    if let Some(path) = parts.uri.path_and_query() {
        fields::add(map, ":path", path.as_str().as_bytes());
    }
    fields::add(map, ":method", parts.method.as_str().as_bytes());
    fields::add(map, ":scheme", scheme(parts, tls).as_bytes());
    fields::add_all(map, &parts.headers, Some(&HOST));
}

/// Whether these are fields and nothing else that a head has in another place.
fn only_fields<'a>(mut headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> bool {
    headers.all(|(name, _)| !name.starts_with(b":") && name != b"host")
}

fn append_all<'a>(
    headers: &mut http::HeaderMap,
    known: &Known,
    added: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<(), Invalid> {
    for (name, value) in added {
        known.append(headers, name, value)?;
    }
    Ok(())
}

fn rebuild_request(parts: &mut request::Parts, known: &Known, map: &HeaderMap) -> Result<(), BadRequest> {
    let mut headers = http::HeaderMap::with_capacity(map.len());
    let (mut method, mut path, mut scheme, mut authority) = (None, None, None, None);
    for (name, value) in map.iter() {
        match name {
            b":method" => method = Some(value),
            b":path" => path = Some(value),
            b":scheme" => scheme = Some(value),
            b":authority" | b"host" => authority = Some(value),
            _ => known.append(&mut headers, name, value)?,
        }
    }

    let method = method.ok_or(BadRequest::NoMethod)?;
    if method != parts.method.as_str().as_bytes() {
        parts.method = Method::from_bytes(method).map_err(|_| BadRequest::Invalid)?;
    }
    if path.is_none() && parts.method != Method::CONNECT {
        return Err(BadRequest::NoPath);
    }

    // The URI has a scheme and an authority where the client sent them, and the header where it sent that one.
    let had_host = parts.headers.contains_key(HOST);
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    if let Some(path) = path
        && uri
            .path_and_query
            .as_ref()
            .is_none_or(|old| old.as_str().as_bytes() != path)
    {
        uri.path_and_query = Some(PathAndQuery::try_from(path).map_err(|_| BadRequest::Invalid)?);
    }
    if let (Some(scheme), Some(_)) = (scheme, &uri.scheme) {
        uri.scheme = Some(Scheme::try_from(scheme).map_err(|_| BadRequest::Invalid)?);
    }
    if let Some(old) = &uri.authority {
        match authority {
            Some(new) if new == old.as_str().as_bytes() => {}
            Some(new) => uri.authority = Some(Authority::try_from(new).map_err(|_| BadRequest::Invalid)?),
            // There is no URI with a scheme and a path alone.
            None => (uri.authority, uri.scheme) = (None, None),
        }
    }
    if let Some(authority) = authority
        && (had_host || uri.authority.is_none())
    {
        headers.insert(
            HOST,
            HeaderValue::from_bytes(authority).map_err(|_| BadRequest::Invalid)?,
        );
    }
    parts.uri = Uri::from_parts(uri).map_err(|_| BadRequest::Invalid)?;
    parts.headers = headers;
    Ok(())
}

/// The head of a response.
pub(crate) struct ResponseHead {
    /// Until the response is sent.
    parts: Option<response::Parts>,
    map: Option<HeaderMap>,
    status: StatusCode,
    details: Option<ResponseDetails>,
}

impl ResponseHead {
    #[inline]
    pub(crate) fn new(parts: response::Parts) -> Self {
        ResponseHead {
            status: parts.status,
            details: None,
            parts: Some(parts),
            map: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match (&self.map, &self.parts) {
            (Some(map), _) => map.len(),
            (None, Some(parts)) => parts.headers.len() + 1,
            (None, None) => 0,
        }
    }

    pub(crate) fn map(&mut self, spare: impl FnOnce() -> HeaderMap) -> &mut HeaderMap {
        let (parts, status) = (&self.parts, self.status);
        self.map.get_or_insert_with(|| {
            let mut map = spare();
            fields::add(&mut map, ":status", status.as_str().as_bytes());
            if let Some(parts) = parts {
                fields::add_all(&mut map, &parts.headers, None);
            }
            map.set_unmodified();
            map
        })
    }

    pub(crate) fn value(&self, name: &str) -> Option<&[u8]> {
        if let Some(map) = &self.map {
            return map.get(name);
        }
        match name {
            ":status" => Some(self.status.as_str().as_bytes()),
            name => self.parts.as_ref()?.headers.get(name).map(HeaderValue::as_bytes),
        }
    }

    /// Why the chain answered, if it did.
    pub(crate) fn details(&self) -> Option<&str> {
        let parts = self.parts.as_ref();
        let details = parts.map_or(self.details.as_ref(), |parts| parts.extensions.get());
        details.map(|ResponseDetails(details)| details.as_str())
    }

    /// Keeps [`ResponseHead::details`] for when the head is sent.
    pub(crate) fn keep_details(&mut self) {
        if let Some(parts) = &self.parts {
            self.details = parts.extensions.get().cloned();
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Makes it the head to send, as the plugins left it. Gives its fields.
    pub(crate) fn finish(&mut self, known: &Known) -> Result<&mut http::HeaderMap, Invalid> {
        let Some(parts) = &mut self.parts else {
            return Err(Invalid);
        };
        if let Some(map) = self.map.as_ref().filter(|map| map.is_modified()) {
            match map.added().filter(|added| only_fields(added.clone())) {
                Some(added) => append_all(&mut parts.headers, known, added)?,
                None => rebuild_response(parts, known, map)?,
            }
        }
        self.status = parts.status;
        Ok(&mut parts.headers)
    }

    /// Takes the head to send. Once.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<response::Parts> {
        self.parts.take()
    }

    pub(crate) fn take_map(&mut self) -> Option<HeaderMap> {
        self.map.take()
    }
}

fn rebuild_response(parts: &mut response::Parts, known: &Known, map: &HeaderMap) -> Result<(), Invalid> {
    let mut headers = http::HeaderMap::with_capacity(map.len());
    let mut status = None;
    for (name, value) in map.iter() {
        match name {
            b":status" => status = Some(value),
            _ => known.append(&mut headers, name, value)?,
        }
    }
    let status = status.ok_or(Invalid)?;
    parts.status = StatusCode::from_bytes(status).map_err(|_| Invalid)?;
    parts.headers = headers;
    Ok(())
}

/// The head of a response that the chain makes itself, and its body.
pub(crate) fn response_parts(
    status: StatusCode,
    headers: impl IntoIterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)>,
    default_type: Option<&'static str>,
    body: &Bytes,
) -> response::Parts {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = status;
    for (name, value) in headers {
        let (name, value) = (name.as_ref(), value.as_ref());
        // The length is the body's, whatever the plugin says.
        if !name.starts_with(b":") && !name.eq_ignore_ascii_case(b"content-length") {
            let _ = fields::append(&mut parts.headers, name, value);
        }
    }
    parts
        .headers
        .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    if let Some(default) = default_type
        && !parts.headers.contains_key(CONTENT_TYPE)
    {
        parts
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(default));
    }
    parts
}
