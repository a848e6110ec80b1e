//! Cases that native plugins can be asked as well: the names are those of the cases with guests of WebAssembly, and so is
//! what must come of them.

mod lifecycle;
mod limits;
mod plugin;
mod sharing;

use enginebay::{ContextId, Failure, Vm, VmConfig};

use super::Case;
use super::bay::{Bay, plugin as config};
use crate::engine::embedder::Stream;

/// All of them, by their whole names.
pub(super) const CASES: &[&[Case]] = &[lifecycle::CASES, sharing::CASES, limits::CASES];

type Streaming = (Vm<Stream>, ContextId);

/// A VM that does this.
fn vm(bay: &Bay, vm_id: &str, script: &str) -> Result<Vm<Stream>, Failure> {
    let config = VmConfig {
        vm_id: vm_id.to_owned(),
        configuration: script.as_bytes().to_vec(),
        ..VmConfig::default()
    };
    let program = bay.load_bytes(plugin::NAME.as_bytes())?;
    Vm::new(&program, &config.into(), bay.world.clone())
}

/// With a plugin.
fn started(bay: &Bay, script: &str) -> Result<Streaming, Failure> {
    let vm = vm(bay, "vm", script)?;
    let root = vm.start_plugin(config("my_plugin"))?;
    Ok((vm, root))
}

/// With a plugin and a stream.
fn streaming(bay: &Bay, vm_id: &str, script: &str) -> Result<Streaming, Failure> {
    let vm = vm(bay, vm_id, script)?;
    let root = vm.start_plugin(config("my_plugin"))?;
    let id = vm.create_stream(root, bay.stream())?;
    Ok((vm, id))
}

fn request((vm, id): &Streaming) -> Result<(), Failure> {
    vm.on_request_headers(*id, 1, true).map(drop)
}

fn response((vm, id): &Streaming) -> Result<(), Failure> {
    vm.on_response_headers(*id, 1, true).map(drop)
}

/// What these commands report in a request.
fn commands(bay: &Bay, commands: &[&str]) -> Result<Vec<String>, Failure> {
    let script: String = commands
        .iter()
        .map(|command| format!("request {command}\n"))
        .collect();
    request(&streaming(bay, "vm", &script)?)?;
    Ok(bay.reports())
}
