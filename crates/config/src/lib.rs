//! Envoy's extensions.wasm.v3 configuration, as messages and as validated Rust types.
