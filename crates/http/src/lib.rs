//! A tower layer that runs Proxy-Wasm plugins over http and http-body.
