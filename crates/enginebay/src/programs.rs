//! Programs that are in use, so that the same code is compiled once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use enginebay_engine::Engine;
use enginebay_host::{Failure, LoadOptions, Program};
use sha2::{Digest, Sha256};

/// The programs of a process. Those that nobody uses any more go.
#[derive(Default)]
pub(crate) struct Programs(Mutex<HashMap<Key, Weak<Program>>>);

/// What makes a program another one.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    /// Where the engine is; the engines of a process stay.
    engine: usize,
    code: [u8; 32],
    options: LoadOptions,
}

impl Programs {
    /// The program of this code, compiled unless it is in use already.
    pub(crate) fn load(
        &self,
        engine: &Arc<dyn Engine>,
        code: &[u8],
        options: LoadOptions,
    ) -> Result<Arc<Program>, Failure> {
        let key = Key {
            engine: Arc::as_ptr(engine).cast::<()>().expose_provenance(),
            code: Sha256::digest(code).into(),
            options: options.clone(),
        };
        if let Some(program) = self.lock().get(&key).and_then(Weak::upgrade) {
            return Ok(program);
        }
        // Without the lock: what takes long must not hold up others.
        let program = Arc::new(Program::load_with(&**engine, code, options)?);
        let mut programs = self.lock();
        programs.retain(|_, program| program.strong_count() > 0);
        // Somebody else may have been quicker.
        if let Some(other) = programs.get(&key).and_then(Weak::upgrade) {
            return Ok(other);
        }
        programs.insert(key, Arc::downgrade(&program));
        Ok(program)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Weak<Program>>> {
        // Nothing is left half done under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
