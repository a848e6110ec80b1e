//! wasmi.

use wasmi::{Caller, Config, Engine, Linker, Memory, Module, Store, TypedFunc};

use crate::bare::Bare;
use crate::guests;

struct State {
    memory: Option<Memory>,
    calls: u64,
    buffer: [u8; 64],
}

/// The guest.
pub struct Guest {
    store: Store<State>,
    on_log: TypedFunc<u32, ()>,
    calls: TypedFunc<(u32, u32), u32>,
    copies: TypedFunc<(u32, u32), u32>,
}

impl Guest {
    /// Compiles, links and instantiates it.
    ///
    /// # Panics
    /// When the machine can't run it.
    #[expect(clippy::new_without_default, reason = "making one is expensive and can fail")]
    pub fn new() -> Guest {
        let mut config = Config::default();
        config.consume_fuel(true);
        let engine = Engine::new(&config);
        let module = Module::new(&engine, guests::calls()).expect("a valid module");
        let mut linker: Linker<State> = Linker::new(&engine);
        linker
            .func_wrap(
                "env",
                "proxy_set_effective_context",
                |mut caller: Caller<'_, State>, context: u32| -> Result<u32, wasmi::Error> {
                    if context == 0 {
                        return Err(wasmi::Error::new("refused"));
                    }
                    caller.data_mut().calls += u64::from(context);
                    Ok(0)
                },
            )
            .expect("linked once");
        linker
            .func_wrap(
                "env",
                "proxy_set_property",
                |mut caller: Caller<'_, State>, from: u32, from_len: u32, to: u32, to_len: u32| -> u32 {
                    let Some(memory) = caller.data().memory else {
                        return 1;
                    };
                    let (bytes, state) = memory.data_and_store_mut(&mut caller);
                    let Some(source) = bytes.get(from as usize..from as usize + from_len as usize) else {
                        return 1;
                    };
                    state.buffer.copy_from_slice(source);
                    let Some(target) = bytes.get_mut(to as usize..to as usize + to_len as usize) else {
                        return 1;
                    };
                    target.copy_from_slice(&state.buffer);
                    0
                },
            )
            .expect("linked once");
        let mut store = Store::new(
            &engine,
            State {
                memory: None,
                calls: 0,
                buffer: [0; 64],
            },
        );
        store.set_fuel(u64::MAX).expect("fuel is on");
        let instance = linker
            .instantiate_and_start(&mut store, &module)
            .expect("instantiated");
        store.data_mut().memory = instance.get_memory(&store, "memory");
        let calls = instance
            .get_typed_func(&store, "proxy_on_request_trailers")
            .expect("exported");
        let copies = instance
            .get_typed_func(&store, "proxy_on_response_trailers")
            .expect("exported");
        let on_log = instance.get_typed_func(&store, "proxy_on_log").expect("exported");
        Guest {
            store,
            on_log,
            calls,
            copies,
        }
    }
}

impl Bare for Guest {
    fn callback(&mut self) {
        self.on_log.call(&mut self.store, 1).expect("no trap");
    }

    fn host_calls(&mut self, n: u32) {
        self.calls.call(&mut self.store, (1, n)).expect("no trap");
    }

    fn copies(&mut self, n: u32) {
        self.copies.call(&mut self.store, (1, n)).expect("no trap");
    }
}
