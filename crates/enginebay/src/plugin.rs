//! Configured plugins.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use enginebay_abi::AllowedCapabilities;
pub use enginebay_config::model::{BackOff, FailurePolicy};
use enginebay_config::model::{Capabilities, Plugin as PluginModel};
use enginebay_engine::{Engine, Precompiled};
use enginebay_host::{
    ContextId, FailState, Failure, LoadOptions, Platform, PluginConfig, Program, StreamState, Vm, VmConfig,
};

use crate::{Engines, native_code, read_code};

/// A configured plugin: its code loaded, its configuration at hand. Cheap to clone, shared by all threads.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

struct Inner {
    config: PluginConfig,
    failure_policy: FailurePolicy,
    vm: Arc<VmConfig>,
    runtime: String,
    program: Result<Arc<Program>, Absent>,
}

/// Why a plugin has no code. What it is a filter of must be served all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Its code could not be had: streams meet it as they meet a plugin that failed.
    Code,
    /// Nobody has said what it is to be: streams are refused, whatever a failure policy would say.
    Configuration,
}

/// What plugins that share a VM have in common: the program, which is the same for the same code on the same runtime, and
/// the VM's configuration with its `vm_id`. Means something only as long as one of them is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VmKey {
    /// Where the program is.
    program: usize,
    vm: Arc<VmConfig>,
}

impl VmKey {
    /// That of a program and a configuration.
    pub fn of(program: &Arc<Program>, vm: &Arc<VmConfig>) -> Self {
        VmKey {
            program: Arc::as_ptr(program).expose_provenance(),
            vm: vm.clone(),
        }
    }
}

/// A plugin in a VM of one thread.
pub struct Running<S: StreamState> {
    /// The VM.
    pub vm: Rc<Vm<S>>,
    /// The plugin's root context.
    pub root: ContextId,
}

impl<S: StreamState> Clone for Running<S> {
    fn clone(&self) -> Self {
        Running {
            vm: self.vm.clone(),
            root: self.root,
        }
    }
}

impl Plugin {
    /// Loads a plugin as configured.
    ///
    /// # Errors
    /// Code that can't be read or loaded, a runtime that is not there, or a setting that this build can't
    /// honour.
    pub fn load(engines: &Engines, config: &PluginModel) -> Result<Plugin, Failure> {
        Self::load_from(engines, config, None)
    }

    /// Loads a plugin as configured, but for its code, which is given: that of a remote source, which the caller has fetched
    /// and verified (`enginebay-code` does that). On a runtime of native plugins it is a name.
    ///
    /// # Errors
    /// As [`Plugin::load`].
    pub fn load_code(engines: &Engines, config: &PluginModel, code: &[u8]) -> Result<Plugin, Failure> {
        Self::load_from(engines, config, Some(code))
    }

    fn load_from(engines: &Engines, config: &PluginModel, code: Option<&[u8]>) -> Result<Plugin, Failure> {
        let engine = engines
            .get(&config.vm.runtime)
            .map_err(|error| Failure::from_engine(&error))?;
        if engine.native() {
            let unable = |message: &str| Failure::new(FailState::UnableToCreateVm, message);
            config.vm.native_environment().map_err(unable)?;
        }
        let code = match code {
            Some(code) => Cow::Borrowed(code),
            None if engine.native() => native_code(&config.vm.code)?,
            None => read_code(&config.vm.code)?,
        };
        let options = LoadOptions::default()
            .with_precompiled(config.vm.allow_precompiled)
            .with_capabilities(allowed(config));
        let program = engines.programs().load(&engine, &code, options)?;
        if let Precompiled::Ignored(reason) = program.precompiled() {
            tracing::warn!(
                "plugin {}: its precompiled code is ignored, and the module compiled: {reason}",
                config.name
            );
        }
        Ok(Plugin(Arc::new(Inner {
            config: PluginConfig {
                name: config.name.clone(),
                root_id: config.root_id.clone(),
                configuration: config.configuration.clone(),
                allow_on_headers_stop_iteration: config.allow_on_headers_stop_iteration.unwrap_or(false),
            },
            failure_policy: config.failure_policy,
            vm: Arc::new(VmConfig {
                vm_id: config.vm.vm_id.clone(),
                configuration: config.vm.configuration.clone(),
                environment: config.vm.environment.clone(),
            }),
            runtime: config.vm.runtime.clone(),
            program: Ok(program),
        })))
    }

    /// Loads a plugin from its code (on a runtime of native plugins, from its name), to fail closed. What compiled code it
    /// carries is not looked at.
    ///
    /// # Errors
    /// As [`Program::load`].
    pub fn new(
        engine: &dyn Engine,
        code: &[u8],
        config: PluginConfig,
        vm: VmConfig,
    ) -> Result<Plugin, Failure> {
        let program = Program::load(engine, code)?;
        Ok(Plugin(Arc::new(Inner {
            config,
            failure_policy: FailurePolicy::FailClosed,
            vm: Arc::new(vm),
            runtime: String::new(),
            program: Ok(Arc::new(program)),
        })))
    }

    /// A plugin that is not there, to stand in its place in a chain.
    pub fn absent(name: &str, failure_policy: FailurePolicy, why: Absent) -> Plugin {
        Plugin(Arc::new(Inner {
            config: PluginConfig {
                name: name.to_owned(),
                ..PluginConfig::default()
            },
            failure_policy,
            vm: Arc::default(),
            runtime: String::new(),
            program: Err(why),
        }))
    }

    /// `PluginConfig.name`.
    pub fn name(&self) -> &str {
        &self.0.config.name
    }

    /// The name the runtime was configured by; empty for a plugin made by [`Plugin::new`].
    pub fn runtime(&self) -> &str {
        &self.0.runtime
    }

    /// What becomes of requests once the VM has failed.
    pub fn failure_policy(&self) -> FailurePolicy {
        self.0.failure_policy
    }

    /// The plugin's configuration.
    pub fn config(&self) -> &PluginConfig {
        &self.0.config
    }

    /// What plugins that share a VM have in common. `None` for a plugin that is not there.
    pub fn vm_key(&self) -> Option<VmKey> {
        Some(VmKey::of(self.program()?, &self.0.vm))
    }

    /// The configuration of its VM.
    pub fn vm_config(&self) -> &Arc<VmConfig> {
        &self.0.vm
    }

    /// The program, if the plugin is there.
    pub fn program(&self) -> Option<&Arc<Program>> {
        self.0.program.as_ref().ok()
    }

    /// Why the plugin is not there, if so.
    pub fn why_absent(&self) -> Option<Absent> {
        self.0.program.as_ref().err().copied()
    }

    /// The program.
    ///
    /// # Errors
    /// The plugin is not there.
    pub fn require_program(&self) -> Result<&Arc<Program>, Failure> {
        self.program()
            .ok_or_else(|| Failure::new(FailState::UnableToInitializeCode, "the plugin has no code"))
    }

    /// Makes a VM on this thread and starts the plugin in it. Start-up proves a plugin by doing this once and
    /// dropping what comes out (Envoy's canary), then does it on each worker.
    ///
    /// # Errors
    /// When there is no room for another instance, or the plugin traps or refuses its configuration.
    pub fn start<S: StreamState>(&self, platform: Rc<dyn Platform>) -> Result<Running<S>, Failure> {
        let vm = Vm::new(self.require_program()?, &self.0.vm, platform)?;
        let root = vm.start_plugin(self.0.config.clone())?;
        Ok(Running {
            vm: Rc::new(vm),
            root,
        })
    }
}

/// What the plugin is allowed. Warns of names that allow nothing.
fn allowed(config: &PluginModel) -> AllowedCapabilities {
    let allowed = match &config.capabilities {
        Capabilities::All => AllowedCapabilities::All,
        Capabilities::Only(names) => AllowedCapabilities::Only(names.clone()),
    };
    for name in allowed.unknown() {
        tracing::warn!(
            "plugin {}: capability_restriction_config: {name:?} is no capability that this host knows",
            config.name
        );
    }
    allowed
}
