//! The memory, table and stack limits.

use std::ptr::NonNull;

use enginebay_engine::ResolvedLimits;
use wasmer::sys::vm::{VMConfig, VMMemory, VMMemoryDefinition, VMTable, VMTableDefinition};
use wasmer::sys::{BaseTunables, Target, Tunables};
use wasmer::{MemoryError, MemoryStyle, MemoryType, Pages, TableStyle, TableType, WASM_PAGE_SIZE};

/// wasmer's own settings, with a maximum put on what a guest may grow to.
pub(crate) struct Limited {
    base: BaseTunables,
    memory: Pages,
    table: u32,
    config: VMConfig,
}

impl Limited {
    pub(crate) fn new(target: &Target, limits: &ResolvedLimits) -> Self {
        let pages = limits
            .memory
            .map_or(u64::MAX, |bytes| bytes / WASM_PAGE_SIZE as u64);
        Limited {
            base: BaseTunables::for_target(target),
            memory: Pages(u32::try_from(pages).unwrap_or(u32::MAX)).min(Pages::max_value()),
            table: limits.table_elements.unwrap_or(u32::MAX),
            config: VMConfig {
                wasm_stack_size: limits.stack,
            },
        }
    }

    fn memory(&self, ty: &MemoryType) -> MemoryType {
        let mut ty = *ty;
        ty.maximum = Some(ty.maximum.map_or(self.memory, |maximum| maximum.min(self.memory)));
        ty
    }

    fn table(&self, ty: &TableType) -> TableType {
        let mut ty = *ty;
        ty.maximum = Some(ty.maximum.map_or(self.table, |maximum| maximum.min(self.table)));
        ty
    }
}

impl Tunables for Limited {
    fn memory_style(&self, memory: &MemoryType) -> MemoryStyle {
        self.base.memory_style(memory)
    }

    fn table_style(&self, table: &TableType) -> TableStyle {
        self.base.table_style(table)
    }

    fn create_host_memory(&self, ty: &MemoryType, style: &MemoryStyle) -> Result<VMMemory, MemoryError> {
        self.base.create_host_memory(&self.memory(ty), style)
    }

    unsafe fn create_vm_memory(
        &self,
        ty: &MemoryType,
        style: &MemoryStyle,
        vm_definition_location: NonNull<VMMemoryDefinition>,
    ) -> Result<VMMemory, MemoryError> {
        // SAFETY: the caller's promise is the callee's.
        unsafe {
            self.base
                .create_vm_memory(&self.memory(ty), style, vm_definition_location)
        }
    }

    fn create_host_table(&self, ty: &TableType, style: &TableStyle) -> Result<VMTable, String> {
        self.base.create_host_table(&self.table(ty), style)
    }

    unsafe fn create_vm_table(
        &self,
        ty: &TableType,
        style: &TableStyle,
        vm_definition_location: NonNull<VMTableDefinition>,
    ) -> Result<VMTable, String> {
        // SAFETY: the caller's promise is the callee's.
        unsafe {
            self.base
                .create_vm_table(&self.table(ty), style, vm_definition_location)
        }
    }

    fn vmconfig(&self) -> &VMConfig {
        &self.config
    }
}
