//! A guest's memory as one slice.

use std::ptr::NonNull;

use enginebay_engine::Memory;
use wasmer::sys::vm::{LinearMemory, VMExtern, VMMemoryDefinition};
use wasmer::{AsStoreMut, Extern};

/// Where an instance keeps the address and the size of its memory.
pub(crate) struct GuestMemory(NonNull<VMMemoryDefinition>);

impl GuestMemory {
    /// The place of this memory. It must only be used with its store.
    pub(crate) fn new(store: &mut impl AsStoreMut, memory: wasmer::Memory) -> Option<GuestMemory> {
        let VMExtern::Memory(handle) = Extern::Memory(memory).to_vm_extern().unwrap_sys() else {
            return None;
        };
        let memory = handle.get(store.objects_mut().as_sys());
        Some(GuestMemory(memory.vmmemory()))
    }

    /// The memory, for as long as its store is borrowed.
    #[inline]
    pub(crate) fn get<'a>(&self, _store: &'a mut impl AsStoreMut) -> Memory<'a> {
        // SAFETY: the place is in the instance, which its store never drops, and the caller has a borrow of that store.
        let definition = unsafe { self.0.read() };
        // SAFETY: wasmer keeps address and size true when the memory grows. Nothing but the guest, and functions of the
        // host that need the store, can change the memory or its size: while the result lives, the store is
        // borrowed mutably and the guest does not run. Modules with shared memories are refused.
        Memory::linear(unsafe { std::slice::from_raw_parts_mut(definition.base, definition.current_length) })
    }
}
