//! What the plugin is to do, and how that is put into bytes.
//!
//! Addresses are places in an arena, in bytes from its start. The plugin allocates it, filled with [`FILLER`]. A *word* is
//! an address or a size: 4 bytes in WebAssembly, 8 in a native plugin.

/// What is in the arena before.
pub const FILLER: u8 = 0xee;

/// What the plugin does in each callback, the first time it is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Bytes in the arena.
    pub arena: u32,
    /// One for each callback in which something is done.
    pub parts: Vec<Part>,
}

/// What the plugin does in one callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The place of the callback in [`CALLBACKS`](crate::CALLBACKS).
    pub callback: u8,
    /// The number that is reported for it.
    pub number: u32,
    /// What the callback returns, if not true or "continue".
    pub returns: Option<u32>,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Calls the host function with this place in [`FUNCTIONS`](crate::FUNCTIONS), and reports what it returns.
    Call(u8, Vec<Arg>),
    /// Reports memory: all of these, one after the other.
    Dump(Vec<Cell>),
    /// Reports the bytes whose address and size are the words at these places.
    Returned(u32, u32),
    /// Reports the parameter at this position.
    Param(u8),
    /// How the allocator is from now on.
    Allocator(Allocator),
}

/// One parameter of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arg {
    /// A number, or an address that is none.
    Number(u64),
    /// The highest word there is.
    Highest,
    /// The address of this place in the arena.
    Place(u32),
    /// The address of these bytes.
    Bytes(Vec<u8>),
    /// The number of 32 bits at this place.
    Load(u32),
}

/// A part of the arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// So many bytes from this place on.
    Bytes(u32, u32),
    /// The word at this place, reported as 4 bytes. One that takes more is reported as ones, and one that nobody wrote to as
    /// the filler.
    Word(u32),
}

/// How the plugin's allocator behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocator {
    /// As it should.
    Good,
    /// There is no memory left.
    Empty,
    /// It makes the context 1 the current one.
    Switching,
}

impl Script {
    /// What the VM's configuration is to be: text for whoever reads it, and the script.
    pub fn configuration(&self, text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.put(&mut bytes);
        bytes
    }

    /// The script in a VM's configuration, if there is one.
    pub fn from_configuration(bytes: &[u8]) -> Option<Self> {
        let text = bytes.iter().position(|byte| *byte == 0)?;
        let mut rest = bytes.get(text + 1..)?;
        let script = Script::get(&mut rest)?;
        rest.is_empty().then_some(script)
    }
}

/// A type with a form in bytes.
trait Coded: Sized {
    fn put(&self, to: &mut Vec<u8>);
    /// Takes one from the start of the bytes.
    fn get(from: &mut &[u8]) -> Option<Self>;
}

macro_rules! numbers {
    ($($ty:ty)+) => {$(
        impl Coded for $ty {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
            fn get(from: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*bytes))
            }
        }
    )+};
}

numbers!(u8 u32 u64);

impl<T: Coded> Coded for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        (self.len() as u32).put(to);
        self.iter().for_each(|item| item.put(to));
    }

    fn get(from: &mut &[u8]) -> Option<Self> {
        let len = u32::get(from)?;
        (0..len).map(|_| T::get(from)).collect()
    }
}

impl<T: Coded> Coded for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        u8::from(self.is_some()).put(to);
        self.iter().for_each(|item| item.put(to));
    }

    fn get(from: &mut &[u8]) -> Option<Self> {
        match u8::get(from)? {
            0 => Some(None),
            1 => T::get(from).map(Some),
            _ => None,
        }
    }
}

/// Fields in order; variants by number.
macro_rules! coded {
    (struct $ty:ident { $($field:ident),+ }) => {
        impl Coded for $ty {
            fn put(&self, to: &mut Vec<u8>) {
                $(self.$field.put(to);)+
            }
            fn get(from: &mut &[u8]) -> Option<Self> {
                Some($ty { $($field: Coded::get(from)?),+ })
            }
        }
    };
    (enum $ty:ident { $($number:literal: $variant:ident $(($($field:ident),+))?),+ }) => {
        impl Coded for $ty {
            fn put(&self, to: &mut Vec<u8>) {
                match self {
                    $($ty::$variant $(($($field),+))? => {
                        to.push($number);
                        $($($field.put(to);)+)?
                    })+
                }
            }
            fn get(from: &mut &[u8]) -> Option<Self> {
                match u8::get(from)? {
                    $($number => {
                        $($(let $field = Coded::get(from)?;)+)?
                        Some($ty::$variant $(($($field),+))?)
                    })+
                    _ => None,
                }
            }
        }
    };
}

coded!(struct Script { arena, parts });
coded!(struct Part { callback, number, returns, steps });
coded!(enum Step { 0: Call(function, args), 1: Dump(cells), 2: Returned(data, size), 3: Param(at), 4: Allocator(how) });
coded!(enum Arg { 0: Number(value), 1: Highest, 2: Place(at), 3: Bytes(bytes), 4: Load(at) });
coded!(enum Cell { 0: Bytes(at, len), 1: Word(at) });
coded!(enum Allocator { 0: Good, 1: Empty, 2: Switching });
