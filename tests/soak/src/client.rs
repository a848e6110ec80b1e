//! Clients: one connection after the other, in either version of HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use http::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::body::Paced;
use crate::counts::Counts;
use crate::listeners::Listener;
use crate::random::Random;
use crate::request::{Leave, Plan, request};
use crate::tcp;

/// Long enough for any request on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where a request goes to, on one connection.
#[derive(Clone)]
struct Connection {
    http2: bool,
    counts: Arc<Counts>,
}

enum Sender {
    Http1(http1::SendRequest<Paced>),
    Http2(http2::SendRequest<Paced>),
}

/// What became of a request.
#[derive(PartialEq)]
enum Outcome {
    /// The connection can be used again.
    Done,
    /// The connection is at its end.
    Last,
    /// The client goes away.
    Left,
}

/// Makes connections until the load stops. `addresses` are those of [`Listener::ALL`], then those of TCP.
pub(crate) async fn run(addresses: Arc<Vec<SocketAddr>>, mut random: Random, counts: Arc<Counts>) {
    while !counts.stopping() {
        let index = random.within(0..=addresses.len() as u64 - 1) as usize;
        let address = addresses[index];
        counts.connections.fetch_add(1, Relaxed);
        let done = match Listener::ALL.get(index) {
            Some(_) if random.once_in(15) => {
                counts.heads.fetch_add(1, Relaxed);
                part_of_a_head(address, &mut random).await
            }
            Some(listener) => connection(*listener, address, &mut random, &counts).await,
            None if index == Listener::ALL.len() => tcp::connection(address, &mut random, &counts).await,
            None => tcp::refused(address, &mut random, &counts).await,
        };
        if let Err(error) = done {
            counts.fail(format!("listener {index}: {error:#}"));
            // So that a server that is gone does not keep the processor busy.
            sleep(Duration::from_millis(100)).await;
        }
    }
}

pub(crate) async fn connect(address: SocketAddr, random: &mut Random) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    if random.once_in(2) {
        // Ends with a reset, and not with an orderly end.
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    }
    Ok(stream)
}

/// Goes away in the head of a request, or in the preface of HTTP/2.
async fn part_of_a_head(address: SocketAddr, random: &mut Random) -> Result<()> {
    const HEADS: [&[u8]; 3] = [
        b"POST /1/echo HTTP/1.1\r\nhost: soak.example\r\ncontent-length: 100\r\nx-grpc: stream\r\n",
        b"GET /1/delay?20 HTTP/1.1\r\nhost: soak.example\r\nx-token: secret\r\nx-long: 0123456789\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00",
    ];
    let mut stream = connect(address, random).await?;
    let head = random.one_of(HEADS);
    let part = random.within(0..=head.len() as u64) as usize;
    stream.write_all(&head[..part]).await?;
    sleep(random.millis(20)).await;
    Ok(())
}

async fn connection(
    listener: Listener,
    address: SocketAddr,
    random: &mut Random,
    counts: &Arc<Counts>,
) -> Result<()> {
    let stream = TokioIo::new(connect(address, random).await?);
    // Dropped at the end, which ends the task and so the connection.
    let mut driver = JoinSet::new();
    let http2 = random.once_in(2);
    let here = Connection {
        http2,
        counts: counts.clone(),
    };
    let mut sender = if http2 {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
        driver.spawn(async { drop(connection.await) });
        Sender::Http2(sender)
    } else {
        let (sender, connection) = http1::handshake(stream).await?;
        driver.spawn(async { drop(connection.await) });
        Sender::Http1(sender)
    };
    for _ in 0..random.within(1..=8) {
        if counts.stopping() {
            break;
        }
        let outcome = match &mut sender {
            Sender::Http1(sender) => {
                let plan = Plan::random(listener, random);
                if sender.ready().await.is_err() {
                    // The server may close a connection after a request whose body it did not read.
                    break;
                }
                let sent = sender.try_send_request(request(&plan, http2)?);
                let sent = async { sent.await.map_err(|failure| failure.into_error()) };
                here.exchange(&plan, sent).await
            }
            Sender::Http2(sender) => {
                let mut streams = JoinSet::new();
                for _ in 0..random.one_of([1, 1, 4]) {
                    let plan = Plan::random(listener, random);
                    let request = request(&plan, http2)?;
                    let (mut sender, here) = (sender.clone(), here.clone());
                    streams.spawn(async move {
                        let sent = async {
                            sender.ready().await?;
                            sender.send_request(request).await
                        };
                        here.exchange(&plan, sent).await
                    });
                }
                let all = streams.join_all().await;
                // A stream alone can be left, or all of the connection.
                match all.contains(&Outcome::Left) && random.once_in(2) {
                    true => Outcome::Left,
                    false => Outcome::Done,
                }
            }
        };
        if outcome != Outcome::Done {
            break;
        }
        if random.once_in(8) {
            sleep(random.millis(30)).await;
        }
    }
    Ok(())
}

impl Connection {
    /// Makes a request and counts what becomes of it.
    async fn exchange(
        &self,
        plan: &Plan,
        sent: impl Future<Output = hyper::Result<Response<Incoming>>>,
    ) -> Outcome {
        let after = match plan.leave {
            Leave::After(time) => time,
            _ => PATIENCE,
        };
        match timeout(after, self.receive(plan, sent)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) if plan.may_break => {
                self.counts.broken.fetch_add(1, Relaxed);
                Outcome::Last
            }
            Ok(Err(error)) => {
                self.counts.fail(format!("{} {plan:?}: {error:#}", self.name()));
                Outcome::Last
            }
            Err(_) if matches!(plan.leave, Leave::After(_)) => self.leave(),
            Err(_) => {
                self.counts.fail(format!("{} {plan:?}: no end", self.name()));
                Outcome::Last
            }
        }
    }

    fn name(&self) -> &'static str {
        if self.http2 { "HTTP/2" } else { "HTTP/1.1" }
    }

    fn leave(&self) -> Outcome {
        self.counts.left.fetch_add(1, Relaxed);
        Outcome::Left
    }

    async fn receive(
        &self,
        plan: &Plan,
        sent: impl Future<Output = hyper::Result<Response<Incoming>>>,
    ) -> Result<Outcome> {
        // In HTTP/1.1, an answer to a body that is still being sent may be lost with the connection.
        let sent = match sent.await {
            Err(error) if !self.http2 && plan.body.len > 0 && plan.may_be_early() => {
                self.counts.broken.fetch_add(1, Relaxed);
                drop(error);
                return Ok(Outcome::Last);
            }
            sent => sent?,
        };
        let (head, mut body) = sent.into_parts();
        let status = head.status.as_u16();
        if !plan.statuses.contains(&status) {
            bail!("answered with {status}, {:?}", head.headers);
        }
        let whole = status == 200;
        let (mut frames, mut len) = (0, 0);
        loop {
            if plan.leave == Leave::Frames(frames) {
                return Ok(self.leave());
            }
            let Some(frame) = body.frame().await else { break };
            frames += 1;
            let frame = frame?;
            if frame.is_trailers() {
                self.counts.trailers.fetch_add(1, Relaxed);
            }
            if let Some(data) = frame.data_ref().filter(|_| whole) {
                ensure!(plan.expected.fits(len, data), "other bytes at {len} of the body");
                len += data.len();
            }
        }
        ensure!(
            !whole || plan.expected.is_whole(len),
            "the body has {len} bytes instead of {:?}",
            plan.expected
        );
        self.counts.answered(status);
        if head.headers.contains_key("x-callout") {
            self.counts.refused.fetch_add(1, Relaxed);
        }
        // The server closes a connection of HTTP/1.1 after an answer to a body that it did not read.
        let early = !self.http2 && plan.body.len > 0 && plan.may_be_early();
        Ok(if early { Outcome::Last } else { Outcome::Done })
    }
}
