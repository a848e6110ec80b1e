//! The byte stream of a connection, noting when bytes move.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connection::Connection;

/// What every HTTP/2 connection of a client with prior knowledge begins with (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection's socket. What [`ConnectionIo::speaks_http2`] read is read again from here.
pub(super) struct ConnectionIo {
    stream: TcpStream,
    connection: Rc<Connection>,
    first: [u8; PREFACE.len()],
    first_read: usize,
    first_given: usize,
}

impl ConnectionIo {
    pub(super) fn new(stream: TcpStream, connection: Rc<Connection>) -> Self {
        ConnectionIo {
            stream,
            connection,
            first: [0; PREFACE.len()],
            first_read: 0,
            first_given: 0,
        }
    }

    /// Reads as far as it takes to tell the versions of HTTP apart.
    pub(super) async fn speaks_http2(&mut self) -> io::Result<bool> {
        loop {
            let read = self.stream.read(&mut self.first[self.first_read..]).await?;
            self.connection.note_read();
            self.first_read += read;
            if read == 0 || self.first[..self.first_read] != PREFACE[..self.first_read] {
                return Ok(false);
            }
            if self.first_read == PREFACE.len() {
                return Ok(true);
            }
        }
    }
}

impl AsyncRead for ConnectionIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let first = &this.first[this.first_given..this.first_read];
        if !first.is_empty() {
            let count = first.len().min(buffer.remaining());
            buffer.put_slice(&first[..count]);
            this.first_given += count;
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        if buffer.filled().len() != before {
            this.connection.note_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ConnectionIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.connection.note_write();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        self.connection.note_write();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
