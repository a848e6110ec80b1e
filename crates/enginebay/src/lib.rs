//! Run Proxy-Wasm plugins on the engine of your choice.
