//! Mixed load on `enginebay serve`: plugins of every kind, HTTP and TCP, callouts over HTTP and gRPC, slow and large bodies,
//! upstreams that fail, clients that go away at any time. At the end nothing may be left of it: see [`run`].

#![forbid(unsafe_code)]

mod body;
mod client;
mod counts;
#[path = "../../../crates/cli/tests/serve/grpc_server.rs"]
mod grpc_server;
mod listeners;
mod pattern;
mod random;
mod request;
mod server;
mod tcp;
mod upstream;
mod verdict;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

pub use verdict::Verdict;

use counts::Counts;
use listeners::{Ports, config};
use random::Random;
use server::Server;
use verdict::growth_allowed;

/// How often the state is told.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// How long requests may take to end after the load, and numbers to get to zero after that.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program: `enginebay`.
    pub server: PathBuf,
    /// The runtime of all plugins, by a name that the server knows.
    pub runtime: String,
    /// How long the load lasts.
    pub time: Duration,
    /// How many clients there are at once.
    pub connections: usize,
    /// What is random is the same for the same seed, apart from the time that things take.
    pub seed: u64,
}

/// Runs the load and says what it showed: that streams, callouts, buffers, requests and connections are gone, that no VM
/// failed and the server did not panic, that each request got what it could get, and that the server's memory did not
/// grow after the first fifth. Writes a line every 10 seconds to the standard error.
///
/// # Errors
/// The server can't be started or does not end, or there are no sockets.
pub fn run(options: &Options) -> Result<Verdict> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(load(options))
}

async fn load(options: &Options) -> Result<Verdict> {
    let seen = Arc::new(upstream::Seen::default());
    let (grpc, grpc_seen) = grpc_server::start().await;
    let ports = Ports {
        http1: upstream::start(false, options.seed, seen.clone()).await?,
        http2: upstream::start(true, options.seed, seen.clone()).await?,
        grpc,
        tcp: tcp::echo(seen.clone()).await?,
    };
    let mut server = Server::start(&options.server, &config(&options.runtime, ports))?;
    let addresses = Arc::new(server.addresses.clone());
    let vms = server.stats()?.sum("wasm.", ".active");
    let counts = Arc::new(Counts::default());
    let mut clients = JoinSet::new();
    for number in 0..options.connections {
        let random = Random::new(options.seed, number as u64);
        clients.spawn(client::run(addresses.clone(), random, counts.clone()));
    }

    let started = Instant::now();
    let warm_up = options.time / 5;
    sleep(warm_up).await;
    let warm = server.memory()?;
    while let Some(left) = options
        .time
        .checked_sub(started.elapsed())
        .filter(|left| !left.is_zero())
    {
        sleep(left.min(TOLD_EVERY)).await;
        tell(started, &server, &counts)?;
    }
    let memory = server.memory()?;

    counts.stop();
    if timeout(PATIENCE, async { while clients.join_next().await.is_some() {} })
        .await
        .is_err()
    {
        counts.fail(format!("{} clients do not end", clients.len()));
        clients.shutdown().await;
    }
    let mut verdict = Verdict::default();
    let stats = quiet(&server, &seen).await?;
    for (what, found) in stats.under_way() {
        verdict.same(what, found, 0);
    }
    verdict.same(
        "requests and connections at the upstreams",
        seen.active.load(Relaxed),
        0,
    );
    verdict.same("VMs", stats.sum("wasm.", ".active"), vms);
    verdict.same("crashes", stats.sum("wasm.", ".crashes"), 0);
    verdict.same(
        "items of the queue",
        stats.sum("wasmcustom.queue_consumed", ""),
        stats.sum("wasmcustom.metrics_requests", ""),
    );
    let growth = memory.saturating_sub(warm);
    verdict.at_most(
        format!("growth of memory, KiB (from {warm} to {memory})"),
        growth,
        growth_allowed(warm),
    );
    let (failures, told) = counts.failures();
    verdict.same("wrong answers", failures, 0);
    if failures > 0 {
        verdict.none("the first of them", &told);
    }
    let missing: Vec<String> = counts.missing().into_iter().map(str::to_owned).collect();
    verdict.none("not reached", &missing);
    verdict.same(
        "exit code",
        server.end()?.code().map_or(u64::MAX, |code| code as u64),
        0,
    );
    verdict.none("in the log", &complaints(&server.log()?));
    eprintln!(
        "{counts} refused {} trailers {} upstream requests {} gRPC calls {} ({} left)",
        counts.refused.load(Relaxed),
        counts.trailers.load(Relaxed),
        seen.requests.load(Relaxed),
        grpc_seen.calls.load(Relaxed),
        grpc_seen.broken.load(Relaxed),
    );
    Ok(verdict)
}

fn tell(started: Instant, server: &Server, counts: &Counts) -> Result<()> {
    let stats = server.stats()?;
    let [streams, callouts, buffered, ..] = stats.under_way().map(|(_, value)| value);
    eprintln!(
        "{:>4} s  {counts}  RSS {} KiB  files {}  streams {streams} callouts {callouts} buffered {buffered}",
        started.elapsed().as_secs(),
        server.memory()?,
        server.files()?,
    );
    Ok(())
}

/// The numbers of the server once nothing is under way, or those at the end of the patience.
async fn quiet(server: &Server, seen: &upstream::Seen) -> Result<server::Stats> {
    let started = Instant::now();
    // Workers look at their plugins once in a second: zero is only meant if it stays.
    let mut zeros = 0;
    loop {
        sleep(Duration::from_millis(500)).await;
        let stats = server.stats()?;
        let busy = seen.active.load(Relaxed) > 0 || stats.under_way().iter().any(|(_, value)| *value > 0);
        zeros = if busy { 0 } else { zeros + 1 };
        if zeros > 4 || started.elapsed() > PATIENCE {
            return Ok(stats);
        }
    }
}

/// Lines of the log that say that something broke.
fn complaints(log: &str) -> Vec<String> {
    const MOST: usize = 10;
    log.lines()
        .filter(|line| {
            let words = [
                "panicked",
                "crash",
                " failed",
                "trap",
                "ERROR",
                "[error]",
                "[critical]",
            ];
            words.iter().any(|word| line.contains(word))
        })
        .take(MOST)
        .map(str::to_owned)
        .collect()
}
