//! Plugins that pause, and how much they may keep.

use std::time::Duration;

use enginebay_http::{Body, ChainOptions};
use http::Response;
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use crate::bay::{Bay, Conn, SHORT, gets, gets_nothing, later, on_each, rest};
use crate::common::callouts::{Callouts, boxed, pairs};
use crate::common::engines;
use crate::common::guests::{Wat, tcp_recorder};

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
        assert_eq!(bay.chain.vms().usage().buffered, 1000);
        // The other direction does not wait.
        conn.reply("still here").await;
        gets(&mut conn.client, "still here").await;
    });
}

#[test]
fn a_plugin_cannot_make_its_buffer_grow_without_end() {
    on_each(async |runtime| {
        let mut options = ChainOptions::default();
        options.body_growth = 8;
        let append =
            "(call $log_digit (call $set_buffer (i32.const 2) (i32.const -1) (i32.const 0) '12345'))";
        let guest = Wat::default().on(
            "downstream_data",
            &format!("{append}{append}{append} (i32.const 0)"),
        );
        let bay = Bay::with([guest.load(&engines(), runtime)], options);
        let mut conn = bay.connect();
        conn.send("a").await;
        gets(&mut conn.server, "a1234512345").await;
        assert_eq!(bay.log.lines(), ["0", "0", "1"]);
    });
}

#[test]
fn a_connection_waits_for_a_callout() {
    on_each(async |runtime| {
        let mut guest = Wat::default();
        let headers = [(":method", "GET"), (":path", "/"), (":authority", "a")];
        let parts = [
            guest.text("up"),
            guest.text(&pairs(&headers)),
            guest.text(""),
            guest.text(&pairs(&[])),
        ]
        .join(" ");
        let call = format!("(call $log_number (call $http_call {parts} (i32.const 1000) (i32.const 12)))");
        let guest = guest.on("new_connection", &format!("{call} (i32.const 1)")).on(
            "http_call_response",
            "(call $log_header (i32.const 6) ':status') (drop (call $continue (i32.const 2)))",
        );
        let callouts = Callouts::default().on("up", async |_| {
            sleep(Duration::from_millis(5)).await;
            Ok(Response::new(boxed(Body::empty())))
        });
        let plugin = guest.load(&engines(), runtime);
        let bay = Bay::calling([plugin], ChainOptions::default(), callouts);
        let mut conn = bay.connect();
        conn.send("in").await;
        gets(&mut conn.server, "in").await;
        assert_eq!(bay.log.lines(), ["0", "200"]);
        assert_eq!(bay.chain.callout_counts(), [0]);
    });
}
