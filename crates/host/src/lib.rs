//! The Proxy-Wasm machine: VMs, contexts and host functions, on any engine.
