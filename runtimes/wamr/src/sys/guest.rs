//! The two ways to a guest: its owner's, and that of a host function it calls.

use std::marker::PhantomData;
use std::rc::Rc;

use enginebay_engine::invoke;
use wamrx_sys as c;

use super::module::Definition;
use crate::export::Cells;
use crate::instance::Core;

/// An instance, owned. Its host functions find it through its stack's user data.
pub(crate) struct Owner(Rc<Core>);

impl Owner {
    pub(crate) fn new(core: Core) -> Owner {
        let core = Rc::new(core);
        // SAFETY: the environment is the core's own, and so goes before the core does. The core stays where it is: it is
        // in an `Rc` that nobody else gets.
        unsafe {
            c::wasm_runtime_set_user_data(core.raw.env.0.as_ptr(), Rc::as_ptr(&core).cast_mut().cast());
        }
        Owner(core)
    }

    #[inline]
    pub(crate) fn access(&mut self) -> Access<'_> {
        Access {
            core: &self.0,
            _unique: PhantomData,
        }
    }
}

/// The right to run a guest and to touch its memory. At any time one such value can be used: an owner's is borrowed
/// while the guest runs, and a host function's lives while its guest waits for it.
pub(crate) struct Access<'a> {
    core: &'a Core,
    _unique: PhantomData<&'a mut [u8]>,
}

impl<'a> Access<'a> {
    #[inline]
    pub(crate) fn core(&self) -> &'a Core {
        self.core
    }

    #[inline]
    pub(crate) fn reborrow(&mut self) -> Access<'_> {
        Access {
            core: self.core,
            _unique: PhantomData,
        }
    }

    /// The memory that the guest exports.
    #[inline]
    pub(crate) fn into_memory(self) -> &'a mut [u8] {
        // SAFETY: this is the one value through which the guest can be run or its memory reached, and it is used up; the
        // one it was made from is borrowed for as long as the memory, and so is the instance.
        unsafe { self.core.raw.memory() }
    }

    /// Runs a function of the guest; see [`RawInstance::call`](super::RawInstance::call).
    #[inline]
    pub(crate) fn run(&mut self, function: usize, cells: &mut Cells, count: u32) -> bool {
        // SAFETY: a reference to the memory would borrow this value, which is borrowed mutably here.
        unsafe { self.core.raw.call(function, cells, count) }
    }
}

/// What WAMR calls for every host function.
///
/// # Safety
/// For WAMR only, as a raw native: `args` has a word for each parameter, room for one at least, and takes the result.
pub(super) unsafe extern "C" fn host_call(env: c::wasm_exec_env_t, args: *mut u64) {
    // SAFETY: the environment is one of this crate's, which only runs with its core behind its user data, and
    // keeps no mutable reference to it. The attachment is the definition that the function was registered with, which
    // lives as long as the module.
    let (core, definition) = unsafe {
        (
            c::wasm_runtime_get_user_data(env).cast::<Core>().as_ref(),
            c::wasm_runtime_get_function_attachment(env)
                .cast::<Definition>()
                .as_ref(),
        )
    };
    let (Some(core), Some(definition)) = (core, definition) else {
        return;
    };
    // The guest waits for this function to return, and nobody holds its memory while it runs.
    let mut access = Access {
        core,
        _unique: PhantomData,
    };
    // SAFETY: the import was checked at load to have this many parameters. WAMR has zeroed what they don't fill.
    let words = unsafe { std::slice::from_raw_parts(args, definition.params) };
    match invoke(&*core.host, definition.index, &mut access, words) {
        // SAFETY: there is room for a word, and the arguments are not used any more. Where the function has no result,
        // nobody reads it.
        Ok(word) => unsafe { args.write(word) },
        Err(error) => core.raise(error),
    }
}
