//! The suite for engines, on wasmi.

fn main() {
    enginebay_boundary_tests::main(&enginebay_runtime_wasmi::RUNTIME)
}
