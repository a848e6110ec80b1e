//! The server as a process, and what it says of itself.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// Long enough for a busy machine; only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    admin: SocketAddr,
    /// In the order of the configuration.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// The numbers of `/stats`, by name.
pub(crate) struct Stats(BTreeMap<String, u64>);

impl Stats {
    fn parse(text: &str) -> Self {
        let number = |line: &str| {
            let (name, value) = line.rsplit_once(": ")?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Stats(text.lines().filter_map(number).collect())
    }

    /// The sum of those whose names start and end with these.
    pub(crate) fn sum(&self, start: &str, end: &str) -> u64 {
        self.0
            .iter()
            .filter(|(name, _)| name.starts_with(start) && name.ends_with(end))
            .map(|(_, value)| value)
            .sum()
    }

    /// The numbers of what is under way; all of them are zero once nothing is.
    pub(crate) fn under_way(&self) -> [(&'static str, u64); 6] {
        [
            ("wasm.streams_active", self.sum("wasm.streams_active", "")),
            ("wasm.callouts_active", self.sum("wasm.callouts_active", "")),
            ("wasm.buffered_bytes", self.sum("wasm.buffered_bytes", "")),
            ("downstream_rq_active", self.sum("http.", ".downstream_rq_active")),
            (
                "downstream_cx_active",
                self.sum("http.", ".downstream_cx_active") + self.sum("tcp.", ".downstream_cx_active"),
            ),
            ("metrics_active", self.sum("wasmcustom.metrics_active", "")),
        ]
    }
}

impl Server {
    /// Starts a server and waits until it is ready.
    pub(crate) fn start(program: &Path, config: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("server.yaml"), config)?;
        // It runs in another folder.
        let child = Command::new(std::path::absolute(program)?)
            .args(["serve", "-c", "server.yaml", "--admin-address-path", "admin"])
            .args(["--concurrency", "2", "--log-level", "warn"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("log"))?)
            .spawn()
            .with_context(|| format!("can't start {}", program.display()))?;
        let mut server = Server {
            child,
            folder,
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            addresses: Vec::new(),
        };
        let started = Instant::now();
        while !server.look() {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended ({status}):\n{}", server.log()?);
            }
            if started.elapsed() > PATIENCE {
                bail!("the server does not get ready:\n{}", server.log()?);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Whether it is ready; learns its addresses.
    fn look(&mut self) -> bool {
        let address = fs::read_to_string(self.folder.path().join("admin"));
        let Some(admin) = address.ok().and_then(|address| address.parse().ok()) else {
            return false;
        };
        self.admin = admin;
        if self.admin("/ready").is_err() {
            return false;
        }
        let listeners = self.admin("/listeners").unwrap_or_default();
        let addresses = listeners
            .lines()
            .filter_map(|line| line.split_once("::")?.1.parse().ok());
        self.addresses = addresses.collect();
        !self.addresses.is_empty()
    }

    /// The body of an answer of the admin interface.
    fn admin(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.admin)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n"
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").context("no answer")?;
        if !head.starts_with("HTTP/1.1 200") {
            bail!("{path}: {head}");
        }
        Ok(body.to_owned())
    }

    pub(crate) fn stats(&self) -> Result<Stats> {
        Ok(Stats::parse(&self.admin("/stats").context("no /stats")?))
    }

    pub(crate) fn log(&self) -> Result<String> {
        let log = fs::read(self.folder.path().join("log"))?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        status
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmRSS:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .parse()
                    .ok()
            })
            .context("no VmRSS")
    }

    /// Open files, sockets among them.
    pub(crate) fn files(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// Ends it as an operator would.
    pub(crate) fn end(&mut self) -> Result<ExitStatus> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the server does not end after SIGTERM")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_name() {
        let stats = Stats::parse(
            "http.a.downstream_rq_active: 2\nhttp.b.downstream_rq_active: 3\nwasm.streams_active: 7\nwasmcustom.h: \
             P0(nan,1) P25(nan,1)\n",
        );
        let [streams, callouts, _, requests, ..] = stats.under_way();
        assert_eq!(streams, ("wasm.streams_active", 7));
        assert_eq!(callouts.1, 0);
        assert_eq!(requests, ("downstream_rq_active", 5));
    }
}
