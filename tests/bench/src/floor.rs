//! A host written by hand, on bare wasmtime, for the stream guests alone: what a stream costs when there is
//! nothing general about the host.
//!
//! It has no failure handling, no configuration, no contexts: one stream at a time, its headers in a flat arena.

use wasmtime::{Caller, InstancePre, Linker, Memory, Module, Store, TypedFunc};

use crate::arena::Arena;
use crate::bare::wasmtime::engine;
use crate::guests::{self, BODY};

#[derive(Default)]
struct State {
    memory: Option<Memory>,
    allocate: Option<TypedFunc<u32, u32>>,
    request: Arena,
    response: Arena,
    /// What the plugin made of the body.
    replaced: Vec<u8>,
}

impl State {
    fn map(&mut self, map: u32) -> &mut Arena {
        match map {
            2 => &mut self.response,
            _ => &mut self.request,
        }
    }
}

/// The host.
pub struct Floor {
    store: Store<State>,
    create: TypedFunc<(u32, u32), ()>,
    request: TypedFunc<(u32, u32, u32), u32>,
    body: Option<TypedFunc<(u32, u32, u32), u32>>,
    response: TypedFunc<(u32, u32, u32), u32>,
    log: TypedFunc<u32, ()>,
    done: TypedFunc<u32, u32>,
    delete: TypedFunc<u32, ()>,
    next: u32,
}

/// Takes the guest's allocator out of the state for a call, and puts it back: it can't be lent while the guest runs.
fn allocate(caller: &mut Caller<'_, State>, len: usize) -> u32 {
    let Some(function) = caller.data_mut().allocate.take() else {
        return 0;
    };
    let address = function.call(&mut *caller, len as u32).expect("no trap");
    caller.data_mut().allocate = Some(function);
    address
}

fn memory(caller: &Caller<'_, State>) -> Memory {
    caller.data().memory.expect("there is a memory")
}

fn give(bytes: &mut [u8], return_data: u32, return_size: u32, address: u32, len: usize) {
    bytes[return_data as usize..][..4].copy_from_slice(&address.to_le_bytes());
    bytes[return_size as usize..][..4].copy_from_slice(&(len as u32).to_le_bytes());
}

impl Floor {
    /// Loads a stream guest.
    ///
    /// # Panics
    /// When the machine can't run it.
    pub fn new(code: &[u8]) -> Floor {
        let engine = engine();
        let module = Module::new(&engine, code).expect("a valid module");
        let mut linker: Linker<State> = Linker::new(&engine);
        linker.allow_shadowing(true);
        linker.define_unknown_imports_as_traps(&module).expect("linked");
        linker
            .func_wrap(
                "env",
                "proxy_get_header_map_pairs",
                |mut caller: Caller<'_, State>, map: u32, data: u32, size: u32| -> u32 {
                    let len = caller.data_mut().map(map).encoded_len();
                    let address = allocate(&mut caller, len);
                    let (bytes, state) = memory(&caller).data_and_store_mut(&mut caller);
                    state.map(map).encode_into(&mut bytes[address as usize..][..len]);
                    give(bytes, data, size, address, len);
                    0
                },
            )
            .expect("linked");
        linker
            .func_wrap(
                "env",
                "proxy_get_header_map_value",
                |mut caller: Caller<'_, State>,
                 map: u32,
                 key: u32,
                 key_len: u32,
                 data: u32,
                 size: u32|
                 -> u32 {
                    let (bytes, state) = memory(&caller).data_and_store_mut(&mut caller);
                    let Some(value) = state.map(map).get(&bytes[key as usize..][..key_len as usize]) else {
                        return 1;
                    };
                    let address = allocate(&mut caller, value.len());
                    let (bytes, state) = memory(&caller).data_and_store_mut(&mut caller);
                    bytes[address as usize..][..value.len()]
                        .copy_from_slice(&state.map(map).bytes[value.clone()]);
                    give(bytes, data, size, address, value.len());
                    0
                },
            )
            .expect("linked");
        linker
            .func_wrap(
                "env",
                "proxy_add_header_map_value",
                |mut caller: Caller<'_, State>,
                 map: u32,
                 key: u32,
                 key_len: u32,
                 value: u32,
                 len: u32|
                 -> u32 {
                    let (bytes, state) = memory(&caller).data_and_store_mut(&mut caller);
                    let name = &bytes[key as usize..][..key_len as usize];
                    let value = &bytes[value as usize..][..len as usize];
                    state.map(map).add(name, value);
                    0
                },
            )
            .expect("linked");
        linker
            .func_wrap(
                "env",
                "proxy_remove_header_map_value",
                |mut caller: Caller<'_, State>, map: u32, key: u32, key_len: u32| -> u32 {
                    let (bytes, state) = memory(&caller).data_and_store_mut(&mut caller);
                    state.map(map).remove(&bytes[key as usize..][..key_len as usize]);
                    0
                },
            )
            .expect("linked");
        linker
            .func_wrap(
                "env",
                "proxy_get_buffer_bytes",
                |mut caller: Caller<'_, State>,
                 _buffer: u32,
                 start: u32,
                 len: u32,
                 data: u32,
                 size: u32|
                 -> u32 {
                    let part = &BODY[start as usize..][..len as usize];
                    let address = allocate(&mut caller, part.len());
                    let bytes = memory(&caller).data_mut(&mut caller);
                    bytes[address as usize..][..part.len()].copy_from_slice(part);
                    give(bytes, data, size, address, part.len());
                    0
                },
            )
            .expect("linked");
        linker
            .func_wrap(
                "env",
                "proxy_set_buffer_bytes",
                |mut caller: Caller<'_, State>,
                 _buffer: u32,
                 _start: u32,
                 _len: u32,
                 data: u32,
                 size: u32|
                 -> u32 {
                    let (bytes, state) = memory(&caller).data_and_store_mut(&mut caller);
                    state.replaced.clear();
                    state
                        .replaced
                        .extend_from_slice(&bytes[data as usize..][..size as usize]);
                    0
                },
            )
            .expect("linked");
        linker
            .func_wrap(
                "wasi_snapshot_preview1",
                "environ_sizes_get",
                |mut caller: Caller<'_, State>, count: u32, size: u32| -> u32 {
                    let Some(memory) = caller
                        .get_export("memory")
                        .and_then(|export| export.into_memory())
                    else {
                        return 21;
                    };
                    let bytes = memory.data_mut(&mut caller);
                    bytes[count as usize..][..4].fill(0);
                    bytes[size as usize..][..4].fill(0);
                    0
                },
            )
            .expect("linked");
        let pre: InstancePre<State> = linker.instantiate_pre(&module).expect("linked");
        let mut store = Store::new(&engine, State::default());
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = pre.instantiate(&mut store).expect("instantiated");
        store.data_mut().memory = instance.get_memory(&mut store, "memory");
        store.data_mut().allocate = instance
            .get_typed_func(&mut store, "proxy_on_memory_allocate")
            .ok();
        let initialize: TypedFunc<(), ()> = instance
            .get_typed_func(&mut store, "_initialize")
            .expect("exported");
        initialize.call(&mut store, ()).expect("no trap");
        let create = instance
            .get_typed_func(&mut store, "proxy_on_context_create")
            .expect("exported");
        let mut floor = Floor {
            create,
            request: instance
                .get_typed_func(&mut store, "proxy_on_request_headers")
                .expect("exported"),
            body: instance.get_typed_func(&mut store, "proxy_on_request_body").ok(),
            response: instance
                .get_typed_func(&mut store, "proxy_on_response_headers")
                .expect("exported"),
            log: instance
                .get_typed_func(&mut store, "proxy_on_log")
                .expect("exported"),
            done: instance
                .get_typed_func(&mut store, "proxy_on_done")
                .expect("exported"),
            delete: instance
                .get_typed_func(&mut store, "proxy_on_delete")
                .expect("exported"),
            store,
            next: 2,
        };
        floor.create.call(&mut floor.store, (1, 0)).expect("no trap");
        floor
    }

    /// One stream from beginning to end, with headers copied in, and with so many bytes of a body. Returns how many headers
    /// came out.
    ///
    /// # Panics
    /// When the guest traps.
    pub fn run(&mut self, body: usize) -> usize {
        let id = self.next;
        self.next += 1;
        let store = &mut self.store;
        store.data_mut().request.fill(guests::REQUEST);
        self.create.call(&mut *store, (id, 1)).expect("no trap");
        let (headers, end) = (guests::REQUEST.len() as u32, u32::from(body == 0));
        self.request
            .call(&mut *store, (id, headers, end))
            .expect("no trap");
        if let Some(function) = self.body.as_ref().filter(|_| body > 0) {
            function.call(&mut *store, (id, body as u32, 1)).expect("no trap");
            assert_eq!(store.data().replaced.len(), body, "the guest did its work");
        }
        store.data_mut().response.fill(guests::RESPONSE);
        let headers = guests::RESPONSE.len() as u32;
        self.response
            .call(&mut *store, (id, headers, 1))
            .expect("no trap");
        self.log.call(&mut *store, id).expect("no trap");
        self.done.call(&mut *store, id).expect("no trap");
        self.delete.call(&mut *store, id).expect("no trap");
        store.data().request.len() + store.data().response.len()
    }
}
