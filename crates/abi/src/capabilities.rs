//! Capabilities: what a plugin may call and be called for, by name.
//!
//! A capability is a host function, a WASI function or a callback, named as the module imports or exports it; WASI
//! functions have one name for both of their modules. What starts a module and what allocates in it ([`Integration`])
//! is none, and neither are Emscripten's functions: they are never denied.
//!
//! [`Integration`]: crate::Integration

use std::collections::BTreeSet;

use crate::{Callback, HostFunction};

/// What a plugin may call and be called for (`envoy.extensions.wasm.v3.CapabilityRestrictionConfig`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum AllowedCapabilities {
    /// Everything. Also what an empty map in the configuration means.
    #[default]
    All,
    /// Only what has one of these names: nothing, if there are none.
    Only(BTreeSet<String>),
}

impl AllowedCapabilities {
    /// Only what has one of these names.
    pub fn only<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        AllowedCapabilities::Only(names.into_iter().map(Into::into).collect())
    }

    /// Whether a plugin may call this function.
    pub fn function(&self, function: HostFunction) -> bool {
        function.def().capability().is_none_or(|name| self.allows(name))
    }

    /// Whether a plugin may be called for this.
    pub fn callback(&self, callback: Callback) -> bool {
        self.allows(callback.name())
    }

    /// Those of the names that are no capability of any version of the ABI: most likely a mistake.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            AllowedCapabilities::All => None,
            AllowedCapabilities::Only(names) => Some(names),
        };
        names
            .into_iter()
            .flatten()
            .map(String::as_str)
            .filter(|name| !is_capability(name))
    }

    fn allows(&self, name: &str) -> bool {
        match self {
            AllowedCapabilities::All => true,
            AllowedCapabilities::Only(names) => names.contains(name),
        }
    }
}

/// Whether a capability of some version of the ABI has this name.
pub fn is_capability(name: &str) -> bool {
    Callback::from_name(name).is_some()
        || HostFunction::TABLE
            .iter()
            .any(|def| def.capability() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_what_is_no_capability_can_be_denied() {
        let nothing = AllowedCapabilities::only::<String>([]);
        for &function in HostFunction::ALL {
            let always = matches!(
                function,
                HostFunction::EnvEmscriptenNotifyMemoryGrowth | HostFunction::EnvPthreadEqual
            );
            assert_eq!(nothing.function(function), always, "{function}");
            assert!(AllowedCapabilities::All.function(function));
            let named = AllowedCapabilities::only([function.name()]);
            assert!(named.function(function));
        }
        for &callback in Callback::ALL {
            assert!(!nothing.callback(callback));
            assert!(AllowedCapabilities::All.callback(callback));
            assert!(AllowedCapabilities::only([callback.name()]).callback(callback));
        }
    }

    #[test]
    fn names_that_allow_nothing_are_told() {
        let allowed = AllowedCapabilities::only([
            "proxy_log",
            "log",
            "fd_write",
            "proxy_on_tick",
            "wasi_unstable.fd_read",
            "proxy_on_memory_allocate",
            "malloc",
            "pthread_equal",
        ]);
        let unknown: Vec<&str> = allowed.unknown().collect();
        assert_eq!(
            unknown,
            [
                "log",
                "malloc",
                "proxy_on_memory_allocate",
                "pthread_equal",
                "wasi_unstable.fd_read"
            ]
        );
        assert_eq!(AllowedCapabilities::All.unknown().count(), 0);
    }
}
