//! Notices that a file changed.
//!
//! By looking at it once a second, not by the system's notifications: those don't come for files of network and some
//! overlay file systems, nor for a file behind a symbolic link that is swapped somewhere above it (as Kubernetes does with
//! `..data`) unless every directory on the way is watched, and a system can run out of them. A look is one or two `stat`s,
//! on a thread that may wait for a slow disk.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use enginebay::config::model::FileSource;
use sha2::{Digest, Sha256};
use tokio::time::sleep;

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a file must stay as it is before it is said to have changed.
const SETTLED: Duration = Duration::from_millis(100);
/// After so many times [`SETTLED`] a file that is written to all the time is taken as it is.
const PATIENCE: u32 = 50;

/// Watches a file, for changes of what is in it. `content` is what was read of it: what changed since then is told too.
pub(in crate::serve) fn file(path: &Path, content: &[u8]) -> FileWatch {
    FileWatch {
        watch: Watch {
            path: path.to_owned(),
            directory: None,
            trigger: Trigger::Written,
            seen: None,
        },
        digest: Sha256::digest(content).into(),
        looked: false,
    }
}

/// A file whose content is watched.
pub(in crate::serve) struct FileWatch {
    watch: Watch,
    digest: [u8; 32],
    /// Something changed, and the content was not looked at since.
    looked: bool,
}

impl FileWatch {
    /// Waits until there is something else in the file, and for a moment nothing more was written to it. One that is gone
    /// has not changed until it is there again.
    ///
    /// Dropped and called again, it misses nothing.
    pub(in crate::serve) async fn changed(&mut self) {
        loop {
            if !self.looked {
                self.watch.changed(true).await;
                self.looked = true;
            }
            let path = self.watch.path.clone();
            let digest = off_thread(move || digest(&path)).await;
            self.looked = false;
            // Where it can't be read there is nothing to tell.
            if let Ok(digest) = digest
                && digest != self.digest
            {
                self.digest = digest;
                return;
            }
        }
    }
}

fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    io::copy(&mut open(path)?, &mut hasher)?;
    Ok(hasher.finalize().into())
}

/// Opens a file that is one: others may have no end.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is not a file")),
    }
}

/// What makes a file worth reading again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    /// Another file is there.
    Moved,
    /// That, or something was written to it.
    Written,
    /// So much time has passed.
    Clock(Duration),
}

/// The file of a source.
pub(super) struct Watch {
    path: PathBuf,
    /// The directory where changes count too.
    directory: Option<PathBuf>,
    trigger: Trigger,
    seen: Option<Look>,
}

impl Watch {
    /// Watches as the source says, from now on.
    pub(super) async fn source(source: &FileSource) -> Self {
        let trigger = match source.poll_interval {
            Some(interval) => Trigger::Clock(interval),
            None if source.watch_modify => Trigger::Written,
            None => Trigger::Moved,
        };
        let mut watch = Watch {
            path: source.path.clone(),
            directory: source.watched_directory.clone(),
            trigger,
            seen: None,
        };
        watch.seen = watch.look().await;
        watch
    }

    /// Whether it does not look for changes but is to be read again and again.
    pub(super) fn is_by_clock(&self) -> bool {
        matches!(self.trigger, Trigger::Clock(_))
    }

    /// Waits until the file is to be read again. If what was read last was not `good`, it may not have been all there yet,
    /// and writing more counts.
    pub(super) async fn changed(&mut self, good: bool) {
        if let Trigger::Clock(interval) = self.trigger {
            return sleep(interval).await;
        }
        let written = !good || self.trigger == Trigger::Written;
        loop {
            sleep(INTERVAL).await;
            let Some(mut now) = self.look().await else {
                continue;
            };
            let same = self.seen.as_ref().is_some_and(|seen| seen.is_same(&now, written));
            if same {
                continue;
            }
            for _ in 0..PATIENCE {
                sleep(SETTLED).await;
                let Some(later) = self.look().await else {
                    break;
                };
                let settled = later.file == now.file;
                now = later;
                if settled {
                    break;
                }
            }
            self.seen = Some(now);
            return;
        }
    }

    /// How things are; nothing if the file is gone.
    async fn look(&self) -> Option<Look> {
        let (path, directory) = (self.path.clone(), self.directory.clone());
        let look = off_thread(move || {
            Ok(Look {
                file: Stat::new(&fs::metadata(path)?),
                directory: match directory {
                    Some(directory) => Some(Stat::new(&fs::metadata(directory)?)),
                    None => None,
                },
            })
        });
        look.await.ok()
    }
}

#[derive(Debug)]
struct Look {
    file: Stat,
    directory: Option<Stat>,
}

impl Look {
    fn is_same(&self, other: &Look, written: bool) -> bool {
        let file = match written {
            true => self.file == other.file,
            false => self.file.identity == other.file.identity,
        };
        file && self.directory == other.directory
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    identity: Identity,
    modified: Option<SystemTime>,
    /// When something else about it changed: a time of modification can be set back.
    changed: (i64, i64),
    len: u64,
}

/// Which file it is. Numbers of files are used again, hence the time.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    number: u64,
    created: Option<SystemTime>,
}

impl Stat {
    fn new(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let (device, number, changed) = {
            use std::os::unix::fs::MetadataExt;
            let changed = (metadata.ctime(), metadata.ctime_nsec());
            (metadata.dev(), metadata.ino(), changed)
        };
        #[cfg(not(unix))]
        let (device, number, changed) = (0, 0, (0, 0));
        Stat {
            identity: Identity {
                device,
                number,
                created: metadata.created().ok(),
            },
            modified: metadata.modified().ok(),
            changed,
            len: metadata.len(),
        }
    }
}

/// Does what may have to wait for a disk.
pub(super) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}
