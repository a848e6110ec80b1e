//! Chains, and connections through them.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use enginebay::Plugin;
use enginebay_http::{ChainOptions, ConnectionInfo, FilterChain, LocalChain, TcpEnd, TcpUpstream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

use crate::common::callouts::Callouts;
use crate::common::guests::Wat;
use crate::common::{Log, engines, runtimes};

pub(crate) const LONG: Duration = Duration::from_secs(30);
/// For what is not to happen.
pub(crate) const SHORT: Duration = Duration::from_millis(30);

/// Runs on one thread, for each runtime.
pub(crate) fn on_each(test: impl AsyncFn(&'static str)) {
    for runtime in runtimes() {
        println!("on {runtime}");
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let test = async { timeout(LONG, test(runtime)).await };
        tokio
            .block_on(LocalSet::new().run_until(test))
            .expect("the test hangs");
    }
}

/// A chain and what its plugins log.
pub(crate) struct Bay {
    pub(crate) chain: LocalChain,
    pub(crate) log: Log,
}

impl Bay {
    pub(crate) fn new(plugins: impl IntoIterator<Item = Plugin>) -> Self {
        Bay::with(plugins, ChainOptions::default())
    }

    pub(crate) fn with(plugins: impl IntoIterator<Item = Plugin>, options: ChainOptions) -> Self {
        Bay::calling(plugins, options, Callouts::default())
    }

    /// Plugins that can call out.
    pub(crate) fn calling(
        plugins: impl IntoIterator<Item = Plugin>,
        options: ChainOptions,
        callouts: Callouts,
    ) -> Self {
        Bay::of(FilterChain::new(plugins).with_options(options), callouts)
    }

    pub(crate) fn of(chain: FilterChain, callouts: Callouts) -> Self {
        let log = Log::default();
        let chain = chain.start_with(log.platform(), Rc::new(callouts)).unwrap();
        spawn_local(chain.background());
        Bay { chain, log }
    }

    pub(crate) fn one(runtime: &str, guest: Wat) -> Self {
        Bay::new([guest.load(&engines(), runtime)])
    }

    pub(crate) fn connect(&self) -> Conn {
        self.connect_through(|io| io)
    }

    /// A connection whose client's side is changed before the chain gets it.
    pub(crate) fn connect_through<D>(&self, wrap: impl FnOnce(DuplexStream) -> D) -> Conn
    where
        D: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (client, downstream) = duplex(64);
        let (server, upstream) = duplex(64);
        let connected = Rc::new(Cell::new(false));
        let (chain, noted, downstream) = (self.chain.clone(), connected.clone(), wrap(downstream));
        let task = spawn_local(async move {
            let connect = || async {
                noted.set(true);
                let mut upstream = TcpUpstream::new(upstream);
                upstream.address = Some("10.0.0.3:30".parse().unwrap());
                Ok::<_, ()>(upstream)
            };
            chain.tcp(info(), downstream, connect).await
        });
        Conn {
            client,
            server,
            connected,
            task,
        }
    }

    /// The VM of a plugin has failed.
    pub(crate) async fn until_failed(&self) {
        while self.chain.failures().iter().all(Option::is_none) {
            sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) async fn until(&self, line: &str) {
        while self.log.count(line) == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn assert_log(&self, expected: &str) {
        assert_eq!(
            self.log.lines().join("\n"),
            expected.trim().replace("            ", "")
        );
    }

    /// No plugin has anything left of any connection.
    pub(crate) fn assert_over(&self) {
        assert!(self.chain.context_counts().iter().all(|count| *count == 1));
    }
}

pub(crate) fn info() -> ConnectionInfo {
    let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
    ConnectionInfo::new(address("10.0.0.1:10"), address("10.0.0.2:20"))
}

/// A connection: both ends of it.
pub(crate) struct Conn {
    pub(crate) client: DuplexStream,
    pub(crate) server: DuplexStream,
    pub(crate) connected: Rc<Cell<bool>>,
    pub(crate) task: JoinHandle<TcpEnd<()>>,
}

impl Conn {
    pub(crate) async fn send(&mut self, text: &str) {
        self.client.write_all(text.as_bytes()).await.unwrap();
    }

    pub(crate) async fn reply(&mut self, text: &str) {
        self.server.write_all(text.as_bytes()).await.unwrap();
    }

    pub(crate) async fn end(self) -> TcpEnd<()> {
        self.task.await.unwrap()
    }
}

/// Exactly this comes next.
pub(crate) async fn gets(stream: &mut DuplexStream, text: &str) {
    let mut read = vec![0; text.len()];
    stream.read_exact(&mut read).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&read), text);
}

/// Everything to the end.
pub(crate) async fn rest(stream: &mut DuplexStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// Nothing comes for a while.
pub(crate) async fn gets_nothing(stream: &mut DuplexStream) {
    let mut byte = [0];
    let read = timeout(SHORT, stream.read(&mut byte)).await;
    assert!(read.is_err(), "{read:?} {byte:?}");
}

/// Counts ticks of 5 ms, and does this at each from the tenth on.
pub(crate) fn later(guest: Wat, code: &str) -> Wat {
    guest
        .on(
            "configure",
            "(drop (call $tick_period (i32.const 5))) (i32.const 1)",
        )
        .on(
            "tick",
            &format!(
                "(global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
                 (if (i32.eq (global.get $ticks) (i32.const 10))
                     (then (drop (call $effective (i32.const 2))) {code}))"
            ),
        )
}

/// Gives an error where the client's end would be.
pub(crate) struct Reset(pub(crate) DuplexStream);

impl AsyncRead for Reset {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.0).poll_read(task, buffer))?;
        Poll::Ready(match buffer.filled().is_empty() {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        })
    }
}

impl AsyncWrite for Reset {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(task)
    }
}
