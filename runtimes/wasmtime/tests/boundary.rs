//! The suite for engines, on wasmtime.

fn main() {
    enginebay_boundary_tests::main(&enginebay_runtime_wasmtime::RUNTIME)
}
