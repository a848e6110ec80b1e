//! The memory and table limits.

use enginebay_engine::ResolvedLimits;
use wasmi::ResourceLimiter;
use wasmi::errors::TableError;
use wasmi_core::LimiterError;

/// Refuses growth beyond the limits; the guest sees -1.
pub(crate) struct Limiter {
    memory: usize,
    table_elements: usize,
}

impl Limiter {
    pub(crate) fn new(limits: &ResolvedLimits) -> Self {
        let size =
            |limit: Option<u64>| limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        Limiter {
            memory: size(limits.memory),
            table_elements: size(limits.table_elements.map(u64::from)),
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        Ok(desired <= self.memory)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        Ok(desired <= self.table_elements)
    }

    fn table_grow_failed(&mut self, error: &TableError) -> Result<(), LimiterError> {
        // wasmi 2.0.0 doesn't save the guest's position when `table.grow` runs out of fuel, so that a call
        // resumed there would repeat what came before. A trap ends it instead: see `trap::kind`.
        match error {
            TableError::OutOfFuel { .. } => Err(LimiterError::ResourceLimiterDeniedAllocation),
            _ => Ok(()),
        }
    }

    // One instance for each store; how many memories and tables a module has is its engine's business.
    fn instances(&self) -> usize {
        usize::MAX
    }

    fn tables(&self) -> usize {
        usize::MAX
    }

    fn memories(&self) -> usize {
        usize::MAX
    }
}
