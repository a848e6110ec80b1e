//! Every way in which a connection ends.

use enginebay_http::{TcpEnd, TcpUpstream};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::bay::{Bay, Reset, SHORT, gets, info, later, on_each, rest};
use crate::common::engines;
use crate::common::guests::{Wat, tcp_recorder};

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
