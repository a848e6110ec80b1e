//! The cases about ABI 0.2.1 through a plugin that is compiled from Rust: to WebAssembly, and natively.

use std::cell::OnceCell;
use std::rc::Rc;

use enginebay::abi::AbiVersion;
use scripted::script::Script;

use super::Check;
use crate::case::Case;
use crate::compare;
use crate::guest::VM_CONFIGURATION;
use crate::host::{Exchange, Host, Plugin};
use crate::script::script;

/// The version that native plugins in the program speak.
const VERSION: AbiVersion = AbiVersion::V0_2_1;
/// The native plugin's name, which is its code.
pub(crate) const NATIVE_PLUGIN: &str = "scripted";
/// The same, for WebAssembly.
const WASM: &[u8] = include_bytes!("../../../guests/wasm/scripted.wasm");

type Loaded = Rc<OnceCell<Result<Box<dyn Plugin>, String>>>;

/// One check for each case that such a plugin can do.
pub(super) fn checks(host: &dyn Host) -> Vec<Check<'_>> {
    let native = host
        .runtime()
        .is_some_and(|runtime| !runtime.capabilities.sandbox);
    let lacks = (native && cfg!(not(feature = "null"))).then_some("the plugin was built without it");
    let code = if native { NATIVE_PLUGIN.as_bytes() } else { WASM };
    let loaded = Loaded::default();
    let check = |(case, script): (Case, Script)| {
        let loaded = loaded.clone();
        let name = format!("compiled/{VERSION}/{}", case.name);
        let run = move || {
            let plugin = loaded.get_or_init(|| host.load(code)).as_ref();
            let outcome = plugin.map_err(Clone::clone)?.run(&Exchange {
                vm_configuration: &script.configuration(VM_CONFIGURATION),
                given: &case.given,
            });
            compare::check(&case, VERSION, &outcome)
        };
        Check::new(name, run).lacking(lacks)
    };
    cases().into_iter().map(check).collect()
}

/// The cases, as scripts too.
fn cases() -> Vec<(Case, Script)> {
    let cases = crate::cases::all().into_iter();
    let of_version = cases.filter(|case| case.versions.contains(VERSION));
    of_version
        .filter_map(|case| script(&case).map(|script| (case, script)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_as_it_was_written() {
        for (case, script) in cases() {
            let bytes = script.configuration(VM_CONFIGURATION);
            assert_eq!(Script::from_configuration(&bytes), Some(script), "{}", case.name);
            assert_eq!(Script::from_configuration(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn only_what_a_native_plugin_has_no_word_for_is_left_out() {
        let done: Vec<String> = cases().into_iter().map(|(case, _)| case.name).collect();
        let groups = crate::groups();
        let abi = groups.iter().find(|group| group.name() == "abi/0.2.1");
        let left_out: Vec<&str> = abi
            .iter()
            .flat_map(|group| group.cases())
            .map(|case| case.name.as_str())
            .filter(|name| !done.iter().any(|of| of == name))
            .collect();
        let known = |name: &&str| {
            // Addresses outside of a memory that has an end, and what is linked for Emscripten alone.
            name.contains("/invalid_memory_access/")
                || name.starts_with("emscripten_")
                || name.starts_with("pthread_")
        };
        let unknown: Vec<_> = left_out.iter().filter(|name| !known(name)).collect();
        assert!(unknown.is_empty(), "{unknown:#?}");
        assert!(
            done.len() > left_out.len(),
            "{} of {}",
            done.len(),
            left_out.len()
        );
    }
}
