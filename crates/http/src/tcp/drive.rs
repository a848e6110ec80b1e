//! The driver: a connection from its beginning to its end.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use enginebay::Body;
use enginebay::abi::PeerType;
use tokio::io::{AsyncRead, AsyncWrite};

use super::filters::Cx;
use super::pipe::Pipe;
use super::state::{Closing, Side};
use super::{TcpEnd, TcpUpstream};
use crate::context::Stopped;
use crate::{ConnectionInfo, LocalChain};

/// Ends the connection for the plugins, once, when it goes.
struct EndGuard(Cx);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Why bytes no longer move.
enum Broken {
    Stopped,
    At(Side, io::Error),
}

impl From<Stopped> for Broken {
    fn from(_: Stopped) -> Self {
        Broken::Stopped
    }
}

pub(super) async fn drive<D, U, E, F>(
    chain: &LocalChain,
    info: ConnectionInfo,
    mut downstream: D,
    connect: impl FnOnce() -> F,
) -> TcpEnd<E>
where
    D: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Result<TcpUpstream<U>, E>>,
{
    let cx = Cx::new(chain, info);
    let _guard = EndGuard(cx.clone());
    let opened = match cx.open(0) {
        Ok(()) => poll_fn(|task| cx.poll_open(task).map_or_else(|s| Poll::Ready(Err(s)), ready_if)).await,
        Err(stopped) => Err(stopped),
    };
    if opened.is_err() {
        return stopped(&cx);
    }
    let mut connecting = pin!(connect());
    let connected = poll_fn(|task| {
        // A plugin may close the connection meanwhile.
        if cx.check().is_err() {
            return Poll::Ready(None);
        }
        cx.wait(task);
        connecting.as_mut().poll(task).map(Some)
    });
    let mut upstream = match connected.await {
        None => return stopped(&cx),
        Some(Err(error)) => return TcpEnd::NoUpstream(error),
        Some(Ok(upstream)) => {
            let mut state = cx.connection.state();
            state.upstream = upstream.address;
            state.upstream_local = upstream.local;
            upstream.io
        }
    };
    let mut copying = Copying {
        cx: &cx,
        downstream: &mut downstream,
        upstream: &mut upstream,
        pipes: Default::default(),
    };
    match poll_fn(|task| copying.poll(task)).await {
        Ok(()) => TcpEnd::Finished,
        Err(Broken::Stopped) => {
            copying.flush(Side::Downstream).await;
            stopped(&cx)
        }
        Err(Broken::At(Side::Downstream, error)) => {
            cx.connection.state().closed_by = PeerType::Remote;
            copying.flush(Side::Upstream).await;
            TcpEnd::Downstream(error)
        }
        Err(Broken::At(Side::Upstream, error)) => {
            copying.flush(Side::Downstream).await;
            TcpEnd::Upstream(error)
        }
    }
}

fn ready_if(open: bool) -> Poll<Result<(), Stopped>> {
    match open {
        true => Poll::Ready(Ok(())),
        false => Poll::Pending,
    }
}

fn stopped<E>(cx: &Cx) -> TcpEnd<E> {
    cx.connection.state().closing.unwrap_or(Closing::Plugin).into()
}

/// Bytes on their way in both directions.
struct Copying<'a, D, U> {
    cx: &'a Cx,
    downstream: &'a mut D,
    upstream: &'a mut U,
    /// By the side that sends.
    pipes: [Pipe; 2],
}

impl<D, U> Copying<'_, D, U>
where
    D: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        loop {
            self.cx.check()?;
            let mut moved = false;
            for side in Side::BOTH {
                moved |= self.cx.release(side, &mut self.pipes[side as usize].out)?;
                moved |= self.write(side, task)?;
                moved |= self.read(side, task)?;
            }
            if self.pipes.iter().all(|pipe| pipe.shut) {
                return Poll::Ready(Ok(()));
            }
            if !moved {
                self.cx.wait(task);
                return Poll::Pending;
            }
        }
    }

    /// Reads once if there is room. Says whether anything came.
    fn read(&mut self, side: Side, task: &mut Context<'_>) -> Result<bool, Broken> {
        let pipe = &mut self.pipes[side as usize];
        if pipe.read_end || !pipe.is_empty() {
            return Ok(false);
        }
        let room = self.cx.room(side);
        if room == Some(0) {
            return Ok(false);
        }
        let read = match side {
            Side::Downstream => pipe.poll_read(task, self.downstream, room),
            Side::Upstream => pipe.poll_read(task, self.upstream, room),
        };
        match read {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(error)) => Err(Broken::At(side, error)),
            Poll::Ready(Ok(data)) => {
                let end = data.is_empty();
                if end && side == Side::Downstream && self.pipes[Side::Upstream as usize].shut {
                    self.cx.connection.state().closed_by = PeerType::Remote;
                }
                let out = &mut self.pipes[side as usize].out;
                self.cx.data(side, 0, Body::from(data), end, out)?;
                Ok(true)
            }
        }
    }

    /// Writes what came from this side to the other one. Says whether anything went.
    fn write(&mut self, from: Side, task: &mut Context<'_>) -> Result<bool, Broken> {
        let pipe = &mut self.pipes[from as usize];
        let written = match from {
            Side::Downstream => pipe.poll_write(task, self.upstream),
            Side::Upstream => pipe.poll_write(task, self.downstream),
        };
        match written {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(any)) => Ok(any),
            Poll::Ready(Err(error)) => Err(Broken::At(from.other(), error)),
        }
    }

    /// Sends what the plugins have let through to this side, and its end.
    async fn flush(&mut self, to: Side) {
        let from = to.other();
        self.pipes[from as usize].out.end = true;
        // How long to wait for whoever doesn't take it is for the embedder to say, who can drop this.
        let _ = poll_fn(|task| match self.write(from, task) {
            Ok(_) if !self.pipes[from as usize].shut => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
    }
}
