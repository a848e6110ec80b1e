//! The suite for engines, on wasmer.

fn main() {
    enginebay_boundary_tests::main(&enginebay_runtime_wasmer::RUNTIME)
}
