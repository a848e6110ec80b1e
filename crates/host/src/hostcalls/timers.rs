//! Section "Timers".

use std::time::Duration;

use enginebay_engine::HostError;

use super::{Cx, Outcome, array, status};
use crate::contexts::Kind;
use crate::{ContextId, StreamState};

pub(super) fn set_tick_period_milliseconds<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    let [period] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let root = state.root();
        let period = Duration::from_millis(period);
        // 0 turns it off.
        let period = (!period.is_zero()).then_some(period);
        match state
            .contexts
            .borrow_mut()
            .get_mut(root)
            .map(|context| &mut context.kind)
        {
            Some(Kind::Root(root)) => root.tick_period = period,
            // A stream that outlives its plugin: nobody is there to be told the time.
            _ => return Ok(()),
        }
        state.platform.tick_period_changed(ContextId(root), period);
        Ok(())
    })
}
