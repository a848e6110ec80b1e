//! Compiled code in a directory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use enginebay_engine::{Error, ErrorKind, Module};
use enginebay_store::{Directory, Kind};
use sha2::{Digest, Sha256};

use super::Compilation;

const DIGEST: usize = 32;
const TEMPORARY_AGE: Duration = Duration::from_secs(10 * 60);

/// The directory. A file is called by the digest of the engine's key and of the module's digest, and holds the digest of
/// the compiled code and that code.
pub(super) struct Kept(Directory);

impl Kept {
    pub(super) fn new(options: &Compilation) -> Result<Option<Kept>, Error> {
        let Some(path) = &options.directory else {
            return Ok(None);
        };
        check(path)?;
        let kind = Kind {
            name: "compiled code",
            suffix: ".compiled",
            instead: "to be compiled again",
            otherwise: "it is compiled again next time",
            max_bytes: options.directory_bytes,
            max_file: options.module_bytes.saturating_add(DIGEST as u64),
            temporary_age: TEMPORARY_AGE,
        };
        Ok(Some(Kept(Directory::new(path.clone(), kind))))
    }
}

/// Refuses a directory into which others could put code. One that is not there will be made for nobody else.
#[cfg(unix)]
fn check(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    const ROOT: u32 = 0;
    let Ok(found) = std::fs::metadata(path) else {
        return Ok(());
    };
    // A file that is made there belongs to whoever we are.
    let ours = || {
        let probe = tempfile::tempfile_in(path).and_then(|file| file.metadata());
        probe.is_ok_and(|probe| probe.uid() == found.uid())
    };
    if found.uid() != ROOT && !ours() {
        return Err(Error::new(
            ErrorKind::Setup,
            format!(
                "{}: this directory belongs to somebody else, and what is in it is run outside of any sandbox: name \
                 another directory for compiled code",
                path.display()
            ),
        ));
    }
    if found.mode() & 0o022 != 0 {
        return Err(Error::new(
            ErrorKind::Setup,
            format!(
                "{}: others can write to this directory, and what is in it is run outside of any sandbox: take that \
                 permission away (chmod go-w), or name another directory for compiled code",
                path.display()
            ),
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check(_: &Path) -> Result<(), Error> {
    Ok(())
}

/// Where the compiled code of one module belongs.
pub(super) struct Place {
    kept: Arc<Kept>,
    digest: String,
}

impl Place {
    pub(super) fn new(kept: Arc<Kept>, key: &str, module: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(key);
        // No key has this byte.
        hasher.update([0]);
        hasher.update(Sha256::digest(module));
        let digest = hasher
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Place { kept, digest }
    }

    /// What `deserialize` makes of what is there. What it refuses is removed.
    pub(super) fn load(
        &self,
        deserialize: impl FnOnce(&[u8]) -> Result<Arc<dyn Module>, Error>,
    ) -> Option<Arc<dyn Module>> {
        let Kept(directory) = &*self.kept;
        directory.load(&self.digest, |bytes| {
            let (digest, compiled) = bytes.split_at_checked(DIGEST).ok_or("it is cut short")?;
            if Sha256::digest(compiled)[..] != *digest {
                return Err("it is damaged".to_owned());
            }
            deserialize(compiled).map_err(|error| error.to_string())
        })
    }

    pub(super) fn store(&self, compiled: &[u8]) {
        let Kept(directory) = &*self.kept;
        let mut bytes = Vec::with_capacity(DIGEST + compiled.len());
        bytes.extend_from_slice(&Sha256::digest(compiled));
        bytes.extend_from_slice(compiled);
        directory.store(&self.digest, &bytes);
    }
}
