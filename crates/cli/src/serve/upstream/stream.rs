//! The byte stream of a connection to an upstream.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::ProtocolVersion;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::open::OneOpen;

/// A connection, with or without TLS.
pub(in crate::serve) enum UpstreamStream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What there is to know of a connection.
#[derive(Debug)]
pub(in crate::serve) struct Link {
    /// This end of it.
    pub(in crate::serve) local: Option<SocketAddr>,
    /// The version of TLS, in Envoy's words.
    pub(in crate::serve) tls_version: Option<&'static str>,
}

impl UpstreamStream {
    pub(super) fn link(&self) -> Link {
        match self {
            UpstreamStream::Plain(stream) => Link {
                local: stream.local_addr().ok(),
                tls_version: None,
            },
            UpstreamStream::Tls(stream) => {
                let (stream, tls) = stream.get_ref();
                Link {
                    local: stream.local_addr().ok(),
                    tls_version: match tls.protocol_version() {
                        Some(ProtocolVersion::TLSv1_2) => Some("TLSv1.2"),
                        Some(ProtocolVersion::TLSv1_3) => Some("TLSv1.3"),
                        _ => None,
                    },
                }
            }
        }
    }
}

macro_rules! with {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            UpstreamStream::Plain(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            UpstreamStream::Tls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $call
            }
        }
    };
}

impl AsyncRead for UpstreamStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        with!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for UpstreamStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        with!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with!(self, stream => stream.poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            UpstreamStream::Plain(stream) => stream.is_write_vectored(),
            UpstreamStream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(self, stream => stream.poll_shutdown(context))
    }
}

/// A connection that counts as one of its cluster's.
pub(in crate::serve) struct UpstreamConnection {
    pub(in crate::serve) stream: UpstreamStream,
    pub(super) open: OneOpen,
}
