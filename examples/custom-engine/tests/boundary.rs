//! What every engine must do, this one does.

fn main() {
    enginebay_boundary_tests::main(&enginebay_custom_engine::RUNTIME)
}
