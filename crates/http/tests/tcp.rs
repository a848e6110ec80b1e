//! Plugins on TCP connections.

mod common;

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use common::guests::{Wat, tcp_recorder};
use common::{Log, engines, get, runtimes};
use enginebay::FailurePolicy::{self, FailClosed, FailOpen, FailOpenAtOnce};
use enginebay::Plugin;
use enginebay_http::{ChainOptions, ConnectionInfo, FilterChain, LocalChain, TcpEnd, TcpUpstream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

const LONG: Duration = Duration::from_secs(30);
/// For what is not to happen.
const SHORT: Duration = Duration::from_millis(30);

/// Runs on one thread, for each runtime.
fn on_each(test: impl AsyncFn(&'static str)) {
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
struct Bay {
    chain: LocalChain,
    log: Log,
}

impl Bay {
    fn new(plugins: impl IntoIterator<Item = Plugin>) -> Self {
        Bay::with(plugins, ChainOptions::default())
    }

    fn with(plugins: impl IntoIterator<Item = Plugin>, options: ChainOptions) -> Self {
        let log = Log::default();
        let chain = FilterChain::new(plugins).with_options(options);
        let chain = chain.start(log.platform()).unwrap();
        spawn_local(chain.background());
        Bay { chain, log }
    }

    fn one(runtime: &str, guest: Wat) -> Self {
        Bay::new([guest.load(&engines(), runtime)])
    }

    fn connect(&self) -> Conn {
        self.connect_through(|io| io)
    }

    /// A connection whose client's side is changed before the chain gets it.
    fn connect_through<D>(&self, wrap: impl FnOnce(DuplexStream) -> D) -> Conn
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

    async fn until(&self, line: &str) {
        while self.log.count(line) == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }

    fn assert_log(&self, expected: &str) {
        assert_eq!(
            self.log.lines().join("\n"),
            expected.trim().replace("            ", "")
        );
    }

    /// No plugin has anything left of any connection.
    fn assert_over(&self) {
        assert!(self.chain.context_counts().iter().all(|count| *count == 1));
    }
}

fn info() -> ConnectionInfo {
    let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
    ConnectionInfo::new(address("10.0.0.1:10"), address("10.0.0.2:20"))
}

/// A connection: both ends of it.
struct Conn {
    client: DuplexStream,
    server: DuplexStream,
    connected: Rc<Cell<bool>>,
    task: JoinHandle<TcpEnd<()>>,
}

impl Conn {
    async fn send(&mut self, text: &str) {
        self.client.write_all(text.as_bytes()).await.unwrap();
    }

    async fn reply(&mut self, text: &str) {
        self.server.write_all(text.as_bytes()).await.unwrap();
    }

    async fn end(self) -> TcpEnd<()> {
        self.task.await.unwrap()
    }
}

/// Exactly this comes next.
async fn gets(stream: &mut DuplexStream, text: &str) {
    let mut read = vec![0; text.len()];
    stream.read_exact(&mut read).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&read), text);
}

/// Everything to the end.
async fn rest(stream: &mut DuplexStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// Nothing comes for a while.
async fn gets_nothing(stream: &mut DuplexStream) {
    let mut byte = [0];
    let read = timeout(SHORT, stream.read(&mut byte)).await;
    assert!(read.is_err(), "{read:?} {byte:?}");
}

#[test]
fn bytes_pass_all_plugins_in_both_directions() {
    on_each(async |runtime| {
        let engines = engines();
        let bay = Bay::new(["a", "b"].map(|name| tcp_recorder(name).load(&engines, runtime)));
        let mut conn = bay.connect();
        conn.send("hello").await;
        gets(&mut conn.server, "hello").await;
        conn.reply("world").await;
        gets(&mut conn.client, "world").await;
        conn.client.shutdown().await.unwrap();
        assert_eq!(rest(&mut conn.server).await, "");
        conn.server.shutdown().await.unwrap();
        assert_eq!(rest(&mut conn.client).await, "");
        assert!(matches!(conn.end().await, TcpEnd::Finished));
        // The order of everything is that of a live Envoy.
        bay.assert_log(
            "a new
            b new
            a downstream
            hello
            b downstream
            hello
            b upstream
            world
            a upstream
            world
            a downstream
            \n            end
            b downstream
            \n            end
            b upstream
            \n            end
            b upstream closed
            0
            a upstream
            \n            end
            a upstream closed
            0
            a downstream closed
            1
            a done
            a log
            a delete
            b downstream closed
            1
            b done
            b log
            b delete",
        );
        bay.assert_over();
    });
}

#[test]
fn the_server_may_end_first_and_then_the_client_is_who_closes() {
    on_each(async |runtime| {
        let bay = Bay::one(runtime, tcp_recorder("a"));
        let mut conn = bay.connect();
        conn.reply("bye").await;
        conn.server.shutdown().await.unwrap();
        assert_eq!(rest(&mut conn.client).await, "bye");
        assert_eq!(bay.log.lines().last().unwrap(), "0");
        conn.send("late").await;
        gets(&mut conn.server, "late").await;
        drop(conn.client);
        assert!(matches!(conn.task.await.unwrap(), TcpEnd::Finished));
        let lines = bay.log.lines();
        let closed = lines
            .iter()
            .position(|line| line == "a downstream closed")
            .unwrap();
        assert_eq!(lines[closed + 1..], ["2", "a done", "a log", "a delete"]);
    });
}

#[test]
fn without_plugins_bytes_pass() {
    on_each(async |_| {
        let bay = Bay::new([]);
        let mut conn = bay.connect();
        conn.send("a").await;
        gets(&mut conn.server, "a").await;
        drop(conn.client);
        drop(conn.server);
        conn.task.await.unwrap();
    });
}

#[test]
fn plugins_change_bytes() {
    on_each(async |runtime| {
        let end = "(i32.const -1)";
        let guest = Wat::default()
            .on(
                "downstream_data",
                &format!(
                    "(drop (call $set_buffer (i32.const 2) (i32.const 0) (i32.const 0) '<'))
                     (drop (call $set_buffer (i32.const 2) {end} (i32.const 0) '>'))
                     (i32.const 0)"
                ),
            )
            .on(
                "upstream_data",
                &format!("(drop (call $set_buffer (i32.const 3) (i32.const 0) {end} 'new')) (i32.const 0)"),
            );
        let bay = Bay::one(runtime, guest);
        let mut conn = bay.connect();
        conn.send("hello").await;
        gets(&mut conn.server, "<hello>").await;
        conn.reply("old").await;
        gets(&mut conn.client, "new").await;
        // The end is a callback of its own, and may still add something.
        conn.client.shutdown().await.unwrap();
        assert_eq!(rest(&mut conn.server).await, "<>");
    });
}

#[test]
fn a_buffer_is_there_for_its_own_callback_alone() {
    on_each(async |runtime| {
        let guest = Wat::default()
            .on("new_connection", "(call $log_buffer (i32.const 2)) (i32.const 0)")
            .on(
                "downstream_data",
                "(call $log_buffer (i32.const 3)) (call $log_buffer (i32.const 0)) (i32.const 0)",
            )
            .on("upstream_data", "(call $log_buffer (i32.const 2)) (i32.const 0)");
        let bay = Bay::one(runtime, guest);
        let mut conn = bay.connect();
        conn.send("a").await;
        gets(&mut conn.server, "a").await;
        conn.reply("b").await;
        gets(&mut conn.client, "b").await;
        assert_eq!(bay.log.lines(), ["1", "1", "1", "1"]);
    });
}

/// Pauses until there are six bytes, or the end.
const SIX: &str = "(i32.and (i32.lt_u (local.get $n) (i32.const 6)) (i32.eqz (local.get $end)))";

#[test]
fn a_pause_keeps_the_bytes_for_the_next_callback() {
    on_each(async |runtime| {
        let guest = || {
            Wat::default()
                .on(
                    "downstream_data",
                    &format!("(call $log_buffer (i32.const 2)) {SIX}"),
                )
                .on(
                    "upstream_data",
                    &format!("(call $log_buffer (i32.const 3)) {SIX}"),
                )
        };
        let engines = engines();
        let bay = Bay::new([
            tcp_recorder("first").load(&engines, runtime),
            guest().load(&engines, runtime),
        ]);
        let mut conn = bay.connect();
        conn.send("abc").await;
        gets_nothing(&mut conn.server).await;
        conn.send("defg").await;
        gets(&mut conn.server, "abcdefg").await;
        conn.reply("ABC").await;
        gets_nothing(&mut conn.client).await;
        conn.reply("DEFG").await;
        gets(&mut conn.client, "ABCDEFG").await;
        // The end comes with what is kept.
        conn.send("xy").await;
        gets_nothing(&mut conn.server).await;
        conn.client.shutdown().await.unwrap();
        assert_eq!(rest(&mut conn.server).await, "xy");
        let lines = bay.log.lines();
        let of_second: Vec<&str> = ["abc", "abcdefg", "ABC", "ABCDEFG"].into();
        for line in of_second {
            assert!(lines.iter().any(|known| known == line), "{line} in {lines:?}");
        }
        // What the first one let through it does not see again.
        assert!(lines.contains(&"defg".to_owned()), "{lines:?}");
    });
}

/// Counts ticks of 5 ms, and does this at each from the tenth on.
fn later(guest: Wat, code: &str) -> Wat {
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

#[test]
fn a_paused_direction_goes_on_when_the_plugin_says_so() {
    on_each(async |runtime| {
        for (callback, number) in [("downstream_data", 2), ("upstream_data", 3)] {
            let guest = Wat::default().on(callback, "(call $log 'paused') (i32.const 1)");
            let go_on = format!("(call $log_digit (call $continue (i32.const {number})))");
            let bay = Bay::one(runtime, later(guest, &go_on));
            let mut conn = bay.connect();
            conn.send("down").await;
            conn.reply("up").await;
            if number == 2 {
                gets(&mut conn.client, "up").await;
                gets(&mut conn.server, "down").await;
            } else {
                gets(&mut conn.server, "down").await;
                gets(&mut conn.client, "up").await;
            }
            // Let through, and not shown again.
            assert_eq!(bay.log.lines(), ["paused", "0"]);
        }
    });
}

#[test]
fn going_on_within_the_callback_is_as_if_it_had_not_paused() {
    on_each(async |runtime| {
        let guest = Wat::default().on(
            "downstream_data",
            "(drop (call $continue (i32.const 2))) (i32.const 1)",
        );
        let bay = Bay::one(runtime, guest);
        let mut conn = bay.connect();
        conn.send("a").await;
        gets(&mut conn.server, "a").await;
    });
}

#[test]
fn a_paused_connection_is_not_read_and_has_no_upstream() {
    on_each(async |runtime| {
        let engines = engines();
        let guest = Wat::default()
            .on("new_connection", "(call $log 'new') (i32.const 1)")
            .on("downstream_data", "(call $log 'data') (i32.const 0)");
        let guest = later(guest, "(call $log 'go') (drop (call $continue (i32.const 2)))");
        let bay = Bay::new([
            guest.load(&engines, runtime),
            tcp_recorder("second").load(&engines, runtime),
        ]);
        let mut conn = bay.connect();
        conn.send("early").await;
        bay.until("new").await;
        assert!(!conn.connected.get());
        gets(&mut conn.server, "early").await;
        assert!(conn.connected.get());
        assert_eq!(
            bay.log.lines(),
            ["new", "go", "second new", "data", "second downstream", "early"]
        );
    });
}

#[test]
fn a_paused_plugin_is_given_no_more_than_the_limit() {
    on_each(async |runtime| {
        let mut options = ChainOptions::default();
        options.body_buffer = 1000;
        for (callback, send) in [("downstream_data", true), ("upstream_data", false)] {
            // Lets go when the buffer is full, and traps if it is more than that.
            let code = "(if (i32.gt_u (local.get $n) (i32.const 1000)) (then unreachable))
                        (if (i32.eq (local.get $n) (i32.const 1000)) (then (call $log 'full')))
                        (i32.and (i32.lt_u (local.get $n) (i32.const 1000)) (i32.eqz (local.get $end)))";
            let plugin = Wat::default().on(callback, code).load(&engines(), runtime);
            let bay = Bay::with([plugin], options);
            let Conn {
                client, server, task, ..
            } = bay.connect();
            let (mut from, mut to) = if send { (client, server) } else { (server, client) };
            let sending = spawn_local(async move {
                from.write_all(&[b'x'; 10_500]).await.unwrap();
                from.shutdown().await.unwrap();
                from
            });
            assert_eq!(rest(&mut to).await.len(), 10_500);
            assert_eq!(bay.log.count("full"), 10);
            drop((sending.await.unwrap(), to));
            task.await.unwrap();
        }
    });
}

#[test]
fn reading_stops_while_the_buffer_of_a_paused_plugin_is_full() {
    on_each(async |runtime| {
        let mut options = ChainOptions::default();
        options.body_buffer = 1000;
        let guest = Wat::default()
            .on("downstream_data", "(i32.const 1)")
            .on("upstream_data", "(i32.const 0)");
        let bay = Bay::with([guest.load(&engines(), runtime)], options);
        let mut conn = bay.connect();
        let mut written = 0;
        while let Ok(more) = timeout(SHORT, conn.client.write(&[b'x'; 100])).await {
            written += more.unwrap();
        }
        // And what the pipe itself holds.
        assert_eq!(written, 1000 + 64);
        // The other direction does not wait.
        conn.reply("still here").await;
        gets(&mut conn.client, "still here").await;
    });
}

#[test]
fn a_receiver_that_takes_nothing_stops_the_sender() {
    on_each(async |runtime| {
        let bay = Bay::one(runtime, Wat::default().on("downstream_data", "(i32.const 0)"));
        let mut conn = bay.connect();
        let mut written = 0;
        while let Ok(more) = timeout(SHORT, conn.client.write(&[b'x'; 64])).await {
            written += more.unwrap();
        }
        // Two pipes, and what is between them.
        assert!(written <= 64 * 3, "{written}");
    });
}

#[test]
fn a_plugin_closes_the_connection() {
    on_each(async |runtime| {
        for callback in ["new_connection", "downstream_data", "upstream_data"] {
            for stream in [2, 3] {
                for result in [0, 1] {
                    let code =
                        format!("(call $log_digit (call $close (i32.const {stream}))) (i32.const {result})");
                    let engines = engines();
                    let guest = Wat::default().on(callback, &code);
                    let bay = Bay::new([
                        tcp_recorder("a").load(&engines, runtime),
                        guest.load(&engines, runtime),
                    ]);
                    let mut conn = bay.connect();
                    if callback != "new_connection" {
                        conn.send("in").await;
                        if callback == "upstream_data" {
                            gets(&mut conn.server, "in").await;
                            conn.reply("out").await;
                        }
                    }
                    assert_eq!(rest(&mut conn.client).await, "");
                    assert_eq!(rest(&mut conn.server).await, "");
                    assert!(matches!(conn.end().await, TcpEnd::ClosedByPlugin));
                    let lines = bay.log.lines();
                    let end = ["0", "a downstream closed", "1", "a done", "a log", "a delete"];
                    assert!(lines.ends_with(&end.map(str::to_owned)), "{callback}: {lines:?}");
                    bay.assert_over();
                }
            }
        }
    });
}

#[test]
fn what_passed_before_a_plugin_closes_still_arrives() {
    on_each(async |runtime| {
        let guest = Wat::default().on(
            "upstream_data",
            "(if (i32.eq (local.get $n) (i32.const 3)) (then (drop (call $close (i32.const 2))))) (i32.const 0)",
        );
        let bay = Bay::one(runtime, guest);
        let mut conn = bay.connect();
        // More than the client's side takes at once: the chain still has some of it when the rest comes.
        let long = "x".repeat(64);
        conn.reply(&long).await;
        sleep(SHORT).await;
        conn.reply(&long).await;
        sleep(SHORT).await;
        conn.reply("bye").await;
        assert_eq!(rest(&mut conn.client).await, long.repeat(2));
        assert!(matches!(conn.end().await, TcpEnd::ClosedByPlugin));
    });
}

#[test]
fn a_plugin_closes_a_connection_that_waits_for_nothing() {
    on_each(async |runtime| {
        let guest = later(tcp_recorder("a"), "(drop (call $close (i32.const 2)))");
        let bay = Bay::one(runtime, guest);
        let mut conn = bay.connect();
        assert_eq!(rest(&mut conn.client).await, "");
        assert!(matches!(conn.end().await, TcpEnd::ClosedByPlugin));
    });
}

/// Gives an error where the client's end would be.
struct Reset(DuplexStream);

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

#[test]
fn a_client_that_breaks_off_is_who_closes() {
    on_each(async |runtime| {
        let bay = Bay::one(runtime, tcp_recorder("a"));
        let mut conn = bay.connect_through(Reset);
        conn.send("in").await;
        drop(conn.client);
        assert_eq!(rest(&mut conn.server).await, "in");
        assert!(matches!(conn.task.await.unwrap(), TcpEnd::Downstream(_)));
        bay.assert_log(
            "a new
            a downstream
            in
            a downstream closed
            2
            a done
            a log
            a delete",
        );
    });
}

#[test]
fn a_server_that_breaks_off_has_the_client_closed() {
    on_each(async |runtime| {
        let bay = Bay::one(runtime, tcp_recorder("a"));
        let log = bay.log.clone();
        let (mut client, downstream) = duplex(64);
        let (mut server, upstream) = duplex(64);
        let chain = bay.chain.clone();
        let task = spawn_local(async move {
            let connect = || async { Ok::<_, ()>(TcpUpstream::new(Reset(upstream))) };
            chain.tcp(info(), downstream, connect).await
        });
        server.write_all(b"out").await.unwrap();
        drop(server);
        assert_eq!(rest(&mut client).await, "out");
        assert!(matches!(task.await.unwrap(), TcpEnd::Upstream(_)));
        assert!(!log.has("a upstream closed"), "{:?}", log.lines());
        let end = ["a downstream closed", "1", "a done", "a log", "a delete"];
        assert!(log.lines().ends_with(&end.map(str::to_owned)));
    });
}

#[test]
fn no_upstream_closes_the_connection() {
    on_each(async |runtime| {
        let bay = Bay::one(runtime, tcp_recorder("a"));
        let (_client, downstream) = duplex(64);
        let refused = || async { Err::<TcpUpstream<DuplexStream>, _>("refused") };
        let end = bay.chain.tcp(info(), downstream, refused).await;
        assert!(matches!(end, TcpEnd::NoUpstream("refused")));
        bay.assert_log(
            "a new
            a downstream closed
            1
            a done
            a log
            a delete",
        );
    });
}

#[test]
fn a_connection_that_is_cut_is_over_for_the_plugins() {
    on_each(async |runtime| {
        let bay = Bay::one(runtime, tcp_recorder("a"));
        let conn = bay.connect();
        bay.until("a new").await;
        conn.task.abort();
        assert!(conn.task.await.unwrap_err().is_cancelled());
        let end = ["a downstream closed", "1", "a done", "a log", "a delete"];
        assert!(bay.log.lines().ends_with(&end.map(str::to_owned)));
        bay.assert_over();
    });
}

/// What becomes of a connection that sends `in` and gets `out` back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Both arrive.
    Fine,
    /// The server gets what was sent, and the client nothing.
    Half,
    /// Nothing arrives.
    Closed,
}

async fn outcome(bay: &Bay) -> Outcome {
    let mut conn = bay.connect();
    conn.send("in").await;
    let mut read = [0; 2];
    if conn.server.read_exact(&mut read).await.is_err() {
        assert!(matches!(conn.end().await, TcpEnd::PluginFailed));
        return Outcome::Closed;
    }
    let _ = conn.server.write_all(b"out").await;
    let _ = conn.server.shutdown().await;
    let got = rest(&mut conn.client).await;
    drop(conn.client);
    let end = conn.task.await.unwrap();
    match got.as_str() {
        "out" => {
            assert!(matches!(end, TcpEnd::Finished), "{end:?}");
            Outcome::Fine
        }
        _ => {
            assert!(matches!(end, TcpEnd::PluginFailed), "{end:?}");
            Outcome::Half
        }
    }
}

#[test]
fn a_trap_in_each_callback_under_each_policy() {
    use Outcome::{Closed, Fine, Half};
    // As a live Envoy does it.
    let table: [(FailurePolicy, &str, Outcome, Outcome); 18] = [
        (FailClosed, "context_create", Closed, Closed),
        (FailClosed, "new_connection", Closed, Closed),
        (FailClosed, "downstream_data", Closed, Closed),
        (FailClosed, "upstream_data", Half, Closed),
        (FailClosed, "downstream_connection_close", Fine, Closed),
        (FailClosed, "log", Fine, Closed),
        (FailOpen, "context_create", Fine, Fine),
        (FailOpen, "new_connection", Closed, Fine),
        (FailOpen, "downstream_data", Closed, Fine),
        (FailOpen, "upstream_data", Half, Fine),
        (FailOpen, "downstream_connection_close", Fine, Fine),
        (FailOpen, "log", Fine, Fine),
        (FailOpenAtOnce, "context_create", Fine, Fine),
        (FailOpenAtOnce, "new_connection", Fine, Fine),
        (FailOpenAtOnce, "downstream_data", Fine, Fine),
        (FailOpenAtOnce, "upstream_data", Fine, Fine),
        (FailOpenAtOnce, "downstream_connection_close", Fine, Fine),
        (FailOpenAtOnce, "log", Fine, Fine),
    ];
    on_each(async |runtime| {
        let engines = engines();
        for (policy, callback, first, second) in table {
            // It is called for streams alone.
            let code = match callback {
                "context_create" => "(if (local.get $n) (then unreachable))",
                _ => "unreachable",
            };
            let mut guest = Wat::default().on(callback, code);
            guest.policy = policy;
            let bay = Bay::new([
                tcp_recorder("a").load(&engines, runtime),
                guest.load(&engines, runtime),
            ]);
            let about = format!("{policy:?} {callback}");
            assert_eq!(outcome(&bay).await, first, "{about}");
            assert_eq!(outcome(&bay).await, second, "{about}, the next");
            // The other plugin hears of the end of both.
            assert_eq!(bay.log.count("a delete"), 2, "{about}");
            bay.assert_over();
        }
    });
}

#[test]
fn a_connection_that_waits_for_a_plugin_hears_of_its_failure() {
    on_each(async |runtime| {
        for policy in [FailClosed, FailOpen] {
            // One byte pauses, two trap.
            let mut guest = Wat::default().on(
                "downstream_data",
                "(if (i32.eq (local.get $n) (i32.const 2)) (then unreachable)) (call $log 'paused') (i32.const 1)",
            );
            guest.policy = policy;
            let bay = Bay::one(runtime, guest);
            let mut waiting = bay.connect();
            waiting.send("1").await;
            bay.until("paused").await;
            let mut crashing = bay.connect();
            crashing.send("12").await;
            assert!(matches!(crashing.end().await, TcpEnd::PluginFailed));
            match policy {
                FailClosed => assert!(matches!(waiting.end().await, TcpEnd::PluginFailed)),
                _ => gets(&mut waiting.server, "1").await,
            }
        }
    });
}

#[test]
fn a_connection_paused_at_its_beginning_hears_of_a_failure() {
    on_each(async |runtime| {
        let mut guest = Wat::default().on("new_connection", "(call $log 'new') (i32.const 1)");
        guest.policy = FailOpen;
        let bay = Bay::one(runtime, later(guest, "unreachable"));
        let mut conn = bay.connect();
        conn.send("in").await;
        bay.until("new").await;
        assert!(!conn.connected.get());
        gets(&mut conn.server, "in").await;
    });
}

#[test]
fn properties_of_a_connection() {
    on_each(async |runtime| {
        let set = "(call $log_digit (call $set_property 'my' 'value'))";
        let look = |name: &str| format!("(call $log_property '{name}')");
        let known = [
            "source\0address",
            "destination\0address",
            "upstream\0address",
            "my",
        ]
        .map(look);
        let guest = Wat::default()
            .on(
                "new_connection",
                &format!("{} {set} (i32.const 0)", known.concat()),
            )
            .on("log", &known.concat());
        let bay = Bay::one(runtime, guest);
        let conn = bay.connect();
        drop(conn.client);
        drop(conn.server);
        conn.task.await.unwrap();
        bay.assert_log(
            "10.0.0.1:10
            10.0.0.2:20
            1
            1
            0
            10.0.0.1:10
            10.0.0.2:20
            10.0.0.3:30
            value",
        );
    });
}

#[test]
fn one_vm_serves_http_and_tcp() {
    on_each(async |runtime| {
        let guest = tcp_recorder("a").on("request_headers", "(call $log 'a request') (i32.const 0)");
        let bay = Bay::one(runtime, guest);
        let mut conn = bay.connect();
        conn.send("in").await;
        gets(&mut conn.server, "in").await;
        let service = bay.chain.service(tower::service_fn(async |_| {
            Ok::<_, std::convert::Infallible>(http::Response::new(enginebay_http::Body::empty()))
        }));
        let response = tower::ServiceExt::oneshot(service, get("/")).await.unwrap();
        drop(response);
        assert_eq!(bay.log.count("a request"), 1);
        // What an HTTP stream would be answered with is no matter for the connection.
        conn.reply("out").await;
        gets(&mut conn.client, "out").await;
        drop(conn.client);
        drop(conn.server);
        conn.task.await.unwrap();
        bay.assert_over();
    });
}
