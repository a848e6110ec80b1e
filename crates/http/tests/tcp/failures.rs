//! Plugins that fail: what their policy makes of the connection, and of later ones.

use enginebay::FailurePolicy::{self, FailClosed, FailOpen, FailOpenAtOnce};
use enginebay_http::TcpEnd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bay::{Bay, gets, later, on_each, rest};
use crate::common::engines;
use crate::common::guests::{Wat, tcp_recorder};

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
        (FailOpen, "context_create", Closed, Fine),
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

/// Two bytes trap, others do what `code` says.
fn crashing(code: &str, policy: FailurePolicy) -> Wat {
    let mut guest = Wat::default().on(
        "downstream_data",
        &format!("(if (i32.eq (local.get $n) (i32.const 2)) (then unreachable)) {code}"),
    );
    guest.policy = policy;
    guest
}

#[test]
fn a_connection_that_waits_for_a_plugin_hears_of_its_failure() {
    on_each(async |runtime| {
        for policy in [FailClosed, FailOpen, FailOpenAtOnce] {
            let guest = crashing("(call $log 'paused') (i32.const 1)", policy);
            let bay = Bay::one(runtime, guest);
            let mut waiting = bay.connect();
            waiting.send("1").await;
            bay.until("paused").await;
            let mut other = bay.connect();
            other.send("12").await;
            if policy == FailOpenAtOnce {
                gets(&mut other.server, "12").await;
                gets(&mut waiting.server, "1").await;
            } else {
                assert!(matches!(other.end().await, TcpEnd::PluginFailed));
                assert!(matches!(waiting.end().await, TcpEnd::PluginFailed));
            }
        }
    });
}

#[test]
fn a_connection_that_the_plugin_knew_before_it_failed() {
    on_each(async |runtime| {
        for policy in [FailClosed, FailOpen, FailOpenAtOnce] {
            let bay = Bay::one(runtime, crashing("(i32.const 0)", policy));
            let mut older = bay.connect();
            older.send("abc").await;
            gets(&mut older.server, "abc").await;
            let mut other = bay.connect();
            other.send("12").await;
            bay.until_failed().await;
            older.send("abcd").await;
            if policy == FailOpenAtOnce {
                gets(&mut older.server, "abcd").await;
            } else {
                assert!(matches!(older.end().await, TcpEnd::PluginFailed), "{policy:?}");
            }
        }
    });
}

#[test]
fn a_connection_paused_at_its_beginning_hears_of_a_failure() {
    on_each(async |runtime| {
        for policy in [FailOpen, FailOpenAtOnce] {
            let mut guest = Wat::default().on("new_connection", "(call $log 'new') (i32.const 1)");
            guest.policy = policy;
            let bay = Bay::one(runtime, later(guest, "unreachable"));
            let mut conn = bay.connect();
            conn.send("in").await;
            bay.until("new").await;
            assert!(!conn.connected.get());
            if policy == FailOpenAtOnce {
                gets(&mut conn.server, "in").await;
            } else {
                assert!(matches!(conn.end().await, TcpEnd::PluginFailed));
            }
        }
    });
}
