//! Plays a script on one engine.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;

use enginebay::host::{Shared, SharedLimits};
use enginebay::{ContextId, Failure, PluginConfig, Vm, VmConfig};

use crate::embedder::{Asked, Stream, World};
use crate::encode;
use crate::probe::Recorder;
use crate::script::{Action, On, ScriptCase};
use crate::subject::Subject;
use crate::trace::Trace;
use crate::upstreams;

/// Plays a case, and keeps the memory of the line `look`.
pub(crate) fn play(subject: &Subject, case: &ScriptCase, look: Option<usize>) -> Trace {
    let recorder = Recorder::install(encode::patch(&[]), look);
    let mut limits = SharedLimits::default();
    limits.queue_items = 3;
    limits.queues = 3;
    limits.data_entries = 4;
    limits.metrics = 6;
    let mut player = Player {
        subject,
        asked: Asked::default(),
        shared: Shared::new(limits),
        vms: BTreeMap::new(),
        contexts: BTreeMap::new(),
    };
    for (number, event) in case.events.iter().enumerate() {
        recorder.begin(
            number,
            event.scripts.iter().map(|script| encode::patch(script)).collect(),
        );
        let outcome = player.act(&event.action);
        recorder.note(outcome.unwrap_or_else(|| format!("nothing to do for {:?}", event.action)));
        player.look_around(&event.action, &recorder);
    }
    recorder.begin(case.events.len(), Vec::new());
    drop(player);
    recorder.finish()
}

struct Player<'a> {
    subject: &'a Subject,
    asked: Asked,
    shared: Shared,
    vms: BTreeMap<u32, (Vm<Stream>, Rc<World>)>,
    /// The VM of a context, and its number there.
    contexts: BTreeMap<u32, (u32, ContextId)>,
}

/// The result of something that the host did.
fn told<T: Debug>(result: Result<T, Failure>) -> String {
    match result {
        Ok(value) => format!("result {value:?}"),
        Err(failure) => {
            let trap = failure.trap().map(|trap| trap.kind());
            format!(
                "failed: {} in {:?}, {trap:?}",
                failure.state(),
                failure.function()
            )
        }
    }
}

impl Player<'_> {
    fn vm(&self, vm: u32) -> Option<&Vm<Stream>> {
        self.vms.get(&vm).map(|(vm, _)| vm)
    }

    fn of_context(&self, context: u32) -> Option<(&Vm<Stream>, ContextId)> {
        let (vm, id) = self.contexts.get(&context)?;
        Some((self.vm(*vm)?, *id))
    }

    /// Does something; `None` when it is about something that is not there.
    fn act(&mut self, action: &Action) -> Option<String> {
        Some(match action {
            Action::NewVm { vm, flavor, vm_id } => {
                let program = match self.subject.program(*flavor) {
                    Ok(program) => program,
                    Err(message) => return Some(format!("not loaded: {message}")),
                };
                let config = VmConfig {
                    vm_id: format!("vm{vm_id}"),
                    configuration: b"vm configuration".to_vec(),
                    environment: vec![("A".to_owned(), "b".to_owned())],
                };
                let world = Rc::new(World::new(self.asked.clone(), self.shared.clone()));
                match Vm::new(&program, &Arc::new(config), world.clone()) {
                    Ok(new) => {
                        self.vms.insert(*vm, (new, world));
                        told(Ok(()))
                    }
                    Err(failure) => told::<()>(Err(failure)),
                }
            }
            Action::StartPlugin { vm, root, allow_stop } => {
                let plugin = PluginConfig {
                    name: format!("plugin {root}"),
                    root_id: "root".to_owned(),
                    configuration: b"plugin configuration".to_vec(),
                    allow_on_headers_stop_iteration: *allow_stop,
                };
                let result = self.vm(*vm)?.start_plugin(plugin);
                self.keep(*vm, *root, result)
            }
            Action::CreateStream { root, stream } => {
                let (vm, _) = *self.contexts.get(root)?;
                let (of, id) = self.of_context(*root)?;
                // What comes of a stream whose root context is one, or gone, is the embedder's mistake.
                of.plugin(id)?;
                if of.stream(id).is_some() {
                    return None;
                }
                let result = of.create_stream(id, Stream::new(self.asked.clone()));
                self.keep(vm, *stream, result)
            }
            Action::On {
                stream,
                on,
                size,
                end,
            } => {
                let (vm, id) = self.of_context(*stream)?;
                vm.stream(id)?;
                callback(vm, id, *on, *size as usize, *end)
            }
            Action::Tick(root) => {
                let (vm, id) = self.of_context(*root)?;
                told(vm.on_tick(id))
            }
            Action::Deliver(vm) => told(self.vm(*vm)?.deliver()),
            Action::Foreign {
                root,
                function,
                arguments,
            } => {
                let (vm, id) = self.of_context(*root)?;
                vm.plugin(id)?;
                told(vm.on_foreign_function(id, *function, arguments))
            }
            Action::Answer { vm, callout, reply } => {
                let (vm, world) = self.vms.get(vm)?;
                told(upstreams::answer(vm, world.upstreams.callout(*callout)?, *reply))
            }
            Action::Log(context) => {
                let (vm, id) = self.of_context(*context)?;
                vm.plugin(id)?;
                told(vm.on_log(id))
            }
            Action::AccessLog(root) => {
                let (vm, id) = self.of_context(*root)?;
                vm.plugin(id)?;
                told(vm.log(id, Stream::new(self.asked.clone())))
            }
            Action::Finish(context) => {
                let (vm, id) = self.of_context(*context)?;
                told(vm.finish(id))
            }
            Action::FinishConnection(context) => {
                let (vm, id) = self.of_context(*context)?;
                told(vm.finish_connection(id))
            }
            Action::Abandon(context) => {
                let (vm, id) = self.of_context(*context)?;
                vm.abandon(id);
                told(Ok(()))
            }
            Action::DropVm(vm) => {
                self.vms.remove(vm)?;
                told(Ok(()))
            }
        })
    }

    fn keep(&mut self, vm: u32, context: u32, result: Result<ContextId, Failure>) -> String {
        if let Ok(id) = &result {
            self.contexts.insert(context, (vm, *id));
        }
        told(result)
    }

    /// Notes all that can be seen after an event.
    fn look_around(&self, action: &Action, recorder: &Recorder) {
        for asked in self.asked.take() {
            recorder.note(asked);
        }
        for (number, (vm, _)) in &self.vms {
            recorder.note(format!(
                "vm {number}: {} contexts, {} callouts, {:#x} bytes, failed: {}",
                vm.context_count(),
                vm.callout_count(),
                vm.memory_size(),
                vm.failure().is_some(),
            ));
        }
        if let Action::On { stream, .. } | Action::Finish(stream) | Action::Log(stream) = action
            && let Some((vm, id)) = self.of_context(*stream)
            && let Some(stream) = vm.stream(id)
        {
            recorder.note(stream.describe());
        }
        recorder.note(format!(
            "{} queues, metrics {:?}",
            self.shared.queue_count(),
            self.shared.metrics().snapshot()
        ));
    }
}

fn callback(vm: &Vm<Stream>, id: ContextId, on: On, size: usize, end: bool) -> String {
    match on {
        On::RequestHeaders => told(vm.on_request_headers(id, size, end)),
        On::RequestBody => told(vm.on_request_body(id, size, end)),
        On::RequestTrailers => told(vm.on_request_trailers(id, size)),
        On::RequestMetadata => told(vm.on_request_metadata(id, size)),
        On::ResponseHeaders => told(vm.on_response_headers(id, size, end)),
        On::ResponseBody => told(vm.on_response_body(id, size, end)),
        On::ResponseTrailers => told(vm.on_response_trailers(id, size)),
        On::ResponseMetadata => told(vm.on_response_metadata(id, size)),
        On::NewConnection => told(vm.on_new_connection(id)),
        On::DownstreamData => told(vm.on_downstream_data(id, size, end)),
        On::UpstreamData => told(vm.on_upstream_data(id, size, end)),
        On::DownstreamClose(by) => told(vm.on_downstream_connection_close(id, by)),
        On::UpstreamClose(by) => told(vm.on_upstream_connection_close(id, by)),
    }
}
