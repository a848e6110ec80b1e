//! An engine with an embedder, in which a case runs its guests.

use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;

use enginebay::abi::LogLevel;
use enginebay::engine::{Engine, Runtime};
use enginebay::host::{Program, Shared, SharedLimits, VmLimits};
use enginebay::{ContextId, EngineOptions, FailState, Failure, Limits, PluginConfig, Vm, VmConfig};

use super::guest::Guest;
use crate::case::Given;
use crate::engine::embedder::{Stream, World};
use crate::host::{PLUGIN_CONFIGURATION, PLUGIN_NAME, ROOT_ID, VM_ID};

/// What a case says in the end.
pub(super) type Verdict = Result<(), Box<dyn std::error::Error>>;

/// A runtime, and what VMs are made with.
pub(super) struct Bay {
    runtime: Runtime,
    engine: Arc<dyn Engine>,
    given: Given,
    pub(super) world: Rc<World>,
}

impl Bay {
    pub(super) fn new(runtime: Runtime) -> Result<Self, Box<dyn std::error::Error>> {
        Bay::with(runtime, Limits::default())
    }

    fn with(runtime: Runtime, limits: Limits) -> Result<Self, Box<dyn std::error::Error>> {
        let mut options = EngineOptions::with_limits(limits);
        options.max_instances = 8;
        let given = Given::default();
        Ok(Bay {
            runtime,
            engine: runtime.create(&options)?,
            world: Rc::new(World::new(&given).with_limits(VmLimits::default())),
            given,
        })
    }

    /// Another one, whose engine has these limits.
    pub(super) fn limited(&self, limits: Limits) -> Result<Self, Box<dyn std::error::Error>> {
        Bay::with(self.runtime, limits)
    }

    /// With these bounds of VMs.
    pub(super) fn set_limits(&mut self, change: impl FnOnce(&mut VmLimits)) {
        let mut limits = VmLimits::default();
        change(&mut limits);
        self.world = Rc::new(World::new(&self.given).with_limits(limits));
    }

    /// With these bounds of what VMs share.
    pub(super) fn set_shared_limits(&mut self, change: impl FnOnce(&mut SharedLimits)) {
        let mut limits = SharedLimits::default();
        change(&mut limits);
        let world = World::new(&self.given).with_limits(VmLimits::default());
        self.world = Rc::new(world.with_shared(Shared::new(limits)));
    }

    /// Loads a module.
    pub(super) fn load(&self, wat: &str) -> Result<Arc<Program>, Failure> {
        let no_module =
            |error: wat::Error| Failure::new(FailState::UnableToInitializeCode, error.to_string());
        let code = wat::parse_str(wat).map_err(no_module)?;
        self.load_bytes(&code)
    }

    pub(super) fn load_bytes(&self, code: &[u8]) -> Result<Arc<Program>, Failure> {
        Program::load(&*self.engine, code).map(Arc::new)
    }

    /// Makes a VM with an id.
    pub(super) fn vm_of(&self, guest: &Guest, vm_id: &str) -> Result<Vm<Stream>, Failure> {
        let config = VmConfig {
            vm_id: vm_id.to_owned(),
            configuration: b"vm configuration".to_vec(),
            ..VmConfig::default()
        };
        Vm::new(&self.load(&guest.wat())?, &Arc::new(config), self.world.clone())
    }

    /// Makes a VM.
    pub(super) fn vm(&self, guest: &Guest) -> Result<Vm<Stream>, Failure> {
        self.vm_of(guest, VM_ID)
    }

    /// A VM with a plugin.
    pub(super) fn started(&self, guest: &Guest) -> Result<(Vm<Stream>, ContextId), Failure> {
        let vm = self.vm(guest)?;
        let root = vm.start_plugin(plugin(PLUGIN_NAME))?;
        Ok((vm, root))
    }

    /// A VM with an id, a plugin and a stream.
    pub(super) fn streaming(&self, guest: &Guest, vm_id: &str) -> Result<(Vm<Stream>, ContextId), Failure> {
        let vm = self.vm_of(guest, vm_id)?;
        let root = vm.start_plugin(plugin(PLUGIN_NAME))?;
        let id = vm.create_stream(root, self.stream())?;
        Ok((vm, id))
    }

    /// What a guest reports of one request.
    pub(super) fn request(&self, guest: &Guest) -> Result<Vec<String>, Failure> {
        let (vm, id) = self.streaming(guest, VM_ID)?;
        self.reports();
        vm.on_request_headers(id, 4, true)?;
        Ok(self.reports())
    }

    /// A stream with headers and a body.
    pub(super) fn stream(&self) -> Stream {
        Stream::new(&self.given, self.world.seen())
    }

    /// How many streams there are.
    pub(super) fn streams(&self) -> usize {
        // The world has two, for itself and for its upstreams, and `seen` here is one more.
        Rc::strong_count(&self.world.seen()) - 3
    }

    /// What guests reported since the last time, oldest first.
    pub(super) fn reports(&self) -> Vec<String> {
        self.take(LogLevel::Trace)
    }

    /// What was logged at a level. All that was logged is forgotten then.
    pub(super) fn take(&self, level: LogLevel) -> Vec<String> {
        let log = std::mem::take(&mut self.world.seen.borrow_mut().log);
        let at_level = log.into_iter().filter(|(of, _)| *of == level);
        at_level.map(|(_, message)| message).collect()
    }
}

/// A plugin's configuration.
pub(super) fn plugin(name: &str) -> PluginConfig {
    PluginConfig {
        name: name.to_owned(),
        root_id: ROOT_ID.to_owned(),
        configuration: PLUGIN_CONFIGURATION.as_bytes().to_vec(),
        ..PluginConfig::default()
    }
}

/// Compares.
pub(super) fn same<G: Debug + PartialEq<E>, E: Debug>(got: G, expected: E) -> Verdict {
    match got == expected {
        true => Ok(()),
        false => Err(format!("got {got:?}, and not {expected:?}").into()),
    }
}

/// What has failed, as it must.
pub(super) fn failed<T>(result: Result<T, Failure>) -> Result<Failure, Box<dyn std::error::Error>> {
    match result {
        Ok(_) => Err("it did not fail".into()),
        Err(failure) => Ok(failure),
    }
}

/// What has failed must have done so at this point, and say this.
pub(super) fn fails<T>(result: Result<T, Failure>, state: FailState, message: &str) -> Verdict {
    let failure = failed(result)?;
    let text = failure.to_string();
    same(failure.state(), state)?;
    match text.contains(message) {
        true => Ok(()),
        false => Err(format!("it says {text:?}, and not {message:?}").into()),
    }
}
