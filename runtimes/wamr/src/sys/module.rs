//! Loaded modules.

use std::ffi::{CString, c_void};
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null};
use std::sync::PoisonError;

use wamrx_sys as c;

use super::guest::host_call;
use super::process::NATIVES;
use super::{MESSAGE_BYTES, message};

/// A host function that a module imports.
pub(crate) struct Import<'a> {
    pub(crate) module: &'a str,
    pub(crate) name: &'a str,
    /// Its number among the functions of the host.
    pub(crate) index: usize,
    /// How many parameters it has.
    pub(crate) params: usize,
}

/// What a host call needs to know of its function. WAMR hands a pointer to it to [`host_call`].
pub(super) struct Definition {
    pub(super) index: usize,
    pub(super) params: usize,
}

/// A module that is loaded and linked.
pub(crate) struct RawModule {
    pub(super) handle: NonNull<c::WASMModuleCommon>,
    /// The module's imports point here.
    _definitions: Vec<Definition>,
    /// The module's names and data point here. Not a box, which must not be moved while others point into it.
    _code: Vec<u8>,
}

// SAFETY: once it is loaded, WAMR only reads a module, until it is unloaded, when nobody else has it. Instances have
// their own copy of everything that changes. Of the features that make WAMR keep more in a module (its debugger, its
// compilers, garbage collection), none is compiled in.
unsafe impl Send for RawModule {}
// SAFETY: as above.
unsafe impl Sync for RawModule {}

impl RawModule {
    /// Loads a valid module and links it with the host functions it imports, of which no two have one name.
    ///
    /// # Errors
    /// WAMR's words.
    pub(crate) fn load(mut code: Vec<u8>, imports: &[Import<'_>]) -> Result<RawModule, String> {
        let definitions: Vec<Definition> = imports
            .iter()
            .map(|import| Definition {
                index: import.index,
                params: import.params,
            })
            .collect();
        let size = u32::try_from(code.len()).map_err(|_| "it is too large".to_owned())?;
        let mut error = [0; MESSAGE_BYTES];

        let _lock = NATIVES.lock().unwrap_or_else(PoisonError::into_inner);
        let natives = Natives::register(imports, &definitions)?;
        // SAFETY: WAMR was set up, since an engine is what modules are loaded with. The code is writable and stays
        // where it is for as long as the module; so do the definitions, which is all the module keeps
        // of the natives. The lock is held.
        let handle = unsafe {
            c::wasm_runtime_load(
                code.as_mut_ptr(),
                size,
                error.as_mut_ptr().cast(),
                MESSAGE_BYTES as u32,
            )
        };
        drop(natives);
        let handle = NonNull::new(handle).ok_or_else(|| message(&error, "WASM module load failed: "))?;
        let module = RawModule {
            handle,
            _definitions: definitions,
            _code: code,
        };
        module.check_imports()?;
        Ok(module)
    }

    /// An import that WAMR did not find would trap when it is called.
    fn check_imports(&self) -> Result<(), String> {
        // SAFETY: the module is loaded.
        let count = unsafe { c::wasm_runtime_get_import_count(self.handle.as_ptr()) };
        for index in 0..count {
            let mut import = MaybeUninit::<c::wasm_import_t>::zeroed();
            // SAFETY: the module is loaded and has this many imports. An import of zero bytes is a value of its type
            // (null pointers, false), and WAMR fills it in.
            let linked = unsafe {
                c::wasm_runtime_get_import_type(self.handle.as_ptr(), index, import.as_mut_ptr());
                import.assume_init().linked
            };
            if !linked {
                return Err(format!("import number {index} was not linked"));
            }
        }
        Ok(())
    }
}

impl Drop for RawModule {
    fn drop(&mut self) {
        // SAFETY: it was loaded and not unloaded yet, and its instances, which hold it, are gone.
        unsafe { c::wasm_runtime_unload(self.handle.as_ptr()) };
    }
}

/// Host functions in WAMR's list of them, to be made while [`NATIVES`] is locked.
///
/// WAMR looks at one node after the other, in each for the name of an import first and then for the name
/// without a leading underscore. So that each import gets its own function, all functions of one module are in
/// one node, and the node is in front of everything that others may have registered.
struct Natives(Vec<(CString, Vec<c::NativeSymbol>, Vec<CString>)>);

impl Natives {
    fn register(imports: &[Import<'_>], definitions: &[Definition]) -> Result<Natives, String> {
        let mut nodes: Vec<(CString, Vec<c::NativeSymbol>, Vec<CString>)> = Vec::new();
        for (import, definition) in imports.iter().zip(definitions) {
            let text = |name: &str| CString::new(name).map_err(|_| "a name has a zero byte".to_owned());
            let (module, name) = (text(import.module)?, text(import.name)?);
            let symbol = c::NativeSymbol {
                symbol: name.as_ptr(),
                func_ptr: host_call as *mut c_void,
                // None: WAMR would turn arguments into pointers.
                signature: null(),
                attachment: std::ptr::from_ref(definition).cast_mut().cast(),
            };
            match nodes.iter_mut().find(|node| node.0 == module) {
                Some(node) => {
                    node.1.push(symbol);
                    node.2.push(name);
                }
                None => nodes.push((module, vec![symbol], vec![name])),
            }
        }
        let mut natives = Natives(Vec::with_capacity(nodes.len()));
        for (module, mut symbols, names) in nodes {
            let count = u32::try_from(symbols.len()).map_err(|_| "too many imports".to_owned())?;
            // SAFETY: WAMR sorts the symbols in place and keeps pointers to them, to the name of the module and to the
            // names in the symbols. They are on the heap, so that they stay where they are when their owners
            // move into `natives`, which takes them off the list before it goes. The lock is held.
            let registered =
                unsafe { c::wasm_runtime_register_natives_raw(module.as_ptr(), symbols.as_mut_ptr(), count) };
            if !registered {
                return Err("there is not enough memory".to_owned());
            }
            natives.0.push((module, symbols, names));
        }
        Ok(natives)
    }
}

impl Drop for Natives {
    fn drop(&mut self) {
        for (module, symbols, _) in &mut self.0 {
            // SAFETY: the pointers are those it was registered with, and valid. The lock is still held.
            unsafe { c::wasm_runtime_unregister_natives(module.as_ptr(), symbols.as_mut_ptr()) };
        }
    }
}
