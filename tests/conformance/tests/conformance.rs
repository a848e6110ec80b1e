//! Runs the cases: see the library.

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    libtest_mimic::run(&arguments, enginebay_conformance::trials()).exit()
}
