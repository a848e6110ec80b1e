//! The wasmtime engine for enginebay.
