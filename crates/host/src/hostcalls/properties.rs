//! Section "Properties".

use enginebay_abi::{PropertyPath, Status};
use enginebay_engine::HostError;

use super::{Cx, Outcome, array, finish, status};
use crate::contexts::Kind;
use crate::state::VmState;
use crate::{PropertyDeclaration, StreamState};

#[inline]
pub(super) fn get_property<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [path, path_size, return_data, return_size] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let memory = cx.memory();
        let path =
            PropertyPath::parse(memory.read(path, path_size)?).map_err(|_| Status::SerializationFailure)?;
        let mut value = Vec::new();
        if !lookup(state, path, &mut value) {
            return Err(Status::NotFound.into());
        }
        cx.give(return_data, return_size, value.len(), |_, out| {
            out.copy_from_slice(&value);
            true
        })
    })
}

pub(super) fn lookup<S: StreamState>(state: &VmState<S>, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
    if path.is(&["plugin_vm_id"]) {
        out.extend_from_slice(state.config.vm_id.as_bytes());
        return true;
    }
    if let Some(plugin) = state.contexts.borrow().plugin_of(state.context()) {
        let own = [("plugin_name", &plugin.name), ("plugin_root_id", &plugin.root_id)];
        if let Some((_, value)) = own.iter().find(|(name, _)| path.is(&[name])) {
            out.extend_from_slice(value.as_bytes());
            return true;
        }
    }
    state
        .with_stream(|stream| stream.property(path, out))
        .unwrap_or(false)
        || state.platform.property(path.without_xds(), out)
}

#[inline]
pub(super) fn set_property<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [path, path_size, value, value_size] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let memory = cx.memory();
        let path = memory.read(path, path_size)?;
        let value = memory.read(value, value_size)?;
        if path.len().saturating_add(value.len()) > state.limits.property {
            return Err(Status::BadArgument.into());
        }
        let Ok(path) = PropertyPath::parse(path) else {
            // As on Envoy, though nobody can read it.
            let in_stream = state.with_stream(|_| Status::Ok);
            return finish(in_stream.unwrap_or(Status::NotFound));
        };
        let declared = declaration(state, path);
        let set = state.with_stream(|stream| stream.set_property(path, value, &declared));
        finish(set.unwrap_or(Status::NotFound))
    })
}

/// What the plugin declared of a property.
fn declaration<S: StreamState>(state: &VmState<S>, path: PropertyPath<'_>) -> PropertyDeclaration {
    let contexts = state.contexts.borrow();
    match contexts
        .get(contexts.root_of(state.context()))
        .map(|context| &context.kind)
    {
        Some(Kind::Root(root)) => root.declarations.get(path).cloned().unwrap_or_default(),
        _ => PropertyDeclaration::default(),
    }
}
