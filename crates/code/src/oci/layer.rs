//! The module in an archive.

use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::manifest::Kind;
use crate::Reason;

/// The name that the Wasm image specification gives the module.
const NAME: &str = "plugin.wasm";

/// The first file called `plugin.wasm`, in whatever directory. It may have `code` bytes, and it and all before it
/// `unpacked` ones, with what is between them.
pub(super) fn module(layer: &[u8], kind: Kind, code: usize, unpacked: usize) -> Result<Vec<u8>, Reason> {
    let mut bounded = Bounded {
        left: unpacked,
        ran_out: false,
        from: match kind {
            Kind::TarGzip => Box::new(MultiGzDecoder::new(layer)),
            Kind::Tar | Kind::Module => Box::new(layer),
        },
    };
    let found = find(&mut bounded, code);
    if bounded.ran_out {
        return Err(Reason::TooLarge(unpacked));
    }
    match found {
        Ok(Some(found)) => found,
        Ok(None) => Err(Reason::Image(format!("no {NAME} in its layer"))),
        Err(error) => Err(Reason::Image(format!("its layer: {error}"))),
    }
}

fn find(from: &mut Bounded<'_>, limit: usize) -> io::Result<Option<Result<Vec<u8>, Reason>>> {
    for entry in tar::Archive::new(from).entries()? {
        let mut entry = entry?;
        let named = entry.path()?.file_name() == Path::new(NAME).file_name();
        if !named || !entry.header().entry_type().is_file() {
            continue;
        }
        let size = usize::try_from(entry.size()).unwrap_or(usize::MAX);
        if size > limit {
            return Ok(Some(Err(Reason::TooLarge(limit))));
        }
        let mut module = Vec::new();
        entry.read_to_end(&mut module)?;
        if module.len() != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        return Ok(Some(Ok(module)));
    }
    Ok(None)
}

/// A reader that ends with an error after so many bytes.
struct Bounded<'a> {
    from: Box<dyn Read + 'a>,
    left: usize,
    ran_out: bool,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            self.ran_out = true;
            return Err(io::Error::other("too large"));
        }
        let most = buffer.len().min(self.left);
        let read = self.from.read(&mut buffer[..most])?;
        self.left -= read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
