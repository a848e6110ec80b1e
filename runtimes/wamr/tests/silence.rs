//! WAMR writes nothing to standard output or standard error, whatever guests do.

use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use enginebay_engine::{
    EngineOptions, Export, ExportId, Guest, Host, HostError, HostFunction, Limits, LoadRequest, Signature,
    ValType,
};
use enginebay_runtime_wamr::RUNTIME;
use libtest_mimic::{Arguments, Failed, Trial};

/// Set for the child.
const CHILD: &str = "ENGINEBAY_WAMR_SILENCE_CHILD";

fn main() {
    if std::env::var_os(CHILD).is_some() {
        return misbehave();
    }
    let trials = vec![Trial::test("nothing_is_printed", nothing_is_printed)];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn nothing_is_printed() -> Result<(), Failed> {
    let output = Command::new(std::env::current_exe()?).env(CHILD, "1").output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text(&output.stdout), "");
    assert_eq!(text(&output.stderr), "");
    assert!(output.status.success());
    Ok(())
}

/// Calls back for ever.
struct Again;

impl Host for Again {
    fn call(&self, _: usize, guest: &mut dyn Guest, _: &[u64]) -> Result<u64, HostError> {
        Ok(guest.call(ExportId(0), &[])?)
    }
}

/// On the main thread, whose stack is unlike that of others.
fn misbehave() {
    let limits = Limits {
        memory: Some(65536),
        call_time: Some(Duration::from_millis(20)),
        ..Limits::default()
    };
    let engine = RUNTIME.create(&EngineOptions::with_limits(limits)).unwrap();
    let imports = [HostFunction {
        module: "env",
        name: "f",
        signature: Signature::new(&[], Some(ValType::I32)),
    }];
    let exports = [Export {
        name: "run",
        signature: Signature::new(&[], Some(ValType::I32)),
    }];
    for body in [
        "unreachable",
        "(i32.load (i32.const -1))",
        "(i32.div_u (i32.const 1) (i32.const 0))",
        "(call_indirect (result i32) (i32.const 0))",
        "(loop $l (br $l)) (i32.const 0)",
        "(i32.add (call $run) (i32.const 1))",
        "(call $f)",
        "(drop (memory.grow (i32.const 5))) (drop (table.grow (ref.null func) (i32.const -1))) unreachable",
    ] {
        let wat = format!(
            r#"(module (import "env" "f" (func $f (result i32))) (memory 1) (table 1 funcref)
                (func $run (export "run") (result i32) {body}))"#
        );
        let code = wat::parse_str(wat).unwrap();
        let module = engine.load(&LoadRequest::new(&code, &imports, &exports)).unwrap();
        let mut guest = module.instantiate(Rc::new(Again)).unwrap();
        assert!(guest.call(ExportId(0), &[]).is_err(), "{body}");
        for length in 0..code.len() {
            let _ = engine.load(&LoadRequest::new(&code[..length], &imports, &exports));
        }
    }
    for wat in [
        r#"(module (memory 1) (data (i32.const 65536) "a"))"#,
        "(module (table 1 funcref) (func $f) (elem (i32.const 1) $f))",
        "(module (func $f unreachable) (start $f))",
    ] {
        let code = wat::parse_str(wat).unwrap();
        let module = engine.load(&LoadRequest::new(&code, &[], &[])).unwrap();
        assert!(module.instantiate(Rc::new(Again)).is_err(), "{wat}");
    }
}
