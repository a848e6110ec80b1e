//! Where things are in the memory of the guest that follows scripts.

/// Pages it starts with.
pub(crate) const PAGES: u32 = 2;
/// The end of that memory.
pub(crate) const END: u32 = PAGES * 65_536;
/// Pages that the engine allows it.
pub(crate) const MOST_PAGES: u32 = 4;
/// What the allocator does: see [`crate::script::Allocator`].
pub(crate) const ALLOCATOR: u32 = 1024;
/// The callback and its parameters, as the guest saw them.
pub(crate) const PARAMS: u32 = 1032;
/// The results of the steps, 8 bytes each.
pub(crate) const RESULTS: u32 = 1536;
/// Where host functions are told to put results: 8 bytes for each of [`SLOTS`].
pub(crate) const OUT: u32 = 2048;
/// Places for results.
pub(crate) const SLOTS: u32 = 64;
/// The script: steps of [`STEP`] bytes.
pub(crate) const SCRIPT: u32 = 4096;
/// Bytes of a step: its code, where its result goes, and up to 12 arguments of 16 bytes.
pub(crate) const STEP: u32 = 208;
/// Steps of the longest script.
pub(crate) const MOST_STEPS: u32 = 32;
/// What host functions are given to read.
pub(crate) const DATA: u32 = 12_288;
/// Where the allocator begins, anew in each callback.
pub(crate) const HEAP: u32 = 49_152;
