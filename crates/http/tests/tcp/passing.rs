//! What passes, and what plugins see of it.

use enginebay_http::{ChainOptions, TcpEnd};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::bay::{Bay, SHORT, gets, on_each, rest};
use crate::common::guests::{Wat, tcp_recorder};
use crate::common::{engines, get};

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
fn properties_of_a_connection() {
    on_each(async |runtime| {
        let set = "(call $log_digit (call $set_property 'my' 'value'))";
        let look = |name: &str| format!("(call $show_property '{name}')");
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

#[test]
fn properties_that_plugins_set_are_bounded() {
    on_each(async |runtime| {
        let mut options = ChainOptions::default();
        options.properties = 1;
        let set = |name: &str| format!("(call $log_digit (call $set_property '{name}' 'value'))");
        let code = [set("a"), set("b"), set("a"), "(i32.const 0)".to_owned()].concat();
        let plugin = Wat::default()
            .on("new_connection", &code)
            .load(&engines(), runtime);
        let bay = Bay::with([plugin], options);
        let conn = bay.connect();
        drop((conn.client, conn.server));
        conn.task.await.unwrap();
        assert_eq!(bay.log.lines(), ["0", "2", "0"]);
    });
}
