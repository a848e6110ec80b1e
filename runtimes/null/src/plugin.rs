//! Native plugins by name.

use std::sync::{PoisonError, RwLock};

use enginebay_engine::{Error, ErrorKind, inventory};

use crate::entry_points::EntryPoints;
use crate::native::NativePlugin;

/// How a plugin is called.
#[derive(Clone, Copy)]
pub(crate) enum Code {
    /// Entry points of the SDK that is linked in, and what sets its contexts.
    Sdk { start: fn(), table: EntryPoints },
    /// Entry points of its own.
    Table(EntryPoints),
    /// A Rust type.
    Native(fn() -> Box<dyn NativePlugin>),
}

/// A plugin that is part of the program, and its name.
///
/// Made by [`sdk!`](crate::sdk), [`native!`](crate::native!) or [`NullPlugin::table`]; registered by
/// [`submit!`](crate::submit) or [`register`].
#[derive(Clone, Copy)]
pub struct NullPlugin {
    name: &'static str,
    pub(crate) code: Code,
}

inventory::collect!(NullPlugin);

impl NullPlugin {
    /// A plugin written with the SDK `proxy-wasm`: see [`sdk!`](crate::sdk), which makes the table.
    ///
    /// All the plugins of a program that use the SDK share its functions and its state; `start` makes this plugin the
    /// one whose root contexts it creates next.
    ///
    /// # Safety
    /// The functions of the table have the types and the meaning that ABI 0.2.1 gives them, on native pointers.
    #[must_use]
    pub const unsafe fn sdk(name: &'static str, start: fn(), table: EntryPoints) -> Self {
        NullPlugin {
            name,
            code: Code::Sdk { start, table },
        }
    }

    /// A plugin with entry points of its own, from whatever language. It speaks ABI 0.2.1, and exports an allocator.
    ///
    /// # Safety
    /// As [`NullPlugin::sdk`].
    #[must_use]
    pub const unsafe fn table(name: &'static str, table: EntryPoints) -> Self {
        NullPlugin {
            name,
            code: Code::Table(table),
        }
    }

    /// A plugin that is a Rust type: see [`native!`](crate::native!). `make` is called for each VM.
    #[must_use]
    pub const fn native(name: &'static str, make: fn() -> Box<dyn NativePlugin>) -> Self {
        NullPlugin {
            name,
            code: Code::Native(make),
        }
    }

    /// The name it is configured by.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl std::fmt::Debug for NullPlugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NullPlugin")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

static REGISTERED: RwLock<Vec<NullPlugin>> = RwLock::new(Vec::new());

/// Registers a plugin: for programs where [`submit!`](crate::submit) does not reach, such as a static library linked
/// from C.
///
/// # Errors
/// [`ErrorKind::Setup`] when there is a plugin of this name.
pub fn register(plugin: NullPlugin) -> Result<(), Error> {
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(other) = linked()
        .chain(registered.iter().copied())
        .find(|other| other.name == plugin.name)
    {
        return Err(claimed_twice(other.name, ErrorKind::Setup));
    }
    registered.push(plugin);
    Ok(())
}

/// The names of all plugins that are part of the program, in order.
pub fn plugin_names() -> Vec<&'static str> {
    let mut names: Vec<_> = all().iter().map(NullPlugin::name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The plugin of this name.
pub(crate) fn find(name: &str) -> Result<Option<NullPlugin>, Error> {
    let found: Vec<_> = all().into_iter().filter(|plugin| plugin.name == name).collect();
    match found.as_slice() {
        [] => Ok(None),
        [plugin] => Ok(Some(*plugin)),
        [plugin, ..] => Err(claimed_twice(plugin.name, ErrorKind::InvalidModule)),
    }
}

/// The error of a name that nobody has.
pub(crate) fn unknown(name: &str) -> Error {
    let names = plugin_names();
    let there_are = match names.as_slice() {
        [] => "there are none".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    };
    let library = if cfg!(feature = "dylib") {
        ", or give the path of a shared library"
    } else {
        ""
    };
    Error::new(
        ErrorKind::InvalidModule,
        format!(
            "no native plugin is called {name}; {there_are}. Add one to the program with sdk_plugin! or \
             native_plugin! of enginebay-runtime-null{library}"
        ),
    )
}

fn claimed_twice(name: &str, kind: ErrorKind) -> Error {
    Error::new(
        kind,
        format!("two native plugins are called {name}: register one of them under another name"),
    )
}

fn linked() -> impl Iterator<Item = NullPlugin> {
    inventory::iter::<NullPlugin>.into_iter().copied()
}

fn all() -> Vec<NullPlugin> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    linked().chain(registered.iter().copied()).collect()
}

/// Registers a [`NullPlugin`] with the program that links the calling crate.
///
/// A crate that nothing refers to is dropped by the linker and registers nothing: say `use the_crate as _;` somewhere
/// in the program.
#[macro_export]
macro_rules! submit {
    ($plugin:expr) => {
        $crate::inventory::submit! { $plugin }
    };
}
