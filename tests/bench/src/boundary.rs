//! The guest [`CALLS`](crate::guests::CALLS) through the engine boundary, with a host that does as little as the
//! bare one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use enginebay::engine::{
    Export, ExportId, Host, HostError, HostFunction, Instance, LoadRequest, Signature, ValType,
};

use crate::bare::Bare;
use crate::guests;

const I32: ValType = ValType::I32;

const IMPORTS: &[HostFunction] = &[
    HostFunction {
        module: "env",
        name: "proxy_set_effective_context",
        signature: Signature::new(&[I32], Some(I32)),
    },
    HostFunction {
        module: "env",
        name: "proxy_set_property",
        signature: Signature::new(&[I32, I32, I32, I32], Some(I32)),
    },
];

const EXPORTS: &[Export] = &[
    Export {
        name: "proxy_on_log",
        signature: Signature::new(&[I32], None),
    },
    Export {
        name: "proxy_on_request_trailers",
        signature: Signature::new(&[I32, I32], Some(I32)),
    },
    Export {
        name: "proxy_on_response_trailers",
        signature: Signature::new(&[I32, I32], Some(I32)),
    },
];

struct Counter {
    calls: Cell<u64>,
    buffer: RefCell<[u8; 64]>,
}

impl Host for Counter {
    fn call(
        &self,
        function: usize,
        guest: &mut dyn enginebay::engine::Guest,
        args: &[u64],
    ) -> Result<u64, HostError> {
        match (function, args) {
            (0, [context]) => {
                self.calls.set(self.calls.get() + context);
                Ok(0)
            }
            (1, &[from, from_len, to, to_len]) => {
                let mut memory = guest.memory();
                let mut buffer = self.buffer.borrow_mut();
                buffer.copy_from_slice(memory.read(from, from_len).map_err(HostError::other)?);
                memory
                    .write(to, to_len)
                    .map_err(HostError::other)?
                    .copy_from_slice(&*buffer);
                Ok(0)
            }
            _ => Err(HostError::other("no such function")),
        }
    }
}

/// The guest.
pub struct Guest(Box<dyn Instance>);

impl Guest {
    /// Loads it on the runtime of this name.
    ///
    /// # Panics
    /// When the machine can't run it.
    pub fn new(runtime: &str) -> Guest {
        let engine = crate::stream::engine(runtime);
        let module = engine
            .load(&LoadRequest::new(&guests::calls_for(&*engine), IMPORTS, EXPORTS))
            .expect("a valid module");
        let host = Counter {
            calls: Cell::new(0),
            buffer: RefCell::new([0; 64]),
        };
        Guest(module.instantiate(Rc::new(host)).expect("instantiated"))
    }
}

impl Bare for Guest {
    fn callback(&mut self) {
        self.0.call(ExportId(0), &[1]).expect("no trap");
    }

    fn host_calls(&mut self, n: u32) {
        self.0.call(ExportId(1), &[1, u64::from(n)]).expect("no trap");
    }

    fn copies(&mut self, n: u32) {
        self.0.call(ExportId(2), &[1, u64::from(n)]).expect("no trap");
    }
}
