//! Section "Clocks".

use enginebay_engine::HostError;

use super::{Cx, array, status};
use crate::StreamState;

#[inline]
pub(super) fn get_current_time_nanoseconds<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    let [return_time] = *array(args)?;
    let now = cx.state.platform.realtime_ns();
    status(|| Ok(cx.memory().write_u64(return_time, now)?))
}
