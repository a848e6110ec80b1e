//! What plugins share with each other and with all workers: data, queues, metrics, time.

use std::time::Duration;

use crate::client::Client;
use crate::config::{Plugin, bootstrap, http_listener};
use crate::runtimes::RUNTIMES;
use crate::server::{Server, until};

const CONNECTIONS: u64 = 8;
const REQUESTS: u64 = 25;

/// Many requests at once, on as many connections as there are; what they show in this header.
async fn crowd(server: &Server, listener: &str, header: &str) -> Vec<String> {
    let address = server.at(listener);
    let mut clients = Vec::new();
    for number in 0..CONNECTIONS {
        let header = header.to_owned();
        clients.push(tokio::spawn(async move {
            let mut client = Client::http1(address).await;
            let mut shown = Vec::new();
            for request in 0..REQUESTS {
                let answer = client.get(&format!("/direct?{number}-{request}-")).await;
                assert_eq!(answer.text(), "hello");
                shown.push(answer.header(&header).expect(&header).to_owned());
            }
            shown
        }));
    }
    let mut shown = Vec::new();
    for client in clients {
        shown.extend(client.await.unwrap());
    }
    shown
}

#[tokio::test]
async fn two_workers_share_data_queues_and_metrics() {
    for runtime in RUNTIMES.iter().copied() {
        let consumer = Plugin {
            vm: "vm_id: consuming",
            ..Plugin::configured(runtime, "queue_consumer", "work")
        };
        let producer = Plugin {
            vm: "vm_id: producing",
            ..Plugin::configured(runtime, "queue_producer", "consuming/work")
        };
        let ticker = Plugin::configured(runtime, "ticker", "5 7");
        let listeners = [
            http_listener("queues", &[producer, consumer], &[]),
            http_listener("shared", &[Plugin::new(runtime, "shared")], &[]),
            http_listener("metrics", &[Plugin::new(runtime, "metrics")], &[]),
            http_listener("ticker", &[ticker], &[]),
        ];
        let server = Server::start_with(&bootstrap(&listeners, &[], false), &["--concurrency", "2"]);
        let all = CONNECTIONS * REQUESTS;
        // Each number once: no request was counted twice or not at all.
        let expected: Vec<u64> = (1..=all).collect();

        let counts = crowd(&server, "shared", "x-shared-count").await;
        let mut counts: Vec<u64> = counts.iter().map(|count| count.parse().unwrap()).collect();
        counts.sort_unstable();
        assert_eq!(counts, expected, "on {runtime}");

        let active = crowd(&server, "metrics", "x-active").await;
        assert!(
            active
                .iter()
                .all(|active| (1..=CONNECTIONS).contains(&active.parse().unwrap()))
        );
        assert_eq!(server.stat("wasmcustom.metrics_requests"), all);
        until("over", || server.stat("wasmcustom.metrics_active") == 0).await;
        let mut client = Client::http1(server.at("metrics")).await;
        let last = client.get("/direct").await;
        assert_eq!(last.header("x-requests"), Some((all + 1).to_string().as_str()));

        let queued = crowd(&server, "queues", "x-queued").await;
        assert!(queued.iter().all(|queued| queued == "yes"), "{queued:?}");
        until("consumed", || server.stat("wasmcustom.queue_consumed") == all).await;
        let log = server.log();
        for (number, request) in (0..CONNECTIONS).flat_map(|n| (0..REQUESTS).map(move |r| (n, r))) {
            let line = format!("queue_consumer: /direct?{number}-{request}-\n");
            assert_eq!(log.matches(&line).count(), 1, "{line}");
        }

        // Each worker has a VM with a timer, which stops after seven ticks.
        until("ticked", || server.stat("wasmcustom.ticker_ticks") == 14).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(server.stat("wasmcustom.ticker_ticks"), 14);
        assert_eq!(server.log().matches("ticker: tick 7\n").count(), 2);
        let mut client = Client::http1(server.at("ticker")).await;
        assert_eq!(client.get("/direct").await.header("x-ticks"), Some("7"));
        server.has_no_complaints();
    }
}
