//! Where a plugin comes from.

use enginebay_engine::{Error, ErrorKind};

use crate::entry_points::EntryPoint;
use crate::plugin::{self, Code};
use crate::{native, status};

/// A plugin that was found.
pub(crate) enum Source {
    /// In the program.
    Linked(Code),
    /// In a shared library.
    #[cfg(all(unix, feature = "dylib"))]
    Library(crate::dylib::PluginLibrary),
}

impl Source {
    /// The plugin that `code` names: a registered one, or else the path of a shared library.
    pub(crate) fn find(code: &[u8]) -> Result<Self, Error> {
        let Ok(name) = std::str::from_utf8(code) else {
            return Err(Error::new(
                ErrorKind::InvalidModule,
                "the code of a native plugin is its name, and this is not text: is it a WebAssembly module? Then \
                 choose another runtime",
            ));
        };
        if let Some(plugin) = plugin::find(name)? {
            return Ok(Source::Linked(plugin.code));
        }
        if is_path(name) {
            library(name)
        } else {
            Err(plugin::unknown(name))
        }
    }

    pub(crate) fn has(&self, entry: &EntryPoint) -> bool {
        match self {
            Source::Linked(Code::Sdk { table, .. }) => (entry.is_in)(table) || entry.name == "_initialize",
            Source::Linked(Code::Table(table)) => (entry.is_in)(table),
            Source::Linked(Code::Native(_)) => native::has(entry.name),
            #[cfg(all(unix, feature = "dylib"))]
            Source::Library(library) => (entry.is_in)(&library.table),
        }
    }

    /// The export that names the version of the ABI, where the plugin has one.
    pub(crate) fn marker(&self) -> Option<&'static str> {
        match self {
            Source::Linked(_) => None,
            #[cfg(all(unix, feature = "dylib"))]
            Source::Library(library) => Some(library.marker),
        }
    }

    /// The status codes that the plugin can be given.
    pub(crate) fn statuses(&self) -> status::Known {
        match self {
            Source::Linked(Code::Sdk { .. }) => status::Known::SDK,
            Source::Linked(_) => status::Known::ALL,
            // Nothing says what a library was written with, and most are written with the SDK.
            #[cfg(all(unix, feature = "dylib"))]
            Source::Library(_) => status::Known::SDK,
        }
    }
}

fn is_path(name: &str) -> bool {
    name.contains(['/', std::path::MAIN_SEPARATOR]) || name.ends_with(std::env::consts::DLL_SUFFIX)
}

#[cfg(all(unix, feature = "dylib"))]
fn library(path: &str) -> Result<Source, Error> {
    crate::dylib::PluginLibrary::open(path).map(Source::Library)
}

#[cfg(not(all(unix, feature = "dylib")))]
fn library(path: &str) -> Result<Source, Error> {
    let why = if cfg!(feature = "dylib") {
        "shared libraries are supported on Unix only"
    } else {
        "this build can't open shared libraries: turn on the feature dylib of enginebay-runtime-null (null-dylib of \
         enginebay)"
    };
    Err(Error::new(ErrorKind::Unsupported, format!("{path}: {why}")))
}
