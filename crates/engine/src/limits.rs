//! What a guest may use.

use std::time::Duration;

use crate::{Capabilities, Error, ErrorKind};

/// What one guest may use, as asked for. `None` is the default, on runtimes that can keep it.
///
/// Asking for a limit that the runtime can't keep is an error when the engine is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Largest linear memory of an instance, in bytes, rounded down to whole 64 KiB pages.
    /// Default [`Limits::DEFAULT_MEMORY`].
    pub memory: Option<u64>,
    /// Largest number of elements in one table. Default [`Limits::DEFAULT_TABLE_ELEMENTS`].
    pub table_elements: Option<u32>,
    /// Longest time one call into the guest may take, with everything it calls.
    /// Default [`Limits::DEFAULT_CALL_TIME`]; [`Duration::MAX`] for none.
    pub call_time: Option<Duration>,
    /// Deepest stack of a call into the guest, in bytes. Default [`Limits::DEFAULT_STACK`].
    pub stack: Option<usize>,
}

impl Limits {
    /// 128 MiB.
    pub const DEFAULT_MEMORY: u64 = 128 << 20;
    /// 65,536 elements: several times what a large Go module needs.
    pub const DEFAULT_TABLE_ELEMENTS: u32 = 1 << 16;
    /// One second.
    pub const DEFAULT_CALL_TIME: Duration = Duration::from_secs(1);
    /// 512 KiB.
    pub const DEFAULT_STACK: usize = 512 << 10;

    /// Fills in the defaults, as far as a runtime with these capabilities can keep them.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], naming the limit, for one that was asked for and can't be kept.
    pub fn resolve(&self, runtime: &str, capabilities: &Capabilities) -> Result<ResolvedLimits, Error> {
        let limit = LimitResolver { runtime };
        Ok(ResolvedLimits {
            memory: limit.resolve(
                "memory",
                self.memory,
                Self::DEFAULT_MEMORY,
                capabilities.memory_limit,
            )?,
            table_elements: limit.resolve(
                "table_elements",
                self.table_elements,
                Self::DEFAULT_TABLE_ELEMENTS,
                capabilities.table_limit,
            )?,
            call_time: limit
                .resolve(
                    "call_time",
                    self.call_time,
                    Self::DEFAULT_CALL_TIME,
                    capabilities.time_limit,
                )?
                .filter(|time| *time != Duration::MAX),
            stack: limit.resolve("stack", self.stack, Self::DEFAULT_STACK, capabilities.stack_limit)?,
        })
    }
}

struct LimitResolver<'a> {
    runtime: &'a str,
}

impl LimitResolver<'_> {
    fn resolve<T>(&self, name: &str, asked: Option<T>, default: T, kept: bool) -> Result<Option<T>, Error> {
        match (asked, kept) {
            (Some(_), false) => Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "{} can't limit {name}: leave the limit out, or choose another runtime",
                    self.runtime
                ),
            )),
            (asked, true) => Ok(Some(asked.unwrap_or(default))),
            (None, false) => Ok(None),
        }
    }
}

/// The limits an engine is made with: `None` is a limit that it does not keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ResolvedLimits {
    /// Largest linear memory of an instance, in bytes.
    pub memory: Option<u64>,
    /// Largest number of elements in one table.
    pub table_elements: Option<u32>,
    /// Longest time one call into the guest may take.
    pub call_time: Option<Duration>,
    /// Deepest stack of a call into the guest, in bytes.
    pub stack: Option<usize>,
}

/// Which of its compilers an engine uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compiler {
    /// The engine's usual one; an interpreter has no other.
    #[default]
    Default,
    /// One that compiles in a fraction of the time, to slower code. Asking for it is an error on a runtime without
    /// [`Capabilities::baseline_compiler`].
    Baseline,
}

/// How an engine is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct EngineOptions {
    /// What each guest may use.
    pub limits: Limits,
    /// How many instances may live at once, over all threads, for engines that reserve address space
    /// for them ahead. Default 1,000.
    pub max_instances: u32,
    /// The compiler.
    pub compiler: Compiler,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions {
            limits: Limits::default(),
            max_instances: 1000,
            compiler: Compiler::Default,
        }
    }
}

impl EngineOptions {
    /// The default options with these limits.
    pub fn with_limits(limits: Limits) -> Self {
        EngineOptions {
            limits,
            ..EngineOptions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_apply_only_where_they_can_be_kept() {
        let none = Limits::default().resolve("r", &Capabilities::NATIVE).unwrap();
        assert_eq!(none, ResolvedLimits::default());
        let all = Capabilities::WASM.with_limits(true, true, true, true);
        let resolved = Limits::default().resolve("r", &all).unwrap();
        assert_eq!(resolved.memory, Some(Limits::DEFAULT_MEMORY));
        assert_eq!(resolved.call_time, Some(Limits::DEFAULT_CALL_TIME));
        assert_eq!(resolved.stack, Some(Limits::DEFAULT_STACK));
    }

    #[test]
    fn a_limit_that_cannot_be_kept_is_an_error_that_names_it() {
        let asked = Limits {
            stack: Some(1),
            ..Limits::default()
        };
        let error = asked
            .resolve("envoy.wasm.runtime.x", &Capabilities::WASM)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            "envoy.wasm.runtime.x can't limit stack: leave the limit out, or choose another runtime"
        );
    }

    #[test]
    fn no_time_limit_can_be_asked_for() {
        let asked = Limits {
            call_time: Some(Duration::MAX),
            ..Limits::default()
        };
        let all = Capabilities::WASM.with_limits(true, true, true, true);
        assert_eq!(asked.resolve("r", &all).unwrap().call_time, None);
    }
}
