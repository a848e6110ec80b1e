//! wasmer, with Cranelift.

use wasmer::sys::{Cranelift, EngineBuilder};
use wasmer::{
    Function, FunctionEnv, FunctionEnvMut, Instance, Memory, Module, Store, TypedFunction, imports,
};

use crate::bare::Bare;
use crate::guests;

/// The guest passed what it must not.
#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

struct State {
    memory: Option<Memory>,
    calls: u64,
    buffer: [u8; 64],
}

/// The guest.
pub struct Guest {
    store: Store,
    on_log: TypedFunction<u32, ()>,
    calls: TypedFunction<(u32, u32), u32>,
    copies: TypedFunction<(u32, u32), u32>,
}

impl Guest {
    /// Compiles, links and instantiates it.
    ///
    /// # Panics
    /// When the machine can't run it.
    #[expect(clippy::new_without_default, reason = "making one is expensive and can fail")]
    pub fn new() -> Guest {
        let mut store = Store::new(EngineBuilder::new(Cranelift::default()).engine());
        let module = Module::new(&store, guests::calls()).expect("a valid module");
        let env = FunctionEnv::new(
            &mut store,
            State {
                memory: None,
                calls: 0,
                buffer: [0; 64],
            },
        );
        let nothing = Function::new_typed_with_env(
            &mut store,
            &env,
            |mut env: FunctionEnvMut<'_, State>, context: u32| -> Result<u32, Refused> {
                if context == 0 {
                    return Err(Refused);
                }
                env.data_mut().calls += u64::from(context);
                Ok(0)
            },
        );
        let copy = Function::new_typed_with_env(
            &mut store,
            &env,
            |mut env: FunctionEnvMut<'_, State>, from: u32, from_len: u32, to: u32, to_len: u32| -> u32 {
                let (state, store) = env.data_and_store_mut();
                let Some(memory) = &state.memory else {
                    return 1;
                };
                let view = memory.view(&store);
                if from_len != 64 || view.read(from.into(), &mut state.buffer).is_err() {
                    return 1;
                }
                if to_len != 64 || view.write(to.into(), &state.buffer).is_err() {
                    return 1;
                }
                0
            },
        );
        let imports = imports! {
            "env" => { "proxy_set_effective_context" => nothing, "proxy_set_property" => copy }
        };
        let instance = Instance::new(&mut store, &module, &imports).expect("instantiated");
        let exports = &instance.exports;
        env.as_mut(&mut store).memory = exports.get_memory("memory").ok().cloned();
        Guest {
            on_log: exports
                .get_typed_function(&store, "proxy_on_log")
                .expect("exported"),
            calls: exports
                .get_typed_function(&store, "proxy_on_request_trailers")
                .expect("exported"),
            copies: exports
                .get_typed_function(&store, "proxy_on_response_trailers")
                .expect("exported"),
            store,
        }
    }
}

impl Bare for Guest {
    fn callback(&mut self) {
        self.on_log.call(&mut self.store, 1).expect("no trap");
    }

    fn host_calls(&mut self, n: u32) {
        self.calls.call(&mut self.store, 1, n).expect("no trap");
    }

    fn copies(&mut self, n: u32) {
        self.copies.call(&mut self.store, 1, n).expect("no trap");
    }
}
