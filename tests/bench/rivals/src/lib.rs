//! The stream benchmarks on other hosts of Proxy-Wasm: see `benches/`.
