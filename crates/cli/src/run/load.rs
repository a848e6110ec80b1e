//! From the flags to a plugin in a VM.

use std::ffi::OsStr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use enginebay::abi::{AllowedCapabilities, LogLevel};
use enginebay::engine::{Precompiled, Runtime};
use enginebay::host::{LoadOptions, Program};
use enginebay::{ContextId, EngineOptions, Failure, PluginConfig, Registry, Vm, VmConfig};

use super::args::RunArgs;
use super::exchange::{self, Given};
use super::outcome::{Call, Ending, Outcome};
use super::platform::Recorder;
use super::stream::Stream;
use crate::error::Error;
use crate::{names, output};

/// The runtime of choice when none is named: the engine that most people know.
const DEFAULT: &str = "envoy.wasm.runtime.wasmtime";
const ALL: &str = "all";

/// The runtimes that the flags name, each once.
pub(super) fn choose<'r>(args: &RunArgs, registry: &'r Registry) -> Result<Vec<&'r Runtime>, Error> {
    let mut chosen: Vec<&Runtime> = Vec::new();
    let mut add = |runtime: &'r Runtime| {
        if !chosen.iter().any(|other| other.name == runtime.name) {
            chosen.push(runtime);
        }
    };
    let native = names_native_plugin(args);
    for name in &args.runtimes {
        if name == ALL {
            able(registry, native).for_each(&mut add);
            continue;
        }
        add(names::find(registry, "--runtime", name)?);
    }
    if args.runtimes.is_empty() {
        match registry.find(DEFAULT).filter(|_| !native) {
            Some(found) => add(found.runtime),
            None => able(registry, native).take(1).for_each(&mut add),
        }
    }
    if chosen.is_empty() {
        return Err(Error::about(
            &args.plugin,
            match native {
                true => "No such file, and no runtime of native plugins is compiled in",
                false => "no runtime of WebAssembly plugins is compiled in",
            },
        ));
    }
    Ok(chosen)
}

/// A plain word that is no file is the name of a plugin that is linked in; a shared library is one too.
fn names_native_plugin(args: &RunArgs) -> bool {
    let path = Path::new(&args.plugin);
    if path.extension() == Some(OsStr::new(std::env::consts::DLL_EXTENSION)) {
        return true;
    }
    !path.exists() && path.extension().is_none() && path.components().count() == 1
}

fn able(registry: &Registry, native: bool) -> impl Iterator<Item = &Runtime> {
    registry
        .iter()
        .filter(move |runtime| runtime.capabilities.sandbox != native)
}

/// What is the same for every runtime.
pub(super) struct Setup<'a> {
    args: &'a RunArgs,
    config: PluginConfig,
    vm: Arc<VmConfig>,
    options: EngineOptions,
    capabilities: AllowedCapabilities,
}

impl<'a> Setup<'a> {
    pub(super) fn new(args: &'a RunArgs) -> Result<Self, Error> {
        let plugin = &args.plugin_options;
        let read = |text: &Option<super::values::Text>, flag| match text {
            Some(text) => text.read(flag).map(|bytes| bytes.to_vec()),
            None => Ok(Vec::new()),
        };
        for (number, (name, _)) in plugin.env.iter().enumerate() {
            if plugin.env[..number].iter().any(|(other, _)| other == name) {
                return Err(Error::about(format_args!("--env {name}"), "given twice"));
            }
        }
        for (number, upstream) in args.upstreams.iter().enumerate() {
            let name = &upstream.name;
            if args.upstreams[..number].iter().any(|other| other.name == *name) {
                return Err(Error::about(format_args!("--upstream {name}"), "given twice"));
            }
        }
        // As in a configuration, none named is none denied.
        let capabilities = match plugin.allow_capabilities.as_slice() {
            [] => AllowedCapabilities::All,
            names => AllowedCapabilities::only(names),
        };
        for name in capabilities.unknown() {
            output::warning(&format!(
                "--allow-capability {name}: no capability that this host knows"
            ));
        }
        let mut options = args.engine.options();
        // One VM runs at a time.
        options.max_instances = 1;
        Ok(Setup {
            args,
            config: PluginConfig {
                name: plugin.name.clone(),
                root_id: plugin.root_id.clone(),
                configuration: read(&plugin.config, "--config")?,
                allow_on_headers_stop_iteration: plugin.allow_on_headers_stop_iteration,
            },
            vm: Arc::new(VmConfig {
                vm_id: plugin.vm_id.clone(),
                configuration: read(&plugin.vm_config, "--vm-config")?,
                environment: plugin.env.clone(),
            }),
            options,
            capabilities,
        })
    }

    /// Runs the exchange on one runtime.
    ///
    /// # Errors
    /// When the plugin can't be read. That it can't be loaded is an outcome.
    pub(super) fn run(&self, runtime: &Runtime, given: &Given) -> Result<Outcome, Error> {
        let code = match runtime.capabilities.sandbox {
            true => read(&self.args.path())?,
            false => self.args.plugin.clone().into_bytes(),
        };
        let recorder = Rc::new(Recorder::new(
            self.args.log_level,
            given.properties.clone(),
            self.args.upstreams.clone(),
        ));
        let mut outcome = Outcome {
            runtime: runtime.name,
            load: Duration::ZERO,
            calls: Vec::new(),
            logs: Vec::new(),
            request: given.request.clone(),
            response: None,
            local_reply: None,
            callouts: Vec::new(),
            callouts_refused: 0,
            ending: Ending::NotStarted,
            failure: None,
        };
        match self.start(runtime, &code, &recorder, &mut outcome) {
            Ok((vm, root)) => {
                let exchanged = exchange::run(&vm, root, given, recorder.canned(), &mut outcome.calls);
                outcome.request = exchanged.request;
                outcome.response = exchanged.response;
                outcome.local_reply = exchanged.local_reply;
                outcome.ending = exchanged.ending;
                outcome.failure = exchanged.failure;
            }
            Err(failure) => outcome.failure = Some(failure),
        }
        outcome.logs = recorder.take();
        (outcome.callouts, outcome.callouts_refused) = recorder.canned().take();
        if let Some(failure) = &outcome.failure {
            // The host logs a failure too, but here it is shown as what it is.
            let message = failure.to_string();
            outcome
                .logs
                .retain(|log| log.level != LogLevel::Critical || log.message != message);
        }
        Ok(outcome)
    }

    fn start(
        &self,
        runtime: &Runtime,
        code: &[u8],
        recorder: &Rc<Recorder>,
        outcome: &mut Outcome,
    ) -> Result<(Vm<Stream>, ContextId), Failure> {
        let engine = runtime
            .create(&self.options)
            .map_err(|error| Failure::from_engine(&error))?;
        let start = Instant::now();
        let options = LoadOptions::default()
            .with_precompiled(self.args.allow_precompiled)
            .with_capabilities(self.capabilities.clone());
        let program = Program::load_with(&*engine, code, options);
        outcome.load = start.elapsed();
        let program = Arc::new(program?);
        if let Precompiled::Ignored(reason) = program.precompiled() {
            output::warning(&format!(
                "{}: its precompiled code is ignored on {}, and the module compiled: {reason}",
                self.args.plugin, runtime.name
            ));
        }

        let mut timed = |name, start: Instant| {
            outcome.calls.push(Call {
                name,
                action: None,
                took: start.elapsed(),
            });
        };
        let start = Instant::now();
        let vm = Vm::new(&program, &self.vm, recorder.clone());
        timed("initialize", start);
        let vm = vm?;
        let start = Instant::now();
        let root = vm.start_plugin(self.config.clone());
        timed("start", start);
        let root = root?;
        Ok((vm, root))
    }
}

/// Reads the plugin's file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| Error::about(format_args!("Invalid path: {}", path.display()), error))
}
