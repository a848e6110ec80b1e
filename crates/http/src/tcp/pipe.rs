//! One direction of a connection: reading, and writing what the plugins let through.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::filters::Out;

/// The most that is read at once.
const CHUNK: usize = 64 << 10;

thread_local! {
    /// Read into by all connections of the thread, so that those that wait need no memory for it. Taken out while it is
    /// used, as a byte stream may well be made of another connection.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// One direction.
#[derive(Default)]
pub(super) struct Pipe {
    /// The sender is at its end.
    pub(super) read_end: bool,
    pub(super) out: Out,
    /// The first part of `out`.
    writing: Bytes,
    unflushed: bool,
    /// The receiver was told of the end.
    pub(super) shut: bool,
}

impl Pipe {
    /// Whether everything that came out of the plugins is written.
    pub(super) fn is_empty(&self) -> bool {
        self.writing.is_empty() && self.out.data.is_empty()
    }

    /// Reads at most `room` bytes, which is not 0. None are the end.
    pub(super) fn poll_read(
        &mut self,
        task: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        room: Option<usize>,
    ) -> Poll<io::Result<Bytes>> {
        let mut scratch = SCRATCH.take();
        scratch.resize(CHUNK, 0);
        let len = room.unwrap_or(CHUNK).min(CHUNK);
        let mut buffer = ReadBuf::new(&mut scratch[..len]);
        let polled = Pin::new(from).poll_read(task, &mut buffer);
        let data = polled.map_ok(|()| Bytes::copy_from_slice(buffer.filled()));
        SCRATCH.set(scratch);
        if let Poll::Ready(Ok(data)) = &data {
            self.read_end |= data.is_empty();
        }
        data
    }

    /// Writes what is there, and then the end if it is next. Says whether anything went out. Pending only with
    /// something left to write.
    pub(super) fn poll_write(
        &mut self,
        task: &mut Context<'_>,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<bool>> {
        let mut any = false;
        loop {
            if self.writing.is_empty() {
                match self.out.data.pop() {
                    Some(chunk) => self.writing = chunk,
                    None => break,
                }
            }
            match Pin::new(&mut *to).poll_write(task, &self.writing) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    let _ = self.writing.split_to(written);
                    (any, self.unflushed) = (true, true);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.unflushed {
            ready!(Pin::new(&mut *to).poll_flush(task))?;
            self.unflushed = false;
        }
        if self.out.end && !self.shut {
            match ready!(Pin::new(&mut *to).poll_shutdown(task)) {
                // The receiver may be gone already, which is no news.
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            (any, self.shut) = (true, true);
        }
        Poll::Ready(Ok(any))
    }
}
