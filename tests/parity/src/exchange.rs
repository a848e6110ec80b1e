//! One case on one server.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::answer::Answer;
use crate::case::{Case, Metrics};
use crate::client;
use crate::config::{Outside, bootstrap};
use crate::host::Host;
use crate::log::Logged;
use crate::server::{Server, Started};
use crate::upstream::{self, Seen};

/// How long the log must be still before it is taken for complete.
const STILL: Duration = Duration::from_millis(120);

/// How long it may take until nothing is logged any more.
const UNREST: Duration = Duration::from_secs(4);

/// How long a step may wait for a message.
const WAIT: Duration = Duration::from_secs(10);

/// What the server does in the case. What it counts and logs behind its responses is waited for until `expected` says that
/// it is all there, for so long at most.
///
/// # Errors
///
/// The case can't be run.
pub(crate) fn answer(
    host: &Host,
    case: &Case,
    guests: &Path,
    expected: impl Fn(&Answer) -> bool,
    patience: Duration,
) -> Result<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let seen = Seen::default();
        // Bound, and nobody accepts: what is closed may be another's port a moment later. So it is closed late.
        let dead = TcpListener::bind("127.0.0.1:0").await?;
        let outside = Outside {
            runtime: &host.runtime(),
            upstreams: [
                upstream::start(false, seen.clone()).await?,
                upstream::start(true, seen.clone()).await?,
            ],
            dead: dead.local_addr()?.port(),
            guests,
            folder: folder.path(),
        };
        let config = bootstrap(case, &outside)?;
        std::fs::write(
            folder.path().join("config.json"),
            serde_json::to_vec_pretty(&config)?,
        )?;
        drop(dead);
        match Server::start(host, case, folder.path()).await? {
            Started::Refused(said) => refused(case, &said),
            Started::Ready(_) if !case.refused.is_empty() => {
                let mut answer = Answer::default();
                answer.add("start", vec!["ready".to_owned()]);
                Ok(answer)
            }
            Started::Ready(server) => serve(server, case, &seen, expected, patience).await,
        }
    })
}

/// The answer of a server that did not start.
fn refused(case: &Case, said: &str) -> Result<Answer> {
    if case.refused.is_empty() {
        bail!("the server ended:\n{}", last_lines(said));
    }
    let mut lines = vec!["refused".to_owned()];
    lines.extend(
        case.refused
            .iter()
            .map(|words| match said.contains(words.as_str()) {
                true => format!("says: {words}"),
                false => format!("does not say: {words}"),
            }),
    );
    let mut answer = Answer::default();
    answer.add("start", lines);
    Ok(answer)
}

async fn serve(
    mut server: Server,
    case: &Case,
    seen: &Seen,
    expected: impl Fn(&Answer) -> bool,
    patience: Duration,
) -> Result<Answer> {
    let mut responses = Vec::new();
    for step in &case.step {
        if let Some(line) = &step.request {
            let lines = client::send(server.address, line, step).await;
            responses.push(lines.with_context(|| line.clone())?);
        } else if let Some(words) = &step.wait_log {
            let started = Instant::now();
            while !server.log()?.contains(words.as_str()) {
                if started.elapsed() > WAIT {
                    bail!("{words:?} is never logged:\n{}", last_lines(&server.log()?));
                }
                sleep(Duration::from_millis(10)).await;
            }
        } else if let Some(time) = step.sleep_ms {
            sleep(Duration::from_millis(time)).await;
        }
    }
    let started = Instant::now();
    loop {
        settle(&server).await?;
        let answer = observe(&server, case, seen, &responses).await?;
        if expected(&answer) || started.elapsed() > patience {
            if !server.runs()? {
                bail!("the server ended:\n{}", last_lines(&server.log()?));
            }
            return Ok(answer);
        }
    }
}

/// The end of a log, for a message.
fn last_lines(log: &str) -> String {
    const SHOWN: usize = 15;
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..].join("\n")
}

/// Waits until nothing is logged any more, or for so long that there is no end to it.
async fn settle(server: &Server) -> Result<()> {
    let started = Instant::now();
    let mut last = (server.log_size()?, Instant::now());
    while last.1.elapsed() < STILL && started.elapsed() < UNREST {
        sleep(Duration::from_millis(20)).await;
        let size = server.log_size()?;
        if size != last.0 {
            last = (size, Instant::now());
        }
    }
    Ok(())
}

async fn observe(server: &Server, case: &Case, seen: &Seen, responses: &[Vec<String>]) -> Result<Answer> {
    let mut answer = Answer::default();
    for (index, lines) in responses.iter().enumerate() {
        answer.add(format!("response {}", index + 1), lines.clone());
    }
    answer.add("upstream", seen.lines(case.upstream_sorted));
    let names: Vec<&str> = case.plugin.iter().map(|plugin| plugin.name.as_str()).collect();
    let logged = Logged::parse(&server.log()?, &names, case.log);
    answer.add("log", logged.streams);
    answer.add("root log", logged.roots);
    answer.add("host log", logged.host);
    let stats = server.admin("/stats").await?;
    let mut metrics: Vec<String> = stats
        .lines()
        .filter_map(|line| metric(line, case.metrics))
        .collect();
    metrics.sort();
    answer.add("metrics", metrics);
    let counters = stats.lines().filter(|line| {
        line.rsplit_once(": ")
            .is_some_and(|(name, _)| case.stats.iter().any(|one| one == name))
    });
    answer.add("stats", counters.map(str::to_owned).collect());
    case.skip.iter().for_each(|aspect| answer.remove(aspect));
    Ok(answer)
}

/// A plugin's metric, in a line of the stats.
fn metric(line: &str, metrics: Metrics) -> Option<String> {
    let (name, value) = line
        .rsplit_once(": ")
        .filter(|(_, value)| value.parse::<u64>().is_ok())
        .or_else(|| {
            // A histogram, whose numbers come and go with intervals.
            let (name, _) = line.split_once(": ")?;
            Some((name, "a histogram"))
        })?;
    let name = name.strip_prefix("wasmcustom.")?;
    // What enginebay counts itself.
    if name == "metrics_active" {
        return None;
    }
    Some(match metrics {
        Metrics::Values => format!("{name}: {value}"),
        Metrics::Names => name.to_owned(),
    })
}
