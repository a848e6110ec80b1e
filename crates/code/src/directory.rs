//! The cache on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::{Code, Digest, Options, Reason};

const CODE: &str = ".wasm";
const TEMPORARY: &str = ".tmp";

/// A directory with a file `<sha256>.wasm` for each code. A file gets its name once it is whole and on the disk; whatever
/// is found under the name is hashed before it is used. What has other names is left alone.
#[derive(Clone)]
pub(crate) struct Directory {
    path: PathBuf,
    max_bytes: u64,
    max_code: usize,
    temporary_age: Duration,
}

impl Directory {
    pub(crate) fn new(path: PathBuf, options: &Options) -> Directory {
        Directory {
            path,
            max_bytes: options.directory_bytes,
            max_code: options.code_bytes,
            temporary_age: options.temporary_age,
        }
    }

    fn file(&self, digest: Digest) -> PathBuf {
        self.path.join(format!("{digest}{CODE}"))
    }

    /// The code, if it is here and whole. What is here and is something else is removed.
    pub(crate) fn load(&self, digest: Digest) -> Option<Code> {
        let path = self.file(digest);
        let reason = match self.read(&path) {
            Ok(bytes) => match Code::check(bytes, digest) {
                Ok(code) => return Some(code),
                Err(reason) => reason.to_string(),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => error.to_string(),
        };
        tracing::warn!(
            "code cache: {}: {reason}: removed, to be fetched again",
            path.display()
        );
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!("code cache: {}: can't be removed: {error}", path.display());
        }
        None
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let metadata = fs::symlink_metadata(path)?;
        // Opening a pipe would wait for somebody to write to it.
        if !metadata.is_file() {
            return Err(io::Error::other("not a file"));
        }
        if metadata.len() > self.max_code as u64 {
            return Err(io::Error::other(Reason::TooLarge(self.max_code)));
        }
        let mut file = File::open(path)?;
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        (&mut file)
            .take(self.max_code as u64 + 1)
            .read_to_end(&mut bytes)?;
        // Its age is the time of its last use. Where that can't be noted, it only goes a little early.
        let _ = file.set_modified(SystemTime::now());
        Ok(bytes)
    }

    /// Keeps code. If it can't, that is said, and all.
    pub(crate) fn store(&self, code: &Code) {
        let size = code.len() as u64;
        if size > self.max_bytes {
            tracing::warn!(
                "code cache: {}: {} bytes are more than it may have ({}): not kept",
                self.path.display(),
                size,
                self.max_bytes
            );
            return;
        }
        if let Err(error) = self.write(code) {
            tracing::warn!(
                "code cache: {}: {error}: the code is used from memory",
                self.path.display()
            );
        }
    }

    fn write(&self, code: &Code) -> io::Result<()> {
        create(&self.path)?;
        self.clean();
        self.make_room(code)?;
        let path = self.file(code.sha256());
        // Other processes, on other machines even, may write the same at the same time.
        let unique = getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?;
        let temporary = self
            .path
            .join(format!("{}.{unique:016x}{TEMPORARY}", code.sha256()));
        let written = whole(&temporary, code).and_then(|()| fs::rename(&temporary, &path));
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

    /// Removes what was not used for longest until the code fits.
    fn make_room(&self, code: &Code) -> io::Result<()> {
        let own = self.file(code.sha256());
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        let mut total = code.len() as u64;
        for (path, metadata) in self.files(CODE)? {
            if path != own && metadata.is_file() {
                total = total.saturating_add(metadata.len());
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.push((used, metadata.len(), path));
            }
        }
        files.sort();
        for (_, size, path) in files {
            if total <= self.max_bytes {
                break;
            }
            tracing::debug!("code cache: {}: removed to make room", path.display());
            fs::remove_file(&path)?;
            total -= size;
        }
        Ok(())
    }

    /// Removes what killed processes left half-written.
    pub(crate) fn clean(&self) {
        // Without a directory there is nothing to clean, and one that can't be read is told when it is to be written to.
        for (path, metadata) in self.files(TEMPORARY).unwrap_or_default() {
            let age = metadata.modified().ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age >= self.temporary_age) && metadata.is_file() {
                tracing::info!("code cache: {}: left half-written, removed", path.display());
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
                name.ends_with(suffix) && name.get(..64).and_then(Digest::parse).is_some()
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
