//! What the cases are made of.

use std::rc::Rc;
use std::sync::Arc;

use enginebay_engine::{
    Compiler, EngineOptions, Error, Export, ExportId, Guest, Host, HostError, HostFunction, Instance, Limits,
    LoadRequest, Module, Runtime, Signature, Trap, TrapKind, ValType,
};

pub(crate) const I32: ValType = ValType::I32;
pub(crate) const I64: ValType = ValType::I64;
pub(crate) const F32: ValType = ValType::F32;
pub(crate) const F64: ValType = ValType::F64;

/// An offer of function `env.NAME`.
pub(crate) const fn import(
    name: &'static str,
    params: &'static [ValType],
    result: Option<ValType>,
) -> HostFunction {
    HostFunction {
        module: "env",
        name,
        signature: Signature::new(params, result),
    }
}

/// A wish for an export.
pub(crate) const fn export(
    name: &'static str,
    params: &'static [ValType],
    result: Option<ValType>,
) -> Export {
    Export {
        name,
        signature: Signature::new(params, result),
    }
}

/// `run: () -> i32`, the first export of most guests.
pub(crate) const RUN: Export = export("run", &[], Some(I32));

/// The first export.
pub(crate) const FIRST: ExportId = ExportId(0);
/// The second export.
pub(crate) const SECOND: ExportId = ExportId(1);
/// The third export.
pub(crate) const THIRD: ExportId = ExportId(2);

/// A host made of a closure.
pub(crate) struct ClosureHost<F>(F);

impl<F> Host for ClosureHost<F>
where
    F: Fn(usize, &mut dyn Guest, &[u64]) -> Result<u64, HostError> + 'static,
{
    fn call(&self, function: usize, guest: &mut dyn Guest, args: &[u64]) -> Result<u64, HostError> {
        (self.0)(function, guest, args)
    }
}

/// A host made of a closure.
pub(crate) fn host<F>(call: F) -> Rc<ClosureHost<F>>
where
    F: Fn(usize, &mut dyn Guest, &[u64]) -> Result<u64, HostError> + 'static,
{
    Rc::new(ClosureHost(call))
}

/// A host that is not called.
pub(crate) fn no_host() -> Rc<dyn Host> {
    host(|function, _, _| panic!("host function {function} was called"))
}

/// A runtime, and how to set up guests on it.
pub(crate) struct Fixture {
    runtime: Runtime,
    compiler: Compiler,
    limits: Limits,
    max_instances: u32,
}

impl Fixture {
    pub(crate) fn new(runtime: Runtime, compiler: Compiler) -> Self {
        Fixture {
            runtime,
            compiler,
            limits: Limits::default(),
            // Some engines reserve address space for each, and cases run side by side.
            max_instances: 8,
        }
    }

    pub(crate) fn runtime(&self) -> Runtime {
        self.runtime
    }

    /// A fixture of the same runtime and compiler, with the default limits.
    pub(crate) fn another(&self) -> Fixture {
        Fixture::new(self.runtime, self.compiler)
    }

    pub(crate) fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn max_instances(mut self, instances: u32) -> Self {
        self.max_instances = instances;
        self
    }

    pub(crate) fn engine(&self) -> Arc<dyn enginebay_engine::Engine> {
        let mut options = EngineOptions::with_limits(self.limits);
        options.max_instances = self.max_instances;
        options.compiler = self.compiler;
        self.runtime.create(&options).unwrap()
    }

    /// Loads a guest written as text.
    pub(crate) fn try_load(
        &self,
        wat: &str,
        imports: &[HostFunction],
        exports: &[Export],
    ) -> Result<Arc<dyn Module>, Error> {
        let code = wat::parse_str(wat).unwrap();
        self.engine().load(&LoadRequest::new(&code, imports, exports))
    }

    pub(crate) fn load(&self, wat: &str, imports: &[HostFunction], exports: &[Export]) -> Arc<dyn Module> {
        self.try_load(wat, imports, exports).unwrap()
    }

    /// Loads a guest and makes an instance of it.
    pub(crate) fn guest(
        &self,
        wat: &str,
        imports: &[HostFunction],
        exports: &[Export],
        host: Rc<dyn Host>,
    ) -> Box<dyn Instance> {
        self.load(wat, imports, exports).instantiate(host).unwrap()
    }

    /// Makes an instance of a guest without imports, calls its `run`, and expects a trap.
    pub(crate) fn trap(&self, wat: &str) -> Trap {
        self.guest(wat, &[], &[RUN], no_host())
            .call(FIRST, &[])
            .unwrap_err()
    }
}

/// Compares a trap's kind, and shows the whole trap where it differs.
#[track_caller]
pub(crate) fn assert_kind(trap: &Trap, kind: TrapKind) {
    assert_eq!(trap.kind(), kind, "{trap:?}");
}
