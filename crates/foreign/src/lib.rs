//! Envoy's foreign functions: what its plugins call by name with `proxy_call_foreign_function`.
//!
//! | name | arguments | result |
//! | --- | --- | --- |
//! | `compress` | bytes | a zlib stream of them |
//! | `uncompress` | a zlib stream | what it holds |
//! | `sign` | [`messages::SignArguments`] | [`messages::SignResult`] |
//! | `verify_signature` | [`messages::VerifySignatureArguments`] | [`messages::VerifySignatureResult`] |
//! | `set_envoy_filter_state` | [`messages::SetEnvoyFilterStateArguments`] | nothing |
//! | `declare_property` | [`messages::DeclarePropertyArguments`] | nothing |
//! | `clear_route_cache` | not looked at | nothing |
//! | `expr_create` | a CEL expression | its number, a 32-bit integer in little-endian |
//! | `expr_evaluate` | the number | the value, as property values are written |
//! | `expr_delete` | the number | nothing |
//!
//! [`envoy`] has all of them; an embedder adds its own:
//!
//! ```
//! use enginebay_abi::Status;
//! use enginebay_host::ForeignCall;
//!
//! let functions = enginebay_foreign::envoy().with("reverse", |call: &mut ForeignCall<'_>| {
//!     let reversed = call.arguments().iter().rev();
//!     call.results().extend(reversed);
//!     Status::Ok
//! });
//! assert!(functions.contains("compress") && functions.contains("reverse"));
//! ```
//!
//! # Cargo features
//! `cel` (on by default): the three functions for expressions.

#![forbid(unsafe_code)]

mod compression;
#[cfg(feature = "cel")]
mod expr;
mod keys;
pub mod messages;
mod signature;
mod stream;

#[cfg(test)]
mod signature_tests;
#[cfg(test)]
mod testing;

use std::sync::OnceLock;

use enginebay_host::{ForeignCall, ForeignFunctions};

/// Bounds on what plugins can make these functions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most bytes that `uncompress` returns; for more the plugin gets `INTERNAL_FAILURE`. Default 64 MiB.
    pub uncompressed_bytes: usize,
    /// Expressions of one VM; for more the plugin gets `INTERNAL_FAILURE`. Default 1,024.
    pub expressions: usize,
    /// Bytes of one expression; a longer one is `BAD_ARGUMENT`, and so is one with very many operators. Default 4 KiB.
    pub expression_bytes: usize,
    /// Steps of one evaluation, about one for each operation and for each 16 bytes that it looks at; one that takes more
    /// ends with `INTERNAL_FAILURE`. Default 1,000,000.
    pub expression_steps: u64,
    /// Bytes that the values of one evaluation take, together; one that takes more ends with `INTERNAL_FAILURE`. Default
    /// 16 MiB.
    pub expression_memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            uncompressed_bytes: ForeignFunctions::MAX_RESULTS,
            expressions: 1 << 10,
            expression_bytes: 4 << 10,
            expression_steps: 1_000_000,
            expression_memory: 16 << 20,
        }
    }
}

/// Envoy's functions, with the default [`Limits`]. Cheap: all callers share one registry.
pub fn envoy() -> ForeignFunctions {
    static FUNCTIONS: OnceLock<ForeignFunctions> = OnceLock::new();
    FUNCTIONS.get_or_init(|| envoy_with(Limits::default())).clone()
}

/// Envoy's functions, with these limits.
pub fn envoy_with(limits: Limits) -> ForeignFunctions {
    let functions = ForeignFunctions::default()
        .with("compress", compression::compress)
        .with("uncompress", move |call: &mut ForeignCall<'_>| {
            compression::uncompress(call, limits.uncompressed_bytes)
        })
        .with("sign", signature::sign)
        .with("verify_signature", signature::verify_signature)
        .with("set_envoy_filter_state", stream::set_envoy_filter_state)
        .with("declare_property", stream::declare_property)
        .with("clear_route_cache", stream::clear_route_cache);
    #[cfg(feature = "cel")]
    let functions = functions
        .with("expr_create", move |call: &mut ForeignCall<'_>| {
            expr::create(call, &limits)
        })
        .with("expr_evaluate", move |call: &mut ForeignCall<'_>| {
            expr::evaluate(call, &limits)
        })
        .with("expr_delete", expr::delete);
    functions
}
