//! A server as a process.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::time::sleep;

use crate::case::Case;
use crate::client;
use crate::host::Host;

/// Long enough for a busy machine; only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends with this.
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    admin: SocketAddr,
    pub(crate) address: SocketAddr,
}

/// How starting went.
pub(crate) enum Started {
    Ready(Server),
    /// It ended by itself, and said this.
    Refused(String),
}

impl Server {
    /// Starts the server in the folder, where its configuration is.
    pub(crate) async fn start(host: &Host, case: &Case, folder: &Path) -> Result<Started> {
        let log = File::create(folder.join("log"))?;
        let child = host
            .command(&folder.join("config.json"))
            .envs(&case.env)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("can't start {}", host.name()))?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server {
            child,
            folder: folder.to_owned(),
            admin: nowhere,
            address: nowhere,
        };
        let started = Instant::now();
        loop {
            if server.child.try_wait()?.is_some() {
                return Ok(Started::Refused(server.log()?));
            }
            if server.look().await.is_some() {
                return Ok(Started::Ready(server));
            }
            if started.elapsed() > PATIENCE {
                bail!("{} does not get ready:\n{}", host.name(), server.log()?);
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Learns its addresses, if it is ready.
    async fn look(&mut self) -> Option<()> {
        let admin = fs::read_to_string(self.folder.join("admin")).ok()?;
        self.admin = admin.trim().parse().ok()?;
        self.admin("/ready").await.ok()?;
        let listeners = self.admin("/listeners").await.ok()?;
        let (_, address) = listeners.lines().next()?.split_once("::")?;
        self.address = address.trim().parse().ok()?;
        Some(())
    }

    /// The body of an answer of the admin interface.
    pub(crate) async fn admin(&self, path: &str) -> Result<String> {
        client::get(self.admin, path).await
    }

    pub(crate) fn log(&self) -> Result<String> {
        let log = fs::read(self.folder.join("log"))?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    /// How much it has logged.
    pub(crate) fn log_size(&self) -> Result<u64> {
        Ok(fs::metadata(self.folder.join("log"))?.len())
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
