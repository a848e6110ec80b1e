//! A directory of files that are found by digest: what enginebay keeps from one start to the next.

#![forbid(unsafe_code)]

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const TEMPORARY: &str = ".tmp";
/// Digits in the name of a file.
const DIGITS: usize = 64;

/// What a directory keeps, and how much of it.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What log messages begin with, such as `code cache`.
    pub name: &'static str,
    /// What the names of its files end with, such as `.wasm`.
    pub suffix: &'static str,
    /// What becomes of a file that is no good, such as `to be fetched again`.
    pub instead: &'static str,
    /// What becomes of something that can't be kept, such as `the code is used from memory`.
    pub otherwise: &'static str,
    /// Bytes of all files; the least recently used goes first.
    pub max_bytes: u64,
    /// Bytes of one file.
    pub max_file: u64,
    /// The age at which what a killed process left half-written is removed.
    pub temporary_age: Duration,
}

/// A directory with a file for each thing that is kept, named by 64 hexadecimal digits. A file gets its name once it is whole
/// and on the disk; whatever is found under the name is checked before it is used. What has other names is left alone.
/// Several processes can share a directory.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
    kind: Kind,
}

impl Directory {
    /// The directory at this path. It is made when something is stored.
    pub fn new(path: PathBuf, kind: Kind) -> Directory {
        Directory { path, kind }
    }

    fn file(&self, digest: &str) -> PathBuf {
        self.path.join(format!("{digest}{}", self.kind.suffix))
    }

    /// What `check` makes of the file of this digest, if there is one. What `check` refuses is removed.
    pub fn load<T, E: Display>(
        &self,
        digest: &str,
        check: impl FnOnce(Vec<u8>) -> Result<T, E>,
    ) -> Option<T> {
        let path = self.file(digest);
        let reason = match self.read(&path) {
            Ok(bytes) => match check(bytes) {
                Ok(found) => return Some(found),
                Err(reason) => reason.to_string(),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => error.to_string(),
        };
        let Kind { name, instead, .. } = self.kind;
        tracing::warn!("{name}: {}: {reason}: removed, {instead}", path.display());
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!("{name}: {}: can't be removed: {error}", path.display());
        }
        None
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let metadata = fs::symlink_metadata(path)?;
        // Opening a pipe would wait for somebody to write to it.
        if !metadata.is_file() {
            return Err(io::Error::other("not a file"));
        }
        if metadata.len() > self.kind.max_file {
            return Err(io::Error::other(format!(
                "larger than {} bytes",
                self.kind.max_file
            )));
        }
        let mut file = File::open(path)?;
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        (&mut file).take(self.kind.max_file + 1).read_to_end(&mut bytes)?;
        // Its age is the time of its last use. Where that can't be noted, it only goes a little early.
        let _ = file.set_modified(SystemTime::now());
        Ok(bytes)
    }

    /// Keeps something. If that can't be done, it is said, and all.
    pub fn store(&self, digest: &str, bytes: &[u8]) {
        let size = bytes.len() as u64;
        let Kind {
            name,
            otherwise,
            max_bytes,
            ..
        } = self.kind;
        if size > max_bytes {
            tracing::warn!(
                "{name}: {}: {size} bytes are more than it may have ({max_bytes}): not kept",
                self.path.display()
            );
            return;
        }
        if let Err(error) = self.write(digest, bytes) {
            tracing::warn!("{name}: {}: {error}: {otherwise}", self.path.display());
        }
    }

    fn write(&self, digest: &str, bytes: &[u8]) -> io::Result<()> {
        create(&self.path)?;
        self.clean();
        self.make_room(digest, bytes.len())?;
        let path = self.file(digest);
        // Other processes, on other machines even, may write the same at the same time.
        let unique = getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?;
        let temporary = self.path.join(format!("{digest}.{unique:016x}{TEMPORARY}"));
        let written = whole(&temporary, bytes).and_then(|()| fs::rename(&temporary, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        // The name is on the disk once the directory is. Without, it is lost in a power cut, and fetched again.
        if let Ok(directory) = File::open(&self.path) {
            let _ = directory.sync_all();
        }
        Ok(())
    }

    /// Removes what was not used for longest until so much more fits.
    fn make_room(&self, digest: &str, size: usize) -> io::Result<()> {
        let own = self.file(digest);
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        let mut total = size as u64;
        for (path, metadata) in self.files(self.kind.suffix)? {
            if path != own && metadata.is_file() {
                total = total.saturating_add(metadata.len());
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.push((used, metadata.len(), path));
            }
        }
        files.sort();
        for (_, size, path) in files {
            if total <= self.kind.max_bytes {
                break;
            }
            tracing::debug!("{}: {}: removed to make room", self.kind.name, path.display());
            fs::remove_file(&path)?;
            total -= size;
        }
        Ok(())
    }

    /// Removes what killed processes left half-written.
    pub fn clean(&self) {
        // Without a directory there is nothing to clean, and one that can't be read is told when it is to be written to.
        for (path, metadata) in self.files(TEMPORARY).unwrap_or_default() {
            let age = metadata.modified().ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age >= self.kind.temporary_age) && metadata.is_file() {
                tracing::info!(
                    "{}: {}: left half-written, removed",
                    self.kind.name,
                    path.display()
                );
                let _ = fs::remove_file(&path);
            }
        }
    }

    /// The files that are ours by their names.
    fn files(&self, suffix: &str) -> io::Result<Vec<(PathBuf, fs::Metadata)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let ours = name.to_str().is_some_and(|name| {
                let digits = name.get(..DIGITS).unwrap_or_default().as_bytes();
                name.ends_with(suffix) && digits.len() == DIGITS && digits.iter().all(u8::is_ascii_hexdigit)
            });
            // Whatever is gone meanwhile is gone.
            if ours && let Ok(metadata) = entry.metadata() {
                files.push((entry.path(), metadata));
            }
        }
        Ok(files)
    }
}

/// Writes a file to the disk.
fn whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the directory, for nobody else.
fn create(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn kind() -> Kind {
        Kind {
            name: "test",
            suffix: ".thing",
            instead: "to be made again",
            otherwise: "it is made again next time",
            max_bytes: 100,
            max_file: 10,
            temporary_age: Duration::ZERO,
        }
    }

    fn load(directory: &Directory) -> Option<Vec<u8>> {
        directory.load(NAME, Ok::<_, String>)
    }

    #[test]
    fn what_is_stored_is_found_until_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path().join("new"), kind());
        assert_eq!(load(&directory), None);
        directory.store(NAME, b"thing");
        assert_eq!(load(&directory).as_deref(), Some(&b"thing"[..]));
        assert_eq!(directory.load(NAME, |_| Err::<(), _>("no")), None);
        assert_eq!(load(&directory), None);
    }

    #[test]
    fn what_is_too_large_is_not_kept_and_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path().to_owned(), kind());
        directory.store(NAME, &[0; 101]);
        assert_eq!(load(&directory), None);
        directory.store(NAME, &[0; 11]);
        assert_eq!(load(&directory), None);
        directory.store(NAME, &[0; 10]);
        assert_eq!(load(&directory).map(|bytes| bytes.len()), Some(10));
    }

    #[test]
    fn what_was_left_half_written_goes_and_what_is_not_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path().to_owned(), kind());
        let left = folder.path().join(format!("{NAME}.0123{TEMPORARY}"));
        let other = folder.path().join("other.tmp");
        fs::write(&left, "half").unwrap();
        fs::write(&other, "whole").unwrap();
        directory.clean();
        assert!(!left.exists() && other.exists());
    }
}
