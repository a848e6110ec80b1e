//! wasmtime.

use wasmtime::{
    Caller, Config, Engine, InstanceAllocationStrategy, Linker, Memory, Module, PoolingAllocationConfig,
    Store, TypedFunc,
};

use crate::bare::Bare;
use crate::guests;

/// The settings of enginebay's own engine.
pub fn engine() -> Engine {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(PoolingAllocationConfig::new()));
    Engine::new(&config).expect("the machine can reserve a pool")
}

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
        let engine = engine();
        let module = Module::new(&engine, guests::calls()).expect("a valid module");
        let mut linker: Linker<State> = Linker::new(&engine);
        linker
            .func_wrap(
                "env",
                "proxy_set_effective_context",
                |mut caller: Caller<'_, State>, context: u32| -> wasmtime::Result<u32> {
                    if context == 0 {
                        return Err(wasmtime::Error::new(Refused));
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
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = linker.instantiate(&mut store, &module).expect("instantiated");
        store.data_mut().memory = instance.get_memory(&mut store, "memory");
        let calls = instance
            .get_typed_func(&mut store, "proxy_on_request_trailers")
            .expect("exported");
        let copies = instance
            .get_typed_func(&mut store, "proxy_on_response_trailers")
            .expect("exported");
        let on_log = instance
            .get_typed_func(&mut store, "proxy_on_log")
            .expect("exported");
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
