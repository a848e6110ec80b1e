//! What an engine can do.

/// What a runtime can do. A limit it can't keep is refused when asked for, never ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Guests are isolated from the host's memory (false for native plugins).
    pub sandbox: bool,
    /// Size in bytes of the guest's pointers and of `size_t`: 4 in WebAssembly, 8 for native plugins.
    pub word_size: u8,
    /// Keeps [`Limits::memory`](crate::Limits::memory).
    pub memory_limit: bool,
    /// Keeps [`Limits::table_elements`](crate::Limits::table_elements).
    pub table_limit: bool,
    /// Keeps [`Limits::call_time`](crate::Limits::call_time).
    pub time_limit: bool,
    /// Keeps [`Limits::stack`](crate::Limits::stack).
    pub stack_limit: bool,
    /// Traps carry the names of the guest's functions.
    pub backtrace_names: bool,
    /// Can save compiled code and load it again.
    pub precompiled: bool,
    /// Accepts the fixed-width SIMD proposal.
    pub simd: bool,
    /// Has a compiler that is quick rather than thorough: [`Compiler::Baseline`](crate::Compiler::Baseline).
    pub baseline_compiler: bool,
    /// That compiler knows fixed-width SIMD too.
    pub baseline_simd: bool,
}

impl Capabilities {
    /// A WebAssembly engine that keeps no limit and has no extras: the base to build on with the
    /// `with_*` methods.
    pub const WASM: Capabilities = Capabilities {
        sandbox: true,
        word_size: 4,
        memory_limit: false,
        table_limit: false,
        time_limit: false,
        stack_limit: false,
        backtrace_names: false,
        precompiled: false,
        simd: false,
        baseline_compiler: false,
        baseline_simd: false,
    };

    /// Native plugins: no sandbox, 8-byte words, no limits.
    pub const NATIVE: Capabilities = Capabilities {
        sandbox: false,
        word_size: 8,
        ..Capabilities::WASM
    };

    /// Sets which limits are kept.
    #[must_use]
    pub const fn with_limits(mut self, memory: bool, table: bool, time: bool, stack: bool) -> Self {
        self.memory_limit = memory;
        self.table_limit = table;
        self.time_limit = time;
        self.stack_limit = stack;
        self
    }

    /// Sets [`Capabilities::backtrace_names`].
    #[must_use]
    pub const fn with_backtrace_names(mut self, yes: bool) -> Self {
        self.backtrace_names = yes;
        self
    }

    /// Sets [`Capabilities::precompiled`].
    #[must_use]
    pub const fn with_precompiled(mut self, yes: bool) -> Self {
        self.precompiled = yes;
        self
    }

    /// Sets [`Capabilities::simd`].
    #[must_use]
    pub const fn with_simd(mut self, yes: bool) -> Self {
        self.simd = yes;
        self
    }

    /// Sets [`Capabilities::baseline_compiler`].
    #[must_use]
    pub const fn with_baseline_compiler(mut self, yes: bool) -> Self {
        self.baseline_compiler = yes;
        self
    }

    /// Sets [`Capabilities::baseline_simd`].
    #[must_use]
    pub const fn with_baseline_simd(mut self, yes: bool) -> Self {
        self.baseline_simd = yes;
        self
    }

    /// Every capability by name with whether it is there, in the order they are shown.
    pub fn flags(&self) -> [(&'static str, bool); 10] {
        [
            ("sandbox", self.sandbox),
            ("memory_limit", self.memory_limit),
            ("table_limit", self.table_limit),
            ("time_limit", self.time_limit),
            ("stack_limit", self.stack_limit),
            ("backtrace_names", self.backtrace_names),
            ("precompiled", self.precompiled),
            ("simd", self.simd),
            ("baseline_compiler", self.baseline_compiler),
            ("baseline_simd", self.baseline_simd),
        ]
    }
}
