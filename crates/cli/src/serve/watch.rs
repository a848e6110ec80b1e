//! Whether a file has changed.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

/// How often the file is looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// A file that is looked at once a second: its content, as a name may lead to another file through any number of links, and
/// times of files are coarse.
pub(super) struct Watch {
    path: PathBuf,
    known: Option<u64>,
    /// What was there the last time, if it differs from what is known: a file that is being written is not read.
    seen: Option<u64>,
}

impl Watch {
    pub(super) fn new(path: &Path) -> Self {
        Watch {
            path: path.to_owned(),
            known: content(path),
            seen: None,
        }
    }

    async fn changed(&mut self) {
        loop {
            sleep(PERIOD).await;
            let now = content(&self.path);
            if now.is_none() || now == self.known {
                self.seen = None;
            } else if now == self.seen {
                self.known = now;
                self.seen = None;
                return;
            } else {
                self.seen = now;
            }
        }
    }
}

/// Until the file has changed, and stayed as it is for a while. For ever if there is none.
pub(super) async fn changed(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// `None` if it can't be read.
fn content(path: &Path) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    std::fs::read(path).ok()?.hash(&mut hasher);
    Some(hasher.finish())
}
