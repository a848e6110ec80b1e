//! Cases as scripts of the guest that is compiled from Rust.

use enginebay::abi::{Callback, HostFunction, Param};
use scripted::script::{self, Cell, Part, Script};

use crate::case::{Allocator, Area, Arg, Case, END, OUT, Step};

/// A case as a script. `None` for what only WebAssembly has: WASI, a start, and addresses outside of a memory that has
/// an end.
pub(crate) fn script(case: &Case) -> Option<Script> {
    if case.area != Area::Abi {
        return None;
    }
    let mut arena = place(512);
    let parts = case
        .script
        .iter()
        .map(|(callback, steps)| part(*callback, steps, &mut arena));
    let parts = parts.collect::<Option<Vec<Part>>>()?;
    Some(Script { arena, parts })
}

/// The place for an address of a case: where cases have 4 bytes for a word, there is room for 8.
fn place(address: u32) -> u32 {
    2 * address
}

fn index(names: &[&str], name: &str) -> Option<u8> {
    let at = names.iter().position(|of| *of == name)?;
    u8::try_from(at).ok()
}

fn part(callback: Callback, steps: &[Step], arena: &mut u32) -> Option<Part> {
    let mut part = Part {
        callback: index(scripted::CALLBACKS, callback.name())?,
        number: u32::try_from(callback.index()).ok()?,
        returns: None,
        steps: Vec::new(),
    };
    for (at, step) in steps.iter().enumerate() {
        part.steps.push(match step {
            Step::Call {
                function,
                args,
                replaced,
                ..
            } => call(*function, args, replaced, arena)?,
            Step::Memory(address, expected) => {
                script::Step::Dump(cells(*address, expected.len(), &steps[..at]))
            }
            Step::Out(_) | Step::OutStarts(_) => script::Step::Returned(place(OUT[0]), place(OUT[1])),
            Step::Param(at, _) => script::Step::Param(u8::try_from(*at).ok()?),
            Step::Allocator(allocator) => script::Step::Allocator(match allocator {
                Allocator::Good => script::Allocator::Good,
                Allocator::Empty => script::Allocator::Empty,
                Allocator::Switching => script::Allocator::Switching,
                Allocator::Outside => return None,
            }),
            Step::Return(value) => {
                part.returns = Some(*value);
                continue;
            }
            // Only WASI reads what is in the guest's memory besides bytes and sizes that a call names.
            Step::Store(..) => return None,
        });
    }
    Some(part)
}

fn call(
    function: HostFunction,
    args: &[Arg],
    replaced: &[(usize, u64)],
    arena: &mut u32,
) -> Option<script::Step> {
    let number = index(scripted::FUNCTIONS, function.name())?;
    let params = function.def().params;
    let mut values = Vec::new();
    for arg in args {
        let at = values.len();
        match arg {
            Arg::Num(value) => values.push(constant(*params.get(at)?, *value)?),
            Arg::Data(bytes) => {
                values.push(script::Arg::Bytes(bytes.clone()));
                values.push(script::Arg::Number(bytes.len() as u64));
            }
            Arg::Load(address) => values.push(script::Arg::Load(place(*address))),
            Arg::Pieces(_) => return None,
        }
    }
    for (at, value) in replaced {
        *values.get_mut(*at)? = constant(*params.get(*at)?, *value)?;
    }
    // The arena must have room for what is said to be in it.
    for (at, value) in values.iter().enumerate() {
        if let script::Arg::Place(from) = value {
            let size = match values.get(at + 1) {
                Some(script::Arg::Number(size)) if params.get(at + 1) == Some(&Param::Size) => *size,
                _ => 8,
            };
            *arena = (*arena).max(from.checked_add(u32::try_from(size).ok()?)?);
        }
    }
    Some(script::Step::Call(number, values))
}

/// A constant, from what it is in WebAssembly. `None` for an address or a size that is wrong only because of where memory
/// ends there.
fn constant(kind: Param, value: u64) -> Option<script::Arg> {
    // What must be refused is at the end of the memory, or of all addresses.
    let near_the_end = u64::from(END - (1 << 12))..=u64::from(END);
    match kind {
        Param::Ptr | Param::Size if value == u64::from(u32::MAX) => Some(script::Arg::Highest),
        Param::Ptr | Param::Size if near_the_end.contains(&value) => None,
        Param::Ptr if value != 0 => Some(script::Arg::Place(place(u32::try_from(value).ok()?))),
        _ => Some(script::Arg::Number(value)),
    }
}

/// What to report for so many bytes at an address: words, where the last call that was given the address puts those.
fn cells(address: u32, len: usize, before: &[Step]) -> Vec<Cell> {
    if address == OUT[0] && len == 8 {
        return OUT.map(|address| Cell::Word(place(address))).into();
    }
    let calls = before.iter().rev().filter_map(|step| match step {
        Step::Call { function, args, .. } => Some((function.def(), args)),
        _ => None,
    });
    let is_word = calls.into_iter().find_map(|(def, args)| {
        let mut at = 0;
        args.iter().find_map(|arg| {
            let this = at;
            at += if matches!(arg, Arg::Data(_)) { 2 } else { 1 };
            let given = matches!(arg, Arg::Num(value) if *value == u64::from(address));
            let is_address = given && def.params.get(this) == Some(&Param::Ptr);
            is_address.then(|| def.param_names[this].ends_with("_size"))
        })
    });
    match is_word {
        Some(true) => vec![Cell::Word(place(address))],
        _ => vec![Cell::Bytes(place(address), len as u32)],
    }
}
