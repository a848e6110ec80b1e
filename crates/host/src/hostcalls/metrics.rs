//! Section "Metrics".

use enginebay_abi::{LogLevel, MetricType, Status};
use enginebay_engine::HostError;

use super::{Cx, Outcome, array, status};
use crate::StreamState;
use crate::shared::Full;

pub(super) fn define_metric<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [kind, name, name_size, return_metric] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let kind = MetricType::try_from(kind as u32).map_err(|_| Status::BadArgument)?;
        let mut memory = cx.memory();
        memory.write_u32(return_metric, 0)?;
        let name = memory.read(name, name_size)?;
        let defined = state
            .metrics
            .borrow_mut()
            .define(state.shared.metrics(), kind, name);
        let metric = defined.map_err(|Full| {
            state.log(
                LogLevel::Warn,
                "a metric was not defined: there are too many, or its name is too long",
            );
            Status::InternalFailure
        })?;
        memory.write_u32(return_metric, metric)?;
        Ok(())
    })
}

#[inline]
pub(super) fn record_metric<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [metric, value] = *array(args)?;
    status(|| -> Outcome { Ok(cx.state.metrics.borrow().record(metric as u32, value)?) })
}

#[inline]
pub(super) fn increment_metric<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [metric, delta] = *array(args)?;
    status(|| -> Outcome { Ok(cx.state.metrics.borrow().increment(metric as u32, delta as i64)?) })
}

#[inline]
pub(super) fn get_metric<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [metric, return_value] = *array(args)?;
    status(|| -> Outcome {
        let value = cx.state.metrics.borrow().value(metric as u32)?;
        cx.memory().write_u64(return_value, value)?;
        Ok(())
    })
}
