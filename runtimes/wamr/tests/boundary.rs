//! The suite for engines, on WAMR.

fn main() {
    enginebay_boundary_tests::main(&enginebay_runtime_wamr::RUNTIME)
}
