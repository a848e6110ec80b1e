//! Load on a server: `wrk` where it is installed, else [`generator`](super::generator) as a process.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// What a client saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Answers.
    pub requests: u64,
    /// Answers that are not 200, and connections that failed.
    pub failures: u64,
    pub per_second: f64,
    /// Microseconds, half of the answers took no longer.
    pub p50: f64,
    /// Microseconds, 99 of 100 answers took no longer.
    pub p99: f64,
}

/// What makes the load.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// What stands before the program: the processor it is kept on.
    pub wrapper: Vec<String>,
    pub wrk: bool,
    pub connections: usize,
}

impl Client {
    /// The client that never sleeps, under which processor time is counted. wrk sleeps when it has to wait, and to wake it is
    /// work that the server is charged with: more for a slower server, and none for one that is faster than wrk.
    pub(super) fn wakeful(&self) -> Client {
        Client {
            wrk: false,
            ..self.clone()
        }
    }

    pub(super) fn name(&self) -> &'static str {
        if self.wrk { "wrk" } else { "the client of xtask" }
    }

    /// Keeps every connection busy for so long.
    pub(super) fn run(&self, address: SocketAddr, time: Duration) -> Result<Seen> {
        let own = std::env::current_exe().context("there is no program to make load with")?;
        let program = if self.wrk {
            "wrk".into()
        } else {
            own.into_os_string()
        };
        let mut words = self.wrapper.iter().map(std::ffi::OsString::from).chain([program]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        let connections = self.connections.to_string();
        if self.wrk {
            let seconds = format!("{}s", time.as_secs().max(1));
            command
                .args(["-t", "1", "-c", &connections, "-d", &seconds, "--latency"])
                .arg(format!("http://{address}/"));
        } else {
            command
                .args(["load", &address.to_string(), "--connections", &connections])
                .args(["--millis", &time.as_millis().to_string()]);
        }
        let output = command.output().context("cannot start the client")?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!(
                "the client failed: {}{text}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let seen = if self.wrk {
            wrk(&text).with_context(|| format!("wrk said something else:\n{text}"))?
        } else {
            serde_json::from_str(&text)?
        };
        if seen.failures > 0 || seen.requests == 0 {
            bail!(
                "{} of {} answers were not as they should be",
                seen.failures,
                seen.requests
            );
        }
        Ok(seen)
    }
}

/// Reads wrk's report.
fn wrk(text: &str) -> Option<Seen> {
    let lines = || text.lines().map(str::trim);
    let after = |start: &str| lines().find_map(|line| line.strip_prefix(start).map(str::trim));
    let (requests, _) = lines().find_map(|line| line.split_once(" requests in "))?;
    let errors = after("Socket errors:").map_or(Some(0), |line| {
        let numbers = line
            .split(", ")
            .map(|part| part.rsplit(' ').next()?.parse::<u64>().ok());
        numbers.sum()
    })?;
    let refused = after("Non-2xx or 3xx responses:").map_or(Some(0), |count| count.parse().ok())?;
    Some(Seen {
        requests: requests.parse().ok()?,
        failures: errors + refused,
        per_second: after("Requests/sec:")?.parse().ok()?,
        p50: micros(after("50%")?)?,
        p99: micros(after("99%")?)?,
    })
}

/// A time as wrk writes it, such as `1.23ms`.
fn micros(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return None,
    };
    Some(digits.parse::<f64>().ok()? * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "Running 3s test @ http://127.0.0.1:1/
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   250.50us   80.00us   3.00ms   90.00%
    Req/Sec    65.00k     1.00k   66.00k    80.00%
  Latency Distribution
     50%  240.00us
     75%  260.00us
     90%  300.00us
     99%    1.25ms
  195000 requests in 3.00s, 25.00MB read
Requests/sec:  64999.50
Transfer/sec:      8.33MB
";

    #[test]
    fn the_report_of_wrk_is_read() {
        let seen = wrk(REPORT).unwrap();
        let expected = Seen {
            requests: 195_000,
            failures: 0,
            per_second: 64_999.5,
            p50: 240.0,
            p99: 1250.0,
        };
        assert_eq!(seen, expected);
        let failed = REPORT.replace(
            "Requests/sec",
            "  Socket errors: connect 1, read 2, write 0, timeout 3\n  Non-2xx or 3xx responses: 10\nRequests/sec",
        );
        assert_eq!(wrk(&failed).unwrap().failures, 16);
        assert_eq!(wrk("unable to connect"), None);
    }
}
