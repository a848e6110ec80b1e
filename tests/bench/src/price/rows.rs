//! What is priced: each host function with the arguments it is called with.

/// Where what is passed lies in the guest's memory.
pub(crate) mod place {
    /// The name of a header, of shared data, of a queue, of a metric, of a foreign function: 16 bytes.
    pub(crate) const KEY: u32 = 64;
    /// 16 bytes.
    pub(crate) const VALUE: u32 = 128;
    /// One pair, serialised.
    pub(crate) const PAIRS: u32 = 256;
    /// The path of a property.
    pub(crate) const PATH: u32 = 384;
    /// Results: two words, and a number.
    pub(crate) const DATA: u32 = 512;
    pub(crate) const SIZE: u32 = 520;
    pub(crate) const NUMBER: u32 = 528;
    /// A vector for `fd_write`: one piece of 16 bytes.
    pub(crate) const VECTOR: u32 = 544;
}
pub(crate) use place::NUMBER;
use place::{DATA, KEY, PAIRS, PATH, SIZE, VALUE, VECTOR};

/// Where the guest's allocator always is, with room for 1 KiB.
pub(crate) const HEAP: u32 = 2048;

/// The guest's memory at first.
pub(crate) const MEMORY: &[(u32, &[u8])] = &[
    (KEY, KEY_BYTES),
    (VALUE, b"0123456789abcdef"),
    (
        PAIRS,
        b"\x01\0\0\0\x10\0\0\0\x10\0\0\0x-price-header--\x000123456789abcdef\0",
    ),
    (PATH, b"request\0x-price"),
    (VECTOR, &[128, 0, 0, 0, 16, 0, 0, 0]),
];

/// What lies at the key's place.
pub(crate) const KEY_BYTES: &[u8] = b"x-price-header--";

const PAIRS_LEN: u32 = 46;
const PATH_LEN: u32 = 15;

/// An argument.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arg {
    /// A number, or a size.
    Number(u32),
    /// A place in the guest's memory.
    Place(u32),
    /// A number of 64 bits.
    Long(u64),
    /// The context that was called.
    Context,
    /// The number at [`NUMBER`], which an earlier call left there.
    Loaded,
}

/// A call of a host function, and the status that it must return.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) args: &'static [Arg],
    pub(crate) status: u32,
}

/// What is priced together: one host function, or two that undo each other. `xtask::bench::prices` says what each is.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Called once before.
    pub(crate) setup: &'static [Call],
    /// Called in a loop.
    pub(crate) calls: &'static [Call],
}

macro_rules! arg {
    (place $place:ident) => {
        Arg::Place($place)
    };
    (context) => {
        Arg::Context
    };
    (loaded) => {
        Arg::Loaded
    };
    (long $number:literal) => {
        Arg::Long($number)
    };
    ($number:expr) => {
        Arg::Number($number)
    };
}

macro_rules! calls {
    ($($name:ident($([$($arg:tt)+])*) = $status:literal)*) => {
        &[$(Call {
            name: stringify!($name),
            args: &[$(arg!($($arg)+)),*],
            status: $status,
        }),*]
    };
}

macro_rules! rows {
    ($({ $($setup:tt)* } { $($calls:tt)* })*) => {
        /// Everything that is priced.
        pub const ROWS: &[Row] = &[$(Row {
            setup: calls!($($setup)*),
            calls: calls!($($calls)*),
        }),*];
    };
}

rows! {
    {} { proxy_log([1] [place VALUE] [16]) = 0 }
    {} { proxy_get_log_level([place NUMBER]) = 0 }
    {} { proxy_get_current_time_nanoseconds([place NUMBER]) = 0 }
    {} { proxy_set_tick_period_milliseconds([1000]) = 0 }
    {} { proxy_set_effective_context([context]) = 0 }
    {} {
        proxy_get_buffer_bytes([0] [0] [1024] [place DATA] [place SIZE]) = 0
    }
    {} { proxy_get_buffer_status([0] [place DATA] [place SIZE]) = 0 }
    {} { proxy_set_buffer_bytes([0] [0] [1024] [place VALUE] [1024]) = 0 }
    {} { proxy_get_header_map_size([0] [place SIZE]) = 0 }
    {} { proxy_get_header_map_pairs([0] [place DATA] [place SIZE]) = 0 }
    {} { proxy_set_header_map_pairs([0] [place PAIRS] [PAIRS_LEN]) = 0 }
    {
        proxy_replace_header_map_value([0] [place KEY] [16] [place VALUE] [16]) = 0
    } {
        proxy_get_header_map_value([0] [place KEY] [16] [place DATA] [place SIZE]) = 0
    }
    {} {
        proxy_add_header_map_value([0] [place KEY] [16] [place VALUE] [16]) = 0
        proxy_remove_header_map_value([0] [place KEY] [16]) = 0
    }
    {} {
        proxy_replace_header_map_value([0] [place KEY] [16] [place VALUE] [16]) = 0
    }
    {} { proxy_continue_stream([0]) = 0 }
    {} { proxy_close_stream([0]) = 0 }
    {} {
        proxy_send_local_response([200] [place VALUE] [16] [place VALUE] [16] [place PAIRS] [PAIRS_LEN] [0]) = 0
    }
    {
        proxy_set_shared_data([place KEY] [16] [place VALUE] [16] [0]) = 0
    } {
        proxy_get_shared_data([place KEY] [16] [place DATA] [place SIZE] [place NUMBER]) = 0
    }
    {} { proxy_set_shared_data([place KEY] [16] [place VALUE] [16] [0]) = 0 }
    {} {
        proxy_register_shared_queue([place KEY] [16] [place NUMBER]) = 0
    }
    {
        proxy_register_shared_queue([place KEY] [16] [place NUMBER]) = 0
    } {
        proxy_resolve_shared_queue([place VALUE] [0] [place KEY] [16] [place NUMBER]) = 0
    }
    {
        proxy_register_shared_queue([place KEY] [16] [place NUMBER]) = 0
    } {
        proxy_enqueue_shared_queue([loaded] [place VALUE] [16]) = 0
        proxy_dequeue_shared_queue([loaded] [place DATA] [place SIZE]) = 0
    }
    {} { proxy_define_metric([0] [place KEY] [16] [place NUMBER]) = 0 }
    { proxy_define_metric([0] [place KEY] [16] [place NUMBER]) = 0 } {
        proxy_increment_metric([loaded] [long 1]) = 0
    }
    { proxy_define_metric([1] [place KEY] [15] [place NUMBER]) = 0 } {
        proxy_record_metric([loaded] [long 1]) = 0
    }
    { proxy_define_metric([0] [place KEY] [16] [place NUMBER]) = 0 } {
        proxy_get_metric([loaded] [place DATA]) = 0
    }
    {} {
        proxy_get_property([place PATH] [PATH_LEN] [place DATA] [place SIZE]) = 0
    }
    {} { proxy_set_property([place PATH] [PATH_LEN] [place VALUE] [16]) = 0 }
    {} {
        proxy_call_foreign_function([place KEY] [16] [place VALUE] [16] [place DATA] [place SIZE]) = 0
    }
    {} { clock_time_get([0] [long 0] [place NUMBER]) = 0 }
    {} { random_get([place DATA] [16]) = 0 }
    {} { environ_sizes_get([place DATA] [place SIZE]) = 0 }
    {} { environ_get([place DATA] [place SIZE]) = 0 }
    {} {
        fd_write([1] [place VECTOR] [1] [place NUMBER]) = 0
    }
}

impl Row {
    /// The name of the first of the functions.
    pub fn id(&self) -> &'static str {
        self.calls.first().map_or("", |call| call.name)
    }

    /// Whether a native plugin has it: what is WASI, it asks the system for.
    pub fn native(&self) -> bool {
        self.calls.iter().all(|call| call.name.starts_with("proxy_"))
    }
}
