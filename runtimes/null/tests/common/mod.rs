//! A host with as much of Proxy-Wasm as the tests need.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use enginebay_engine::{
    Engine, EngineOptions, Error, Export, ExportId, Guest, Host, HostError, HostFunction, Instance,
    LoadRequest, Module, Signature, Trap, ValType,
};
use enginebay_runtime_null::RUNTIME;

const I: ValType = ValType::I32;

const fn function(name: &'static str, params: &'static [ValType]) -> HostFunction {
    HostFunction {
        module: "env",
        name,
        signature: Signature::new(params, Some(I)),
    }
}

const IMPORTS: &[HostFunction] = &[
    function("proxy_add_header_map_value", &[I, I, I, I, I]),
    function("proxy_get_header_map_value", &[I, I, I, I, I]),
    function("proxy_get_header_map_pairs", &[I, I, I]),
    function("proxy_log", &[I, I, I]),
    function("proxy_get_buffer_bytes", &[I, I, I, I, I]),
    function("proxy_set_tick_period_milliseconds", &[I]),
    function("proxy_done", &[]),
    function("proxy_close_stream", &[I]),
    function("proxy_increment_metric", &[I, ValType::I64]),
];

macro_rules! exports {
    ($($id:ident = $name:literal ($($param:ident),*) $(-> $result:ident)?;)+) => {
        #[derive(Clone, Copy)]
        #[repr(u16)]
        pub(crate) enum Ex { $($id,)+ }

        const EXPORTS: &[Export] = &[$(
            Export {
                name: $name,
                signature: Signature::new(&[$($param),*], exports!(@ $($result)?)),
            },
        )+];
    };
    (@) => { None };
    (@ $result:ident) => { Some($result) };
}

exports! {
    Initialize = "_initialize" ();
    Allocate = "proxy_on_memory_allocate" (I) -> I;
    Create = "proxy_on_context_create" (I, I);
    VmStart = "proxy_on_vm_start" (I, I) -> I;
    Configure = "proxy_on_configure" (I, I) -> I;
    Tick = "proxy_on_tick" (I);
    RequestHeaders = "proxy_on_request_headers" (I, I, I) -> I;
    RequestBody = "proxy_on_request_body" (I, I, I) -> I;
    ResponseHeaders = "proxy_on_response_headers" (I, I, I) -> I;
    ResponseBody = "proxy_on_response_body" (I, I, I) -> I;
    Done = "proxy_on_done" (I) -> I;
    Log = "proxy_on_log" (I);
    Delete = "proxy_on_delete" (I);
    Unknown = "proxy_on_nothing" ();
}

/// What the plugin did, and what the host has for it.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) logs: Vec<(u64, String)>,
    pub(crate) metrics: Vec<i64>,
    pub(crate) ticks: Vec<u64>,
}

#[derive(Default, Clone)]
pub(crate) struct FakeHost(pub(crate) Rc<RefCell<World>>);

fn text(guest: &mut dyn Guest, ptr: u64, len: u64) -> String {
    String::from_utf8_lossy(guest.memory().read(ptr, len).unwrap()).into_owned()
}

/// Gives bytes through the guest's allocator.
fn give(guest: &mut dyn Guest, bytes: &[u8], data: u64, size: u64) -> Result<u64, HostError> {
    let ptr = guest.call(ExportId(Ex::Allocate as u16), &[bytes.len() as u64])?;
    let mut memory = guest.memory();
    memory
        .write(ptr, bytes.len() as u64)
        .unwrap()
        .copy_from_slice(bytes);
    memory.write_word(data, ptr).unwrap();
    memory.write_word(size, bytes.len() as u64).unwrap();
    Ok(0)
}

impl Host for FakeHost {
    fn call(&self, function: usize, guest: &mut dyn Guest, args: &[u64]) -> Result<u64, HostError> {
        match IMPORTS[function].name {
            "proxy_log" => {
                let message = text(guest, args[1], args[2]);
                if message == "panic in the host" {
                    panic!("the host panics");
                }
                if message == "call me back" {
                    let nested = guest.call(ExportId(Ex::Allocate as u16), &[7777])?;
                    assert_ne!(nested, 0);
                }
                if message == "exit" {
                    return Err(HostError::exit(3));
                }
                if message == "recurse" {
                    guest.call(ExportId(Ex::Tick as u16), &[1])?;
                }
                self.0.borrow_mut().logs.push((args[0], message));
                Ok(0)
            }
            "proxy_add_header_map_value" => {
                let pair = (text(guest, args[1], args[2]), text(guest, args[3], args[4]));
                self.0.borrow_mut().headers.push(pair);
                Ok(0)
            }
            "proxy_get_header_map_value" => {
                let name = text(guest, args[1], args[2]);
                let value = self
                    .0
                    .borrow()
                    .headers
                    .iter()
                    .find(|h| h.0 == name)
                    .map(|h| h.1.clone());
                match value {
                    Some(value) => give(guest, value.as_bytes(), args[3], args[4]),
                    None => Ok(1),
                }
            }
            "proxy_get_header_map_pairs" => {
                let mut bytes = Vec::new();
                let headers = self.0.borrow().headers.clone();
                bytes.extend((headers.len() as u32).to_le_bytes());
                for (name, value) in &headers {
                    bytes.extend((name.len() as u32).to_le_bytes());
                    bytes.extend((value.len() as u32).to_le_bytes());
                }
                for (name, value) in &headers {
                    bytes.extend(format!("{name}\0{value}\0").bytes());
                }
                give(guest, &bytes, args[1], args[2])
            }
            "proxy_get_buffer_bytes" => {
                let body = self.0.borrow().body.clone();
                let start = (args[1] as usize).min(body.len());
                let end = start.saturating_add(args[2] as usize).min(body.len());
                give(guest, &body[start..end], args[3], args[4])
            }
            "proxy_increment_metric" => {
                self.0.borrow_mut().metrics.push(args[1] as i64);
                Ok(0)
            }
            "proxy_set_tick_period_milliseconds" => {
                self.0.borrow_mut().ticks.push(args[0]);
                Ok(0)
            }
            // A status that the SDK's enum doesn't have.
            "proxy_close_stream" => Ok(12),
            _ => Ok(0),
        }
    }
}

pub(crate) fn engine() -> Arc<dyn Engine> {
    RUNTIME.create(&EngineOptions::default()).unwrap()
}

pub(crate) fn load(name: &str) -> Result<Arc<dyn Module>, Error> {
    engine().load(&LoadRequest::new(name.as_bytes(), IMPORTS, EXPORTS))
}

/// An instance with the host it calls.
pub(crate) struct Vm {
    pub(crate) instance: Box<dyn Instance>,
    pub(crate) host: FakeHost,
}

impl Vm {
    /// Loads and initialises; makes no context.
    pub(crate) fn new(name: &str) -> Vm {
        Vm::of(&*load(name).unwrap())
    }

    pub(crate) fn of(module: &dyn Module) -> Vm {
        let mut vm = Vm::uninitialised(module);
        if module.has_export(ExportId(Ex::Initialize as u16)) {
            vm.call(Ex::Initialize, &[]).unwrap();
        }
        vm
    }

    pub(crate) fn uninitialised(module: &dyn Module) -> Vm {
        let host = FakeHost::default();
        let instance = module.instantiate(Rc::new(host.clone())).unwrap();
        Vm { instance, host }
    }

    /// With the root context `root`.
    pub(crate) fn started(name: &str, root: u64) -> Vm {
        let mut vm = Vm::new(name);
        vm.call(Ex::Create, &[root, 0]).unwrap();
        vm
    }

    pub(crate) fn call(&mut self, export: Ex, args: &[u64]) -> Result<u64, Trap> {
        self.instance.call(ExportId(export as u16), args)
    }

    pub(crate) fn logs(&self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.host.0.borrow_mut().logs)
    }

    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.host.0.borrow_mut().headers)
    }
}
