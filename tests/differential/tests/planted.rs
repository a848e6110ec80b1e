//! A difference that is planted is found, made small, and told of in a way that helps.
#![cfg(feature = "wasmi")]

use std::rc::Rc;
use std::sync::Arc;

use enginebay::engine::{
    Engine, Error, ExportId, Guest, Host, HostError, Instance, LoadRequest, Memory, Module, ModuleInfo,
    Registry, ResolvedLimits, Runtime, Trap, TrapKind,
};
use enginebay_differential::{Difference, Kind, Lab};

/// What an engine does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// `proxy_set_effective_context` is told to have worked when it has not.
    Status,
    /// `proxy_get_current_time_nanoseconds` leaves a byte where nobody asked for one.
    Memory,
    /// A division by zero is told to be an abort.
    Trap,
    /// An export's result is off by one.
    Result,
}

fn faulty(fault: Fault) -> Runtime {
    fn engine(inner: Result<Arc<dyn Engine>, Error>, fault: Fault) -> Result<Arc<dyn Engine>, Error> {
        Ok(Arc::new(Faulty(inner?, fault)))
    }
    let mut runtime = *enginebay::registry()
        .unwrap()
        .get("envoy.wasm.runtime.wasmi")
        .unwrap()
        .runtime;
    runtime.name = "faulty";
    runtime.aliases = &[];
    runtime.factory = match fault {
        Fault::Status => |options, _| engine(wasmi().create(options), Fault::Status),
        Fault::Memory => |options, _| engine(wasmi().create(options), Fault::Memory),
        Fault::Trap => |options, _| engine(wasmi().create(options), Fault::Trap),
        Fault::Result => |options, _| engine(wasmi().create(options), Fault::Result),
    };
    runtime
}

fn wasmi() -> Runtime {
    let registry = enginebay::registry().unwrap();
    *registry.get("envoy.wasm.runtime.wasmi").unwrap().runtime
}

struct Faulty(Arc<dyn Engine>, Fault);

impl Engine for Faulty {
    fn limits(&self) -> &ResolvedLimits {
        self.0.limits()
    }

    fn compile(&self, request: &LoadRequest<'_>, info: &ModuleInfo) -> Result<Arc<dyn Module>, Error> {
        Ok(Arc::new(FaultyModule {
            inner: self.0.compile(request, info)?,
            fault: self.1,
            names: request.imports.iter().map(|import| import.name).collect(),
        }))
    }
}

struct FaultyModule {
    inner: Arc<dyn Module>,
    fault: Fault,
    names: Vec<&'static str>,
}

impl Module for FaultyModule {
    fn has_export(&self, export: ExportId) -> bool {
        self.inner.has_export(export)
    }

    fn instantiate(&self, host: Rc<dyn Host>) -> Result<Box<dyn Instance>, Error> {
        let host = FaultyHost {
            inner: host,
            fault: self.fault,
            names: self.names.clone(),
        };
        let inner = self.inner.instantiate(Rc::new(host))?;
        Ok(Box::new(FaultyInstance(inner, self.fault)))
    }
}

struct FaultyInstance(Box<dyn Instance>, Fault);

impl Instance for FaultyInstance {}

impl Guest for FaultyInstance {
    fn memory(&mut self) -> Memory<'_> {
        self.0.memory()
    }

    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        match self.0.call(export, args) {
            Err(trap) if self.1 == Fault::Trap && trap.kind() == TrapKind::Arithmetic => {
                Err(Trap::new(TrapKind::Unreachable, ""))
            }
            Ok(result) if self.1 == Fault::Result && result > 1 => Ok(result ^ 1),
            result => result,
        }
    }
}

struct FaultyHost {
    inner: Rc<dyn Host>,
    fault: Fault,
    names: Vec<&'static str>,
}

impl Host for FaultyHost {
    fn call(&self, function: usize, guest: &mut dyn Guest, args: &[u64]) -> Result<u64, HostError> {
        let name = self.names[function];
        let result = self.inner.call(function, guest, args);
        if self.fault == Fault::Memory && name == "proxy_get_current_time_nanoseconds" {
            guest.memory().write_u8(100, 1).ok();
        }
        match result {
            Ok(2) if self.fault == Fault::Status && name == "proxy_set_effective_context" => Ok(0),
            result => result,
        }
    }
}

fn find(kind: Kind, fault: Fault) -> Difference {
    let mut registry = Registry::empty();
    registry.register(wasmi()).unwrap();
    registry.register(faulty(fault)).unwrap();
    let names = ["envoy.wasm.runtime.wasmi".to_owned(), "faulty".to_owned()];
    let lab = Lab::of(&registry, &names).unwrap();
    let difference = (0..500).find_map(|seed| lab.check(kind, seed));
    let difference = difference.expect("a difference");
    assert_eq!(difference.runtimes, ["envoy.wasm.runtime.wasmi", "faulty"]);
    let text = difference.to_string();
    assert!(
        text.contains(&format!("--kind {kind} --seed {} --count 1", difference.seed)),
        "{text}"
    );
    difference
}

/// The events, and the steps of the guest in them.
fn size(script: &str) -> (usize, usize) {
    let events = script.lines().filter(|line| line.starts_with("event ")).count();
    let steps = script
        .lines()
        .filter(|line| line.contains("in callback "))
        .count();
    (events, steps)
}

#[test]
fn a_wrong_status() {
    let found = find(Kind::Scripts, Fault::Status);
    // A VM, a plugin, and something that runs a script: one step is to blame.
    assert!(size(&found.script).0 <= 3, "{found}");
    assert_eq!(size(&found.script).1, 1, "{found}");
    assert!(found.script.contains("proxy_set_effective_context("), "{found}");
    // The event, the callback and its step are named. The guest puts the status into its memory: that is what is seen.
    let [_, wrong] = &found.lines;
    assert!(wrong.starts_with("event "), "{found}");
    assert!(
        wrong.contains(", proxy_on_") && wrong.contains(", step 1: "),
        "{found}"
    );
    assert!(found.memory.is_some(), "{found}");
}

#[test]
fn a_wrong_byte() {
    let found = find(Kind::Scripts, Fault::Memory);
    assert_eq!(size(&found.script).1, 1, "{found}");
    assert!(
        found.script.contains("proxy_get_current_time_nanoseconds("),
        "{found}"
    );
    let memory = found.memory.as_deref().unwrap_or_default();
    assert!(
        memory.starts_with("at 0x64: [00, ") && memory.contains(", [01, "),
        "{found}"
    );
}

#[test]
fn a_wrong_trap() {
    let found = find(Kind::Scripts, Fault::Trap);
    assert_eq!(size(&found.script).1, 1, "{found}");
    assert!(found.lines[0].contains(" trapped: arithmetic error"), "{found}");
    assert!(found.lines[1].contains(" trapped: unreachable"), "{found}");
}

#[test]
fn a_wrong_result_of_a_module() {
    let found = find(Kind::Modules, Fault::Result);
    assert_eq!(size(&found.script).0, 1, "{found}");
    assert!(found.lines[0].contains(" returned "), "{found}");
    assert!(found.script.contains("(module"), "{found}");
}
