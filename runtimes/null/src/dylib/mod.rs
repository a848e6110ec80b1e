//! Plugins in shared libraries.

mod abort;

use std::ffi::{CStr, OsStr, c_void};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use enginebay_engine::{Error, ErrorKind};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::entry_points::{ENTRY_POINTS, EntryPoints};
use crate::host_functions::NAMES;

/// The markers of the versions that can be run.
const MARKERS: [&str; 2] = ["proxy_abi_version_0_2_0", "proxy_abi_version_0_2_1"];

/// The marker of a version that is known and can't.
const OLD_MARKER: &str = "proxy_abi_version_0_1_0";

/// A library that was found to be a plugin. It stays loaded until this is dropped.
pub(crate) struct PluginLibrary {
    pub(crate) table: EntryPoints,
    pub(crate) marker: &'static str,
    /// Held so that the addresses in the table stay good.
    _library: Library,
}

impl PluginLibrary {
    /// Loads a library, which runs its constructors, and looks its functions up. None of them is called.
    pub(crate) fn open(path: &str) -> Result<Self, Error> {
        let refused = |why: &str| refused(path, why);
        let file = fs::canonicalize(path).map_err(|error| refused(&error.to_string()))?;
        if !file.is_file() {
            return Err(refused("this is not a file"));
        }
        // SAFETY: the constructors of the library run, as its author wants; whoever configures a native plugin trusts
        // it with the process.
        let library = unsafe { Library::open(Some(&file), RTLD_NOW | RTLD_LOCAL) }
            .map_err(|error| refused(&not_loaded(&error.to_string())))?;
        abort::watch();
        let symbols = Symbols { library, file };
        let marker = symbols.marker().map_err(|why| refused(&why))?;
        let mut table = EntryPoints::EMPTY;
        for entry in ENTRY_POINTS {
            let address = symbols.find(entry.name);
            if !address.is_null() {
                // SAFETY: a library with the marker of this ABI gives the function this type.
                unsafe { (entry.set)(&mut table, address) };
            }
        }
        if table.proxy_on_memory_allocate.is_none() && table.malloc.is_none() {
            return Err(refused(
                "it exports no allocator: a plugin needs proxy_on_memory_allocate or a malloc of its own",
            ));
        }
        Ok(PluginLibrary {
            table,
            marker,
            _library: symbols.library,
        })
    }
}

struct Symbols {
    library: Library,
    file: PathBuf,
}

impl Symbols {
    /// The address of a symbol of the library itself: not of one that it gets from the program or from a library that
    /// it depends on, such as the `malloc` of C. Null where there is none.
    fn find(&self, name: &str) -> *mut c_void {
        // SAFETY: nothing is done with the symbol but to look at where it is.
        let symbol = unsafe { self.library.get::<*mut c_void>(name.as_bytes()) };
        let address = symbol.map_or(std::ptr::null_mut(), |symbol| symbol.into_raw());
        if self.owns(address) {
            address
        } else {
            std::ptr::null_mut()
        }
    }

    fn owns(&self, address: *mut c_void) -> bool {
        if address.is_null() {
            return false;
        }
        let mut info = libc::Dl_info {
            dli_fname: std::ptr::null(),
            dli_fbase: std::ptr::null_mut(),
            dli_sname: std::ptr::null(),
            dli_saddr: std::ptr::null_mut(),
        };
        // SAFETY: any address may be asked about; the answer is written to `info`.
        let found = unsafe { libc::dladdr(address.cast_const(), &raw mut info) } != 0;
        if !found || info.dli_fname.is_null() {
            return false;
        }
        // SAFETY: `dladdr` gives a string that lives as long as the library is loaded.
        let name = unsafe { CStr::from_ptr(info.dli_fname) };
        let name = Path::new(OsStr::from_bytes(name.to_bytes()));
        // A library that was loaded before keeps the name it was loaded by.
        name == self.file || fs::canonicalize(name).is_ok_and(|name| name == self.file)
    }

    fn marker(&self) -> Result<&'static str, String> {
        let there: Vec<_> = MARKERS
            .into_iter()
            .filter(|marker| !self.find(marker).is_null())
            .collect();
        match there.as_slice() {
            [marker] => Ok(marker),
            [] if !self.find(OLD_MARKER).is_null() => Err(
                "it is written for ABI 0.1.0, which native plugins can't use: build it for ABI 0.2.1"
                    .to_owned(),
            ),
            [] => Err(format!(
                "it is no Proxy-Wasm plugin: it exports neither {}",
                MARKERS.join(" nor ")
            )),
            markers => Err(format!(
                "it exports more than one ABI marker: {}",
                markers.join(" and ")
            )),
        }
    }
}

/// What to do about a library that `dlopen` refuses.
fn not_loaded(error: &str) -> String {
    let missing = error.split_once("undefined symbol: ").map(|(_, name)| name);
    let missing = missing.and_then(|name| name.split([' ', ',', '\n']).next());
    match missing {
        Some(name) if NAMES.contains(&name) => format!(
            "{error}. The program does not export the host functions: link it with -rdynamic, for example with \
             println!(\"cargo:rustc-link-arg-bins=-rdynamic\") in its build.rs"
        ),
        Some(name) if name.starts_with("proxy_") => {
            format!("{error}. There is no host function of this name in ABI 0.2")
        }
        _ => format!("it can't be loaded as a shared library: {error}"),
    }
}

fn refused(path: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::InvalidModule,
        format!("the plugin {path} can't be used: {why}"),
    )
}
