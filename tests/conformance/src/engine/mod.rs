//! enginebay's own host, on any of its runtimes.

pub(crate) mod embedder;
mod upstreams;

use std::rc::Rc;
use std::sync::Arc;

use enginebay::engine::{Engine, Runtime};
use enginebay::host::Program;
use enginebay::{EngineOptions, Failure, PluginConfig, Vm, VmConfig};

use crate::host::{
    EVENTS, Event, Exchange, FOREIGN_ARGUMENTS, Host, Outcome, PLUGIN_CONFIGURATION, PLUGIN_NAME, Plugin,
    ROOT_ID, STATS, VM_ID,
};
use embedder::{Stream, World};

/// enginebay on one runtime.
pub struct EngineHost {
    runtime: Runtime,
    engine: Arc<dyn Engine>,
}

impl EngineHost {
    /// With an engine of the runtime as it is without options.
    ///
    /// # Errors
    /// The engine can't be made.
    pub fn new(runtime: Runtime) -> Result<Self, String> {
        let mut options = EngineOptions::default();
        options.max_instances = 4;
        let engine = runtime.create(&options).map_err(|error| error.to_string())?;
        Ok(EngineHost { runtime, engine })
    }
}

/// The last part of a runtime's name.
pub(crate) fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

impl Host for EngineHost {
    fn name(&self) -> &str {
        short(self.runtime.name)
    }

    fn load(&self, code: &[u8]) -> Result<Box<dyn Plugin>, String> {
        let program = Program::load(&*self.engine, code).map_err(|failure| failure.to_string())?;
        Ok(Box::new(Loaded {
            program: Arc::new(program),
            native: self.engine.native(),
        }))
    }

    fn runtime(&self) -> Option<&Runtime> {
        Some(&self.runtime)
    }
}

struct Loaded {
    program: Arc<Program>,
    native: bool,
}

impl Plugin for Loaded {
    fn run(&self, exchange: &Exchange<'_>) -> Outcome {
        if !self.native {
            return self.run_here(exchange);
        }
        // Native plugins may share state on a thread, so numbers of contexts and callouts go on there from VM to VM. Cases
        // are about those of a new one.
        let outcome = std::thread::scope(|scope| scope.spawn(|| self.run_here(exchange)).join());
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Loaded {
    fn run_here(&self, exchange: &Exchange<'_>) -> Outcome {
        let world = Rc::new(World::new(exchange.given));
        let mut outcome = Outcome::default();
        let result = self.drive(exchange, &world, &mut outcome);
        outcome.failure = result.err().map(|failure| failure.to_string());
        world.tell(&mut outcome);
        outcome
    }

    fn drive(
        &self,
        exchange: &Exchange<'_>,
        world: &Rc<World>,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let text = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let config = VmConfig {
            vm_id: VM_ID.to_owned(),
            configuration: exchange.vm_configuration.to_vec(),
            environment: exchange.given.environment.iter().map(text).collect(),
        };
        let vm = Vm::new(&self.program, &Arc::new(config), world.clone())?;
        let result = happen(&vm, exchange, world, outcome);
        outcome.contexts = vm.context_count();
        result
    }
}

/// Everything that happens.
fn happen(
    vm: &Vm<Stream>,
    exchange: &Exchange<'_>,
    world: &World,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let root = vm.start_plugin(PluginConfig {
        name: PLUGIN_NAME.to_owned(),
        root_id: ROOT_ID.to_owned(),
        configuration: PLUGIN_CONFIGURATION.as_bytes().to_vec(),
        ..PluginConfig::default()
    })?;
    let id = vm.create_stream(root, Stream::new(exchange.given, world.seen()))?;
    for event in EVENTS {
        match event {
            Event::NewConnection => vm.on_new_connection(id).map(drop),
            Event::DownstreamData(size, end) => vm.on_downstream_data(id, size, end).map(drop),
            Event::UpstreamData(size, end) => vm.on_upstream_data(id, size, end).map(drop),
            Event::RequestHeaders(count, end) => vm.on_request_headers(id, count, end).map(drop),
            Event::RequestMetadata(count) => vm.on_request_metadata(id, count).map(drop),
            Event::RequestBody(size, end) => vm.on_request_body(id, size, end).map(drop),
            Event::RequestTrailers(count) => vm.on_request_trailers(id, count).map(drop),
            Event::ResponseHeaders(count, end) => vm.on_response_headers(id, count, end).map(drop),
            Event::ResponseBody(size, end) => vm.on_response_body(id, size, end).map(drop),
            Event::ResponseTrailers(count) => vm.on_response_trailers(id, count).map(drop),
            Event::ResponseMetadata(count) => vm.on_response_metadata(id, count).map(drop),
            Event::DownstreamClose(peer) => vm.on_downstream_connection_close(id, peer),
            Event::UpstreamClose(peer) => vm.on_upstream_connection_close(id, peer),
            Event::CalloutsAnswered => world.answer(vm, exchange.given.unanswered),
            Event::QueuesReady => vm.deliver().map(drop),
            Event::ForeignFunction(number) => vm.on_foreign_function(root, number, FOREIGN_ARGUMENTS),
            Event::StatsUpdate => vm.on_stats_update(root, STATS),
            Event::Log => vm.on_log(id),
            Event::Done => {
                outcome.stream = vm.stream(id).map(|stream| stream.outcome());
                vm.finish(id)
            }
            Event::Tick => vm.on_tick(root),
        }?;
    }
    Ok(())
}
