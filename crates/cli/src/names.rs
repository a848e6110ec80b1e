//! Runtimes by what people type.

use enginebay::Registry;
use enginebay::engine::Runtime;

use crate::error::Error;
use crate::output;

/// What the names of all runtimes of Envoy start with.
const PREFIX: &str = "envoy.wasm.runtime.";

/// The runtime of this name, alias, or last part of a name (`wasmtime`), as given with this option.
///
/// # Errors
/// An unknown name: the error says what there is.
pub(crate) fn find<'r>(registry: &'r Registry, option: &str, name: &str) -> Result<&'r Runtime, Error> {
    let full = match name.contains('.') {
        true => name.to_owned(),
        false => format!("{PREFIX}{name}"),
    };
    let found = match registry.find(name) {
        Some(found) => found,
        None => registry
            .get(&full)
            .map_err(|error| Error::about(format_args!("{option} {name}"), error))?,
    };
    if found.by_alias {
        output::note(&format!("{name} is served by {}", found.runtime.name));
    }
    Ok(found.runtime)
}
