//! Section "Foreign function interface".

use enginebay_abi::Status;
use enginebay_engine::HostError;

use super::{Cx, Outcome, array, finish, status};
use crate::StreamState;

pub(super) fn call_foreign_function<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    let [
        name,
        name_size,
        arguments,
        arguments_size,
        return_data,
        return_size,
    ] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let memory = cx.memory();
        let name = memory.read(name, name_size)?;
        let arguments = memory.read(arguments, arguments_size)?;
        let mut results = Vec::new();
        let answer = state.platform.foreign_function(name, arguments, &mut results);
        finish(answer.ok_or(Status::NotFound)?)?;
        // A plugin that wants no results gives no place for them.
        if return_data == 0 || return_size == 0 {
            return Ok(());
        }
        cx.give(return_data, return_size, results.len(), |_, out| {
            out.copy_from_slice(&results);
            true
        })
    })
}
