//! TCP: a server that sends everything back, and clients of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::client::{PATIENCE, connect};
use crate::counts::Counts;
use crate::pattern::{self, Expected};
use crate::random::Random;
use crate::upstream::Seen;

/// The word on which the plugin closes a connection. The pattern does not have it.
const QUIT: &[u8] = b"quit";

/// Starts the server and gives its port.
pub(crate) async fn echo(seen: Arc<Seen>) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = seen.clone();
            tokio::spawn(async move {
                seen.active.fetch_add(1, Relaxed);
                let (mut from, mut to) = stream.split();
                let _ = copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
                seen.active.fetch_sub(1, Relaxed);
            });
        }
    });
    Ok(port)
}

/// How a client ends its connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// Says that it is at its end, and reads to the end.
    Orderly,
    /// Has the plugin close it.
    Quit,
    /// Goes away after this time.
    Leave(Duration),
}

/// One connection through the plugin, which sends what comes from the client on in upper case.
pub(crate) async fn connection(address: SocketAddr, random: &mut Random, counts: &Counts) -> Result<()> {
    let (from, to) = split(connect(address, random).await?);
    let end = match random.within(0..=4) {
        0 | 1 => End::Leave(random.millis(40)),
        2 => End::Quit,
        _ => End::Orderly,
    };
    let len = random.within(0..=200 << 10) as usize;
    let pause = if random.once_in(3) {
        random.millis(5)
    } else {
        Duration::ZERO
    };
    let both = async {
        let (sent, read) = tokio::join!(send(to, len, pause, end), receive(from));
        match end {
            // What is on its way while the plugin closes may be lost.
            End::Quit => Ok(()),
            _ => {
                sent.context("can't send")?;
                let read = read.context("can't receive")?;
                ensure!(read == len, "{read} of {len} bytes came back");
                Ok(())
            }
        }
    };
    let time = match end {
        End::Leave(time) => time,
        _ => PATIENCE,
    };
    match timeout(time, both).await {
        Ok(done) => {
            counts.tcp.fetch_add(1, Relaxed);
            done
        }
        Err(_) if matches!(end, End::Leave(_)) => {
            counts.left.fetch_add(1, Relaxed);
            Ok(())
        }
        Err(_) => anyhow::bail!("no end of {len} bytes, {end:?}"),
    }
}

/// A connection to a cluster that is not there: the server closes it.
pub(crate) async fn refused(address: SocketAddr, random: &mut Random, counts: &Counts) -> Result<()> {
    let mut stream = connect(address, random).await?;
    let mut byte = [0];
    let read = timeout(PATIENCE, stream.read(&mut byte))
        .await
        .context("no end")?;
    ensure!(matches!(read, Ok(0) | Err(_)), "something came");
    counts.tcp.fetch_add(1, Relaxed);
    Ok(())
}

/// Returns the half that it wrote to: dropped, it would close the connection.
async fn send(
    mut to: WriteHalf<TcpStream>,
    len: usize,
    pause: Duration,
    end: End,
) -> std::io::Result<WriteHalf<TcpStream>> {
    let mut sent = 0;
    while sent < len {
        let piece = pattern::piece(sent, len - sent);
        to.write_all(&piece).await?;
        sent += piece.len();
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
    if end == End::Quit {
        to.write_all(QUIT).await?;
    } else {
        to.shutdown().await?;
    }
    Ok(to)
}

/// How many bytes came back.
async fn receive(mut from: ReadHalf<TcpStream>) -> Result<usize> {
    let mut len = 0;
    let mut buffer = vec![0; pattern::PIECE];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(len);
        }
        let fits = Expected::Upper.fits(len, &buffer[..read]);
        ensure!(fits, "other bytes at {len}");
        len += read;
    }
}
