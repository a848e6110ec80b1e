//! How many of what: the sizes that are measured.

/// Filters in a chain. The first has none, for what a request costs by itself.
pub const FILTERS: [usize; 8] = [0, 1, 2, 4, 8, 16, 32, 64];

/// Streams open at once.
pub const OPEN: [usize; 5] = [1, 10, 100, 1_000, 10_000];

/// Bytes of a body: 1 KiB to 64 MiB.
pub const BODIES: [usize; 5] = [1 << 10, 16 << 10, 256 << 10, 4 << 20, 64 << 20];

/// At least that large is the large module.
pub const LARGE: usize = 5 << 18;
