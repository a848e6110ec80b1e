//! The guest as a native plugin: C functions, which call the host functions of a row that is chosen before.

use std::cell::{Cell, UnsafeCell};
use std::mem::transmute;

use enginebay::null::{EntryPoints, NullPlugin};

use super::functions::functions;
use super::rows::{Arg, Call, HEAP, MEMORY, NUMBER, Row};

pub(super) const NAME: &str = "price";

/// As much as the row's guest in WebAssembly uses.
const SIZE: usize = 4096;

thread_local! {
    static ROW: Cell<Option<Row>> = const { Cell::new(None) };
    // Of words, so that what is written there is aligned.
    static BYTES: UnsafeCell<[u64; SIZE / 8]> = const { UnsafeCell::new([0; SIZE / 8]) };
}

fn base() -> *mut u8 {
    BYTES.with(|bytes| bytes.get().cast())
}

/// Says which functions are called on this thread from now on.
pub(super) fn choose(row: &Row) {
    ROW.set(Some(*row));
    for (place, bytes) in MEMORY {
        // SAFETY: all of them are in the first 4 KiB, and nothing else looks at them meanwhile.
        unsafe {
            base()
                .add(*place as usize)
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
    }
}

/// A host function: how many parameters it has, and where it is.
type Function = (usize, *const ());

/// The functions of the host; what is WASI, a native plugin asks the system for.
macro_rules! natives {
    ($($module:tt $name:ident($($arg:ident: $kind:ident),*) |$side:ident| $body:expr;)*) => {
        fn find(name: &str) -> Option<Function> {
            $(natives! { @one name $module $name $($arg)* })*
            None
        }
    };
    (@one $wanted:ident "env" $name:ident $($arg:ident)*) => {
        {
            mod c {
                #[allow(clashing_extern_declarations, reason = "see `call`")]
                unsafe extern "C" {
                    pub(super) fn $name($($arg: usize),*) -> u32;
                }
            }
            if stringify!($name) == $wanted {
                return Some(([$(stringify!($arg)),*].len(), c::$name as *const ()));
            }
        }
    };
    (@one $wanted:ident $module:literal $($rest:ident)*) => {};
}

functions!(natives!);

fn word(arg: Arg, context: u32) -> usize {
    match arg {
        Arg::Number(number) => number as usize,
        Arg::Long(number) => number as usize,
        Arg::Context => context as usize,
        Arg::Place(place) => base() as usize + place as usize,
        // SAFETY: a place in the first 4 KiB, aligned.
        Arg::Loaded => unsafe { base().add(NUMBER as usize).cast::<u32>().read() as usize },
    }
}

/// Calls a host function with words, whatever the sizes of its parameters: on the machines with 64 bits that C functions of
/// plugins are for, each parameter has a register or a place of 8 bytes on the stack, of which the function reads its part.
fn call((count, function): Function, a: [usize; 8]) -> u32 {
    // SAFETY: there is a function with so many parameters, numbers and pointers to memory that lives as long as the thread, as
    // `rows` has them.
    unsafe {
        match count {
            1 => transmute::<*const (), extern "C" fn(usize) -> u32>(function)(a[0]),
            2 => transmute::<*const (), extern "C" fn(usize, usize) -> u32>(function)(a[0], a[1]),
            3 => {
                transmute::<*const (), extern "C" fn(usize, usize, usize) -> u32>(function)(a[0], a[1], a[2])
            }
            4 => transmute::<*const (), extern "C" fn(usize, usize, usize, usize) -> u32>(function)(
                a[0], a[1], a[2], a[3],
            ),
            5 => transmute::<*const (), extern "C" fn(usize, usize, usize, usize, usize) -> u32>(function)(
                a[0], a[1], a[2], a[3], a[4],
            ),
            6 => transmute::<*const (), extern "C" fn(usize, usize, usize, usize, usize, usize) -> u32>(
                function,
            )(a[0], a[1], a[2], a[3], a[4], a[5]),
            8 => transmute::<
                *const (),
                extern "C" fn(usize, usize, usize, usize, usize, usize, usize, usize) -> u32,
            >(function)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]),
            _ => u32::MAX,
        }
    }
}

/// A call with its arguments as words.
type Prepared = (Function, [usize; 8], u32);

fn prepare(of: &[Call], context: u32) -> Option<Vec<Prepared>> {
    let one = |call: &Call| {
        let mut words = [0; 8];
        for (word_of, arg) in words.iter_mut().zip(call.args) {
            *word_of = word(*arg, context);
        }
        Some((find(call.name)?, words, call.status))
    };
    of.iter().map(one).collect()
}

/// Returns whether every status was as it should be.
fn run(prepared: &[Prepared]) -> bool {
    prepared
        .iter()
        .all(|(function, words, status)| call(*function, *words) == *status)
}

extern "C" fn trailers(context: u32, n: usize) -> u32 {
    let row = ROW.get();
    let setup = row.and_then(|row| prepare(row.setup, context));
    assert!(setup.is_some_and(|setup| run(&setup)), "the row can be set up");
    // After the setup, which leaves a number behind.
    let calls = row
        .and_then(|row| prepare(row.calls, context))
        .unwrap_or_default();
    for _ in 0..n {
        assert!(
            run(&calls),
            "every status is as it should be: {}",
            row.map_or("", |row| row.id())
        );
    }
    0
}

extern "C" fn allocate(_: usize) -> *mut u8 {
    // SAFETY: in the first 4 KiB.
    unsafe { base().add(HEAP as usize) }
}

extern "C" fn one(_: u32) {}
extern "C" fn one_result(_: u32) -> u32 {
    0
}
extern "C" fn two(_: u32, _: u32) {}
extern "C" fn two_result(_: u32, _: usize) -> u32 {
    0
}
extern "C" fn headers(_: u32, _: usize, _: bool) -> u32 {
    0
}
extern "C" fn three(_: u32, _: u32, _: usize) {}

// SAFETY: these functions have the types of ABI 0.2.1, and the allocator has room for the 1 KiB that a row is given at most.
const PRICE: NullPlugin = unsafe {
    NullPlugin::table(
        NAME,
        EntryPoints {
            proxy_on_memory_allocate: Some(allocate),
            proxy_on_request_headers: Some(headers),
            proxy_on_request_body: Some(headers),
            proxy_on_request_metadata: Some(two_result),
            proxy_on_request_trailers: Some(trailers),
            proxy_on_response_headers: Some(headers),
            proxy_on_response_body: Some(headers),
            proxy_on_response_trailers: Some(two_result),
            proxy_on_response_metadata: Some(two_result),
            proxy_on_log: Some(one),
            proxy_on_tick: Some(one),
            proxy_on_foreign_function: Some(three),
            proxy_on_new_connection: Some(one_result),
            proxy_on_downstream_data: Some(headers),
            proxy_on_upstream_data: Some(headers),
            proxy_on_downstream_connection_close: Some(two),
            proxy_on_upstream_connection_close: Some(two),
            ..EntryPoints::EMPTY
        },
    )
};

enginebay::null::submit!(PRICE);
