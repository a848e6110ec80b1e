//! The bare guest on wasmi.

use wasmi::{Caller, Config, Engine, Linker, Memory, Module, Store, TypedFunc};

use super::functions::{MOST, Side, functions, slice};
use super::{Row, Shape, guest};

struct State {
    memory: Option<Memory>,
    allocate: Option<TypedFunc<u32, u32>>,
    buffer: [u8; MOST],
}

impl Side for Caller<'_, State> {
    #[inline]
    fn read(&mut self, at: u32, len: u32) -> Option<()> {
        let (bytes, state) = self.data().memory?.data_and_store_mut(self);
        let from = slice(bytes, at, len)?;
        state.buffer.get_mut(..from.len())?.copy_from_slice(from);
        Some(())
    }

    #[inline]
    fn write(&mut self, at: u32, len: u32) -> Option<()> {
        let (bytes, state) = self.data().memory?.data_and_store_mut(self);
        slice(bytes, at, len)?.copy_from_slice(state.buffer.get(..len as usize)?);
        Some(())
    }

    #[inline]
    fn word(&mut self, at: u32, word: u32) -> Option<()> {
        let bytes = self.data().memory?.data_mut(self);
        slice(bytes, at, 4)?.copy_from_slice(&word.to_le_bytes());
        Some(())
    }

    #[inline]
    fn allocate(&mut self, len: u32) -> Option<u32> {
        // Taken out for the call: it can't be lent while the guest runs.
        let function = self.data_mut().allocate.take()?;
        let address = function.call(&mut *self, len).ok();
        self.data_mut().allocate = Some(function);
        address
    }
}

macro_rules! link {
    ($linker:ident; $($module:literal $name:ident($($arg:ident: $kind:ident),*) |$side:ident| $body:expr;)*) => {
        $(
            $linker
                .func_wrap(
                    $module,
                    stringify!($name),
                    |mut caller: Caller<'_, State>, $($arg: $kind),*| -> Result<u32, wasmi::Error> {
                        let $side = &mut caller;
                        $body.map(|()| 0).ok_or_else(|| wasmi::Error::new("refused"))
                    },
                )
                .expect("linked once");
        )*
    };
}

/// The guest.
pub(super) struct Guest {
    store: Store<State>,
    run: TypedFunc<(u32, u32), u32>,
    one: TypedFunc<u32, ()>,
    one_result: TypedFunc<u32, u32>,
    two: TypedFunc<(u32, u32), ()>,
    two_result: TypedFunc<(u32, u32), u32>,
    three: TypedFunc<(u32, u32, u32), ()>,
    three_result: TypedFunc<(u32, u32, u32), u32>,
}

impl Guest {
    pub(super) fn new(row: &Row) -> Guest {
        let mut config = Config::default();
        config.consume_fuel(true);
        let engine = Engine::new(&config);
        let module = Module::new(&engine, guest::module(row)).expect("a valid module");
        let mut linker: Linker<State> = Linker::new(&engine);
        functions!(link! linker;);
        let mut store = Store::new(
            &engine,
            State {
                memory: None,
                allocate: None,
                buffer: [0; MOST],
            },
        );
        store.set_fuel(u64::MAX).expect("fuel is on");
        let instance = linker
            .instantiate_and_start(&mut store, &module)
            .expect("instantiated");
        macro_rules! export {
            ($name:expr) => {
                instance.get_typed_func(&store, $name).expect("exported")
            };
        }
        store.data_mut().memory = instance.get_memory(&store, "memory");
        store.data_mut().allocate = Some(export!("proxy_on_memory_allocate"));
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
        self.run.call(&mut self.store, (2, n)).expect("no trap");
    }

    fn callback(&mut self, shape: Shape) {
        let store = &mut self.store;
        match shape {
            Shape::One => self.one.call(store, 1),
            Shape::OneResult => self.one_result.call(store, 1).map(|_| ()),
            Shape::Two => self.two.call(store, (1, 2)),
            Shape::TwoResult => self.two_result.call(store, (1, 2)).map(|_| ()),
            Shape::Three => self.three.call(store, (1, 2, 3)),
            Shape::ThreeResult => self.three_result.call(store, (1, 2, 3)).map(|_| ()),
        }
        .expect("no trap");
    }
}
