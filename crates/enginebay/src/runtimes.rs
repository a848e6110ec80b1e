//! The runtimes that cargo features link in.

use enginebay_config::Runtimes;
use enginebay_engine::{Error, Registry};

/// For each runtime: its feature and crate, which the `use` keeps the linker from dropping, and its names, for
/// the error message when it is left out.
macro_rules! runtimes {
    ($($feature:literal: $krate:ident, $names:expr;)*) => {
        $(
            #[cfg(feature = $feature)]
            use $krate as _;
        )*

        const FEATURES: &[(&[&str], &str)] = &[$((&$names, $feature)),*];
    };
}

runtimes! {
    "null": enginebay_runtime_null, ["envoy.wasm.runtime.null"];
    "wamr": enginebay_runtime_wamr, ["envoy.wasm.runtime.wamr"];
    "wasmer": enginebay_runtime_wasmer, ["envoy.wasm.runtime.wasmer", "envoy.wasm.runtime.v8"];
    "wasmi": enginebay_runtime_wasmi, ["envoy.wasm.runtime.wasmi", "envoy.wasm.runtime.wavm"];
    "wasmtime": enginebay_runtime_wasmtime, ["envoy.wasm.runtime.wasmtime"];
}

/// All runtimes that are linked in, by name. An unknown name is an error that says what there is and, for the
/// runtimes of this project, which cargo feature is missing.
///
/// # Errors
/// When two linked crates claim one name.
pub fn registry() -> Result<Registry, Error> {
    let names = FEATURES
        .iter()
        .flat_map(|(names, feature)| names.iter().map(move |name| (*name, *feature)));
    Ok(Registry::linked()?.with_features(&names.collect::<Vec<_>>()))
}

/// What a configuration needs from outside, with the runtimes of a registry: any other one is an error of the configuration
/// then. Plugins have to name theirs, until there is a [default](Runtimes::default).
pub fn with_runtimes<O>(registry: &Registry, outside: O) -> Runtimes<O> {
    Runtimes {
        outside,
        known: registry.names().map(str::to_owned).collect(),
        absent: registry
            .absent()
            .map(|(name, feature)| (name.to_owned(), feature.to_owned()))
            .collect(),
        default: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_that_is_on_links_a_runtime() {
        let registry = registry().unwrap();
        let on = [
            cfg!(feature = "null"),
            cfg!(feature = "wamr"),
            cfg!(feature = "wasmer"),
            cfg!(feature = "wasmi"),
            cfg!(feature = "wasmtime"),
        ];
        assert_eq!(registry.iter().count(), on.iter().filter(|on| **on).count());
        let outside = with_runtimes(&registry, ());
        for (names, feature) in FEATURES {
            for name in *names {
                let known = outside.known.iter().any(|known| known == name);
                let absent = outside
                    .absent
                    .contains(&((*name).to_owned(), (*feature).to_owned()));
                assert!(
                    known != absent && known == registry.find(name).is_some(),
                    "{name}"
                );
                match registry.get(name) {
                    Ok(found) => assert_eq!(found.by_alias, names[0] != *name),
                    Err(error) => assert!(error.to_string().contains(&format!("`{feature}`")), "{error}"),
                }
            }
        }
    }
}
