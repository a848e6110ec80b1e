//! Section "Shared Key-Value Store".

use enginebay_abi::{LogLevel, Status};
use enginebay_engine::HostError;

use super::{Cx, Outcome, array, status};
use crate::StreamState;
use crate::shared::SetError;

pub(super) fn get_shared_data<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [key, key_size, return_value, return_size, return_cas] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let mut memory = cx.memory();
        let found = state.shared.data.get(memory.read(key, key_size)?);
        let (value, cas) = found.ok_or(Status::NotFound)?;
        // Before the value, so that nothing is left behind in the guest when there is nowhere to put it.
        memory.write_u32(return_cas, 0)?;
        cx.give(return_value, return_size, value.len(), |_, out| {
            out.copy_from_slice(&value);
            true
        })?;
        // The allocator may have made the memory another one.
        cx.memory().write_u32(return_cas, cas)?;
        Ok(())
    })
}

pub(super) fn set_shared_data<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [key, key_size, value, value_size, cas] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let memory = cx.memory();
        let key = memory.read(key, key_size)?;
        let value = memory.read(value, value_size)?;
        state
            .shared
            .data
            .set(key, value, cas as u32)
            .map_err(|error| match error {
                SetError::CasMismatch => Status::CasMismatch,
                SetError::Full => {
                    let vm_id = &state.config.vm_id;
                    state.log(
                        LogLevel::Warn,
                        &format!("the shared data of vm_id {vm_id:?} is full: a value was not set"),
                    );
                    Status::InternalFailure
                }
            })?;
        Ok(())
    })
}
