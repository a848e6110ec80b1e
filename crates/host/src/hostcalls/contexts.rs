//! Section "Context lifecycle".

use enginebay_abi::Status;
use enginebay_engine::HostError;

use super::{Cx, Outcome, array, status};
use crate::StreamState;

#[inline]
pub(super) fn done<S: StreamState>(cx: &mut Cx<'_, S>, _: &[u64]) -> Result<u64, HostError> {
    status(|| -> Outcome {
        let id = cx.state.context();
        match cx.state.contexts.borrow_mut().end_pending(id) {
            true => {
                // Deleted when the callback is over: the guest may go on using it until then.
                cx.state.done.borrow_mut().push(id);
                Ok(())
            }
            false => Err(Status::NotFound.into()),
        }
    })
}

#[inline]
pub(super) fn set_effective_context<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    let [id] = *array(args)?;
    status(|| -> Outcome {
        let id = id as u32;
        // 0 goes back to the context whose callback runs, as on Envoy. That one is there.
        let is_current = id == 0 || id == cx.state.current.get();
        if !is_current && cx.state.contexts.borrow().get(id).is_none() {
            return Err(Status::BadArgument.into());
        }
        cx.state.effective.set(id);
        Ok(())
    })
}
