//! Section "Logging".

use enginebay_abi::{LogLevel, Status};
use enginebay_engine::HostError;

use super::{Cx, Outcome, array, status};
use crate::StreamState;

#[inline]
pub(super) fn log<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [level, data, size] = *array(args)?;
    status(|| -> Outcome {
        let level = LogLevel::from_u32(level as u32).ok_or(Status::BadArgument)?;
        let state = cx.state;
        state.log_from_guest(level, cx.memory().read(data, size)?, 0);
        Ok(())
    })
}

#[inline]
pub(super) fn get_log_level<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [return_level] = *array(args)?;
    let level = cx.state.platform.log_level();
    status(|| Ok(cx.memory().write_u32(return_level, level.as_u32())?))
}
