//! Modules: plugins whose exports and imports have been looked up.

use std::rc::Rc;
use std::sync::Arc;

use enginebay_engine::{Error, Export, ExportId, Host, Instance, LoadRequest, Module};

use crate::engine::entry_point;
use crate::entry_points::{EntryPoints, Thunk};
use crate::host_functions::NAMES;
use crate::instance::NullInstance;
use crate::native::{self, NativePlugin, NativeThunk};
use crate::plugin::Code;
use crate::source::Source;
use crate::status;

/// The import number of a function that the host doesn't offer.
pub(crate) const NO_IMPORT: u16 = u16::MAX;

/// Makes an instance of a plugin that is a Rust type.
pub(crate) type Make = fn() -> Box<dyn NativePlugin>;

pub(crate) struct NullModule(pub(crate) Arc<Program>);

/// What a module and its instances share.
pub(crate) struct Program {
    /// By export number.
    pub(crate) exports: Box<[Exported]>,
    pub(crate) names: Box<[&'static str]>,
    /// The import number of each host function.
    pub(crate) imports: [u16; NAMES.len()],
    pub(crate) statuses: status::Known,
    pub(crate) table: EntryPoints,
    /// Sets the contexts of the SDK, for plugins that share one.
    pub(crate) start: Option<fn()>,
    pub(crate) make: Option<Make>,
    /// Dropped last: all the addresses above are in it.
    #[cfg(all(unix, feature = "dylib"))]
    library: Option<crate::dylib::PluginLibrary>,
}

/// How an export is called.
#[derive(Clone, Copy)]
pub(crate) struct Exported {
    pub(crate) target: Target,
    /// How many arguments it takes.
    pub(crate) arity: usize,
}

#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// A function in the table, with nothing to be done around it.
    C(Thunk),
    /// One that makes a context, with the constructors that were set last on the thread.
    Creates(Thunk),
    /// One that may set the panic hook.
    Starts(Thunk),
    /// The plugin doesn't have it.
    Missing,
    /// A method.
    Native(NativeThunk),
    /// The allocator that this crate has for Rust types.
    Allocate,
    /// The start function of a plugin with the linked SDK.
    Start,
}

impl Program {
    pub(crate) fn new(source: Source, request: &LoadRequest<'_>) -> Result<Self, Error> {
        let exports = request
            .exports
            .iter()
            .map(|export| exported(&source, export))
            .collect();
        let mut program = Program {
            exports,
            names: request.exports.iter().map(|export| export.name).collect(),
            imports: imports(request),
            statuses: source.statuses(),
            table: EntryPoints::EMPTY,
            start: None,
            make: None,
            #[cfg(all(unix, feature = "dylib"))]
            library: None,
        };
        match source {
            Source::Linked(Code::Sdk { start, table }) => {
                program.start = Some(start);
                program.table = table;
            }
            Source::Linked(Code::Table(table)) => program.table = table,
            Source::Linked(Code::Native(make)) => program.make = Some(make),
            #[cfg(all(unix, feature = "dylib"))]
            Source::Library(library) => {
                program.table = library.table;
                program.library = Some(library);
            }
        }
        Ok(program)
    }

    /// Whether the plugin is in a shared library, and so has a copy of Rust's standard library of its own.
    pub(crate) fn is_library(&self) -> bool {
        #[cfg(all(unix, feature = "dylib"))]
        return self.library.is_some();
        #[cfg(not(all(unix, feature = "dylib")))]
        false
    }
}

fn exported(source: &Source, export: &Export) -> Exported {
    let entry = entry_point(export.name).filter(|entry| source.has(entry));
    let target = match entry {
        None => Target::Missing,
        Some(entry) => match source {
            Source::Linked(Code::Sdk { .. }) if entry.name == "_initialize" => Target::Start,
            Source::Linked(Code::Native(_)) => match native::thunk(entry.name) {
                Some(thunk) => Target::Native(thunk),
                None => Target::Allocate,
            },
            _ => match entry.name {
                "proxy_on_context_create" => Target::Creates(entry.thunk),
                "_initialize" | "_start" | "main" | "proxy_on_vm_start" | "proxy_on_configure" => {
                    Target::Starts(entry.thunk)
                }
                _ => Target::C(entry.thunk),
            },
        },
    };
    Exported {
        target,
        arity: entry.map_or(0, |entry| entry.signature.params.len()),
    }
}

fn imports(request: &LoadRequest<'_>) -> [u16; NAMES.len()] {
    let mut imports = [NO_IMPORT; NAMES.len()];
    for (import, name) in imports.iter_mut().zip(NAMES) {
        let offered =
            |function: &enginebay_engine::HostFunction| function.module == "env" && function.name == *name;
        if let Some(index) = request.imports.iter().position(offered) {
            // A host that offers more functions than fit offers none of those.
            *import = u16::try_from(index).unwrap_or(NO_IMPORT);
        }
    }
    imports
}

impl Module for NullModule {
    fn has_export(&self, export: ExportId) -> bool {
        let exported = self.0.exports.get(usize::from(export.0));
        exported.is_some_and(|exported| !matches!(exported.target, Target::Missing))
    }

    fn shares_thread_state(&self) -> bool {
        // Tables and libraries may be of the SDK too.
        self.0.make.is_none()
    }

    fn instantiate(&self, host: Rc<dyn Host>) -> Result<Box<dyn Instance>, Error> {
        Ok(Box::new(NullInstance::new(self.0.clone(), host)?))
    }
}
