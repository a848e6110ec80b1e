//! The bare guest on wasmer.

use wasmer::sys::{Cranelift, EngineBuilder};
use wasmer::{
    Function, FunctionEnv, FunctionEnvMut, Imports, Instance, Memory, Module, Store, TypedFunction,
};

use super::functions::{MOST, Side, functions};
use super::{Row, Shape, guest};

struct State {
    memory: Option<Memory>,
    allocate: Option<TypedFunction<u32, u32>>,
    buffer: [u8; MOST],
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

impl Side for FunctionEnvMut<'_, State> {
    #[inline]
    fn read(&mut self, at: u32, len: u32) -> Option<()> {
        let (state, store) = self.data_and_store_mut();
        let view = state.memory.as_ref()?.view(&store);
        view.read(at.into(), state.buffer.get_mut(..len as usize)?).ok()
    }

    #[inline]
    fn write(&mut self, at: u32, len: u32) -> Option<()> {
        let (state, store) = self.data_and_store_mut();
        let view = state.memory.as_ref()?.view(&store);
        view.write(at.into(), state.buffer.get(..len as usize)?).ok()
    }

    #[inline]
    fn word(&mut self, at: u32, word: u32) -> Option<()> {
        let (state, store) = self.data_and_store_mut();
        let view = state.memory.as_ref()?.view(&store);
        view.write(at.into(), &word.to_le_bytes()).ok()
    }

    #[inline]
    fn allocate(&mut self, len: u32) -> Option<u32> {
        let (state, mut store) = self.data_and_store_mut();
        state.allocate.as_ref()?.call(&mut store, len).ok()
    }
}

macro_rules! link {
    (
        $imports:ident $store:ident $env:ident;
        $($module:literal $name:ident($($arg:ident: $kind:ident),*) |$side:ident| $body:expr;)*
    ) => {
        $(
            let function = Function::new_typed_with_env(
                &mut $store,
                &$env,
                |mut env: FunctionEnvMut<'_, State>, $($arg: $kind),*| -> Result<u32, Refused> {
                    let $side = &mut env;
                    $body.map(|()| 0).ok_or(Refused)
                },
            );
            $imports.define($module, stringify!($name), function);
        )*
    };
}

/// The guest.
pub(super) struct Guest {
    store: Store,
    run: TypedFunction<(u32, u32), u32>,
    one: TypedFunction<u32, ()>,
    one_result: TypedFunction<u32, u32>,
    two: TypedFunction<(u32, u32), ()>,
    two_result: TypedFunction<(u32, u32), u32>,
    three: TypedFunction<(u32, u32, u32), ()>,
    three_result: TypedFunction<(u32, u32, u32), u32>,
}

impl Guest {
    pub(super) fn new(row: &Row) -> Guest {
        let mut store = Store::new(EngineBuilder::new(Cranelift::default()).engine());
        let module = Module::new(&store, guest::module(row)).expect("a valid module");
        let env = FunctionEnv::new(
            &mut store,
            State {
                memory: None,
                allocate: None,
                buffer: [0; MOST],
            },
        );
        let mut imports = Imports::new();
        functions!(link! imports store env;);
        let instance = Instance::new(&mut store, &module, &imports).expect("instantiated");
        let exports = &instance.exports;
        macro_rules! export {
            ($name:expr) => {
                exports.get_typed_function(&store, $name).expect("exported")
            };
        }
        let (memory, allocate) = (
            exports.get_memory("memory").ok().cloned(),
            export!("proxy_on_memory_allocate"),
        );
        let state = env.as_mut(&mut store);
        state.memory = memory;
        state.allocate = Some(allocate);
        Guest {
            run: export!("proxy_on_request_trailers"),
            one: export!(Shape::One.export()),
            one_result: export!(Shape::OneResult.export()),
            two: export!(Shape::Two.export()),
            two_result: export!(Shape::TwoResult.export()),
            three: export!(Shape::Three.export()),
            three_result: export!(Shape::ThreeResult.export()),
            store,
        }
    }
}

impl super::Bare for Guest {
    fn run(&mut self, n: u32) {
        self.run.call(&mut self.store, 2, n).expect("no trap");
    }

    fn callback(&mut self, shape: Shape) {
        let store = &mut self.store;
        match shape {
            Shape::One => self.one.call(store, 1),
            Shape::OneResult => self.one_result.call(store, 1).map(|_| ()),
            Shape::Two => self.two.call(store, 1, 2),
            Shape::TwoResult => self.two_result.call(store, 1, 2).map(|_| ()),
            Shape::Three => self.three.call(store, 1, 2, 3),
            Shape::ThreeResult => self.three_result.call(store, 1, 2, 3).map(|_| ()),
        }
        .expect("no trap");
    }
}
