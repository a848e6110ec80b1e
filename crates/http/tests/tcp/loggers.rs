//! Plugins that are told of connections that are over, and of nothing else.

use enginebay_http::{FilterChain, TcpEnd};
use tokio::io::AsyncWriteExt;

use crate::bay::{Bay, Conn, gets, on_each, rest};
use crate::common::callouts::Callouts;
use crate::common::engines;
use crate::common::guests::{Wat, tcp_recorder};

fn bay(runtime: &str, filters: &[Wat], loggers: &[Wat]) -> Bay {
    let engines = engines();
    let load = |wat: &Wat| wat.load(&engines, runtime);
    let chain = FilterChain::new(filters.iter().map(load)).with_access_loggers(loggers.iter().map(load));
    Bay::of(chain, Callouts::default())
}

/// Shows what is known of the connection.
fn reader(name: &str) -> Wat {
    Wat::default().on(
        "log",
        &format!(
            "(call $log '{name}')
             (call $log_digit (local.get $id))
             (call $show_property 'source\u{0}address')
             (call $show_property 'destination\u{0}address')
             (call $show_property 'upstream\u{0}address')
             (call $show_property 'mark')"
        ),
    )
}

async fn to_the_end(bay: &Bay, mut conn: Conn) {
    conn.send("in").await;
    gets(&mut conn.server, "in").await;
    conn.client.shutdown().await.unwrap();
    conn.server.shutdown().await.unwrap();
    assert_eq!(rest(&mut conn.client).await, "");
    assert!(matches!(conn.end().await, TcpEnd::Finished));
    bay.assert_over();
}

#[test]
fn they_are_called_once_after_the_end_of_the_filters() {
    on_each(async |runtime| {
        let marker = Wat::default().on(
            "new_connection",
            "(drop (call $set_property 'mark' 'M')) (i32.const 0)",
        );
        let bay = bay(
            runtime,
            &[tcp_recorder("a"), marker],
            &[reader("one"), reader("two")],
        );
        for _ in 0..2 {
            let before = bay.log.lines().len();
            to_the_end(&bay, bay.connect()).await;
            let lines = bay.log.lines().split_off(before);
            let end = lines.iter().position(|line| line == "a delete").unwrap();
            let seen = ["1", "10.0.0.1:10", "10.0.0.2:20", "10.0.0.3:30", "M"];
            let expected: Vec<&str> = [["one"].as_slice(), &seen, &["two"], &seen].concat();
            assert_eq!(lines[end + 1..], expected);
        }
    });
}

#[test]
fn without_filters_too_and_whatever_ends_the_connection() {
    on_each(async |runtime| {
        let bay = bay(runtime, &[], &[reader("one")]);
        to_the_end(&bay, bay.connect()).await;
        let seen = ["one", "1", "10.0.0.1:10", "10.0.0.2:20", "10.0.0.3:30", "1"];
        assert_eq!(bay.log.lines(), seen);
        // Cut before there was an upstream.
        let conn = bay.connect();
        conn.task.abort();
        let _ = conn.task.await;
        let closer = Wat::default().on(
            "new_connection",
            "(drop (call $close (i32.const 2))) (i32.const 0)",
        );
        let bay = self::bay(runtime, &[closer], &[reader("one")]);
        let conn = bay.connect();
        assert!(matches!(conn.end().await, TcpEnd::ClosedByPlugin));
        assert_eq!(
            bay.log.lines()[..5],
            ["one", "1", "10.0.0.1:10", "10.0.0.2:20", "1"]
        );
    });
}

#[test]
fn a_connection_that_is_over_cannot_be_changed() {
    on_each(async |runtime| {
        let changer = Wat::default().on(
            "log",
            "(call $log_result (call $set_property 'mark' 'late'))
             (call $log_buffer (i32.const 2))
             (drop (call $close (i32.const 2)))
             (drop (call $continue (i32.const 2)))",
        );
        let bay = bay(runtime, &[], &[changer, reader("one")]);
        to_the_end(&bay, bay.connect()).await;
        let lines = bay.log.lines();
        assert_eq!((lines[0].as_str(), lines.last().unwrap().as_str()), ("1", "1"));
        assert_eq!(lines[2], "one");
    });
}

#[test]
fn one_that_crashes_harms_no_connection_and_is_called_no_more() {
    on_each(async |runtime| {
        let crash = Wat::default().on("log", "(call $log 'crash') (unreachable)");
        let bay = bay(runtime, &[tcp_recorder("a")], &[crash, reader("one")]);
        for _ in 0..3 {
            to_the_end(&bay, bay.connect()).await;
        }
        assert_eq!((bay.log.count("crash"), bay.log.count("one")), (1, 3));
        let failures = bay.chain.failures();
        assert!(failures[0].is_none() && failures[2].is_none());
        assert_eq!(failures[1].as_ref().unwrap().function(), Some("proxy_on_log"));
    });
}

#[test]
fn they_learn_how_long_it_took_and_how_much_there_was() {
    on_each(async |runtime| {
        let show = "(call $log_property 'request\u{0}size')
             (call $log_property 'response\u{0}size')
             (call $log_property 'request\u{0}duration')";
        let filter = Wat::default().on("new_connection", &format!("{show} (i32.const 0)"));
        let bay = bay(runtime, &[filter], &[Wat::default().on("log", show)]);
        let mut conn = bay.connect();
        conn.reply("three").await;
        gets(&mut conn.client, "three").await;
        to_the_end(&bay, conn).await;
        let lines = bay.log.lines();
        // Nothing yet, and no duration.
        assert_eq!(lines[..3], ["x0000000000000000", "x0000000000000000", "1"]);
        assert_eq!(lines[3..5], ["x0200000000000000", "x0500000000000000"]);
        assert_eq!((lines.len(), lines[5].len()), (6, 17));
    });
}
