//! Proxy-Wasm as data: versions, enums, status codes, signatures and wire codecs.
