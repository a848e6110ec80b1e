//! Section "Shared Queues".

use enginebay_abi::{LogLevel, Status};
use enginebay_engine::HostError;

use super::{Cx, Outcome, array, status};
use crate::StreamState;
use crate::shared::{DequeueError, EnqueueError, Full};

pub(super) fn register_shared_queue<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    let [name, name_size, return_queue] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let mut memory = cx.memory();
        memory.write_u32(return_queue, 0)?;
        let name = memory.read(name, name_size)?;
        let queue = state
            .shared
            .register_queue(name, &state.inbox, state.root())
            .map_err(|Full| {
                let vm_id = &state.config.vm_id;
                state.log(
                    LogLevel::Warn,
                    &format!("a queue was not made: vm_id {vm_id:?} has too many, or its name is too long"),
                );
                Status::InternalFailure
            })?;
        memory.write_u32(return_queue, queue)?;
        Ok(())
    })
}

pub(super) fn resolve_shared_queue<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    let [vm_id, vm_id_size, name, name_size, return_queue] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let mut memory = cx.memory();
        memory.write_u32(return_queue, 0)?;
        // A `vm_id` that is no text is that of no VM.
        let vm_id = std::str::from_utf8(memory.read(vm_id, vm_id_size)?);
        let name = memory.read(name, name_size)?;
        let queue = vm_id
            .ok()
            .and_then(|vm_id| state.shared.queues().resolve(vm_id, name));
        memory.write_u32(return_queue, queue.ok_or(Status::NotFound)?)?;
        Ok(())
    })
}

pub(super) fn enqueue_shared_queue<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    let [queue, value, value_size] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let memory = cx.memory();
        let value = memory.read(value, value_size)?;
        state
            .shared
            .queues()
            .enqueue(queue as u32, value)
            .map_err(|error| match error {
                EnqueueError::NoQueue => Status::NotFound,
                EnqueueError::Full => {
                    state.log(
                        LogLevel::Warn,
                        &format!("shared queue {} is full: an item was not added", queue as u32),
                    );
                    Status::InternalFailure
                }
            })?;
        Ok(())
    })
}

pub(super) fn dequeue_shared_queue<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    let [queue, return_value, return_size] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let queue = queue as u32;
        let item = state
            .shared
            .queues()
            .dequeue(queue)
            .map_err(|error| match error {
                DequeueError::NoQueue => Status::NotFound,
                DequeueError::Empty => Status::Empty,
            })?;
        let given = cx.give(return_value, return_size, item.len(), |_, out| {
            out.copy_from_slice(&item);
            true
        });
        if given.is_err() {
            // The plugin did not get it.
            state.shared.queues().put_back(queue, item);
        }
        given
    })
}
