//! From bytes to what a guest and its embedder do.

use std::sync::LazyLock;

use enginebay::abi::{AbiVersion, FunctionDef, Param, pairs};

use crate::guest::{ARGS, CALL, CONSTANTS, OWN, PAGES, REPORT, SCRIPT};
use crate::input::Input;

/// One input, understood.
pub(crate) struct Script {
    pub(crate) version: AbiVersion,
    /// What the embedder does, by number.
    pub(crate) steps: Vec<u8>,
    /// The VM's configuration: the guest's part, in the form that it reads.
    pub(crate) configuration: Vec<u8>,
}

const MAX_STEPS: usize = 24;
const MAX_CALLS: usize = 64;
/// So that the configuration ends below the guest's heap.
const MAX_DATA: usize = 16 << 10;

/// Bytes that calls are likely to need, each with its place in the guest.
pub(crate) struct Constants {
    pub(crate) bytes: Vec<u8>,
    places: Vec<(u32, u32)>,
}

pub(crate) static CONSTANT: LazyLock<Constants> = LazyLock::new(|| {
    let mut constants = Constants {
        bytes: Vec::new(),
        places: Vec::new(),
    };
    let pair = |list: &[(&str, &str)]| pairs::encode(list.iter().copied()).unwrap_or_default();
    let texts: [&[u8]; 28] = [
        b"",
        b"hello",
        b"accept",
        b":path",
        b"x-new",
        b"cluster",
        b"down",
        b"service",
        b"method",
        b"name",
        b"key",
        b"request\0path",
        b"request\0headers\0accept",
        b"plugin_name",
        b"own\0property",
        b"xds\0node\0id",
        b"empty",
        b"expr_create",
        b"expr_evaluate",
        b"compress",
        b"uncompress",
        b"declare_property",
        b"set_envoy_filter_state",
        b"verify_signature",
        b"request.path == '/' || 'a' in request.headers",
        b"\x0a\x03own\x10\x01\x18\x01",
        b"\x0a\x09\x0a\x07cluster",
        b"bad\0value\r\n",
    ];
    let maps = [
        pair(&[]),
        pair(&[("a", "b"), ("a", "c"), ("d", "")]),
        pair(&[(":method", "GET"), (":path", "/"), (":authority", "x")]),
    ];
    for text in texts.into_iter().chain(maps.iter().map(Vec::as_slice)) {
        let at = constants.bytes.len();
        constants.places.push((CONSTANTS + at as u32, text.len() as u32));
        constants.bytes.extend_from_slice(text);
        constants
            .bytes
            .resize(constants.bytes.len().next_multiple_of(4), 0);
    }
    constants
});

impl Script {
    /// The first bytes are the version, how many steps the embedder makes and which; then come groups of calls, one for each
    /// callback in the order in which they are made; what can't be a call any more is data.
    pub(crate) fn read(input: &[u8]) -> Script {
        let mut input = Input(input);
        let version = AbiVersion::ALL[usize::from(input.u8()) % AbiVersion::ALL.len()];
        let count = usize::from(input.u8()) % (MAX_STEPS + 1);
        let steps = input.take(count).to_vec();
        let functions = crate::guest::callable(version);
        let mut groups = Vec::new();
        let mut calls = 0;
        while !input.is_empty() && calls < MAX_CALLS {
            let head = input.u8();
            // The rest is data, which the calls before can name.
            if head == 0xff {
                break;
            }
            let count = u32::from(head & 3) + u32::from(head & 0x80 != 0);
            groups.extend_from_slice(&count.to_le_bytes());
            groups.extend_from_slice(&result(&mut input).to_le_bytes());
            for _ in 0..count {
                groups.extend_from_slice(&call(&mut input, &functions));
            }
            calls += count.max(1) as usize;
        }
        let len = groups.len() as u32;
        let mut configuration = len.to_le_bytes().to_vec();
        configuration.append(&mut groups);
        // The guest's reports start with it.
        let data = input
            .take(MAX_DATA)
            .iter()
            .map(|byte| if *byte == b'@' { b'A' } else { *byte });
        configuration.extend(data);
        Script {
            version,
            steps,
            configuration,
        }
    }
}

fn result(input: &mut Input<'_>) -> u32 {
    match input.u8() {
        0xff => input.u32(),
        small => u32::from(small),
    }
}

fn call(input: &mut Input<'_>, functions: &[&FunctionDef]) -> [u8; CALL] {
    let mut call = [0; CALL];
    let number = usize::from(input.u8()) % (functions.len() + OWN.len());
    call[..2].copy_from_slice(&(number as u16).to_le_bytes());
    let params = functions.get(number).map_or(&[Param::U32][..], |def| def.params);
    // Most allocators are good ones.
    let allocator = input.u8();
    call[2] = if allocator < 0xc0 { 0 } else { allocator & 7 };
    let (mut loaded, mut len) = (0_u32, 0);
    for (at, param) in params.iter().enumerate().take(ARGS) {
        let arg = arg(input, *param, &mut len);
        loaded |= u32::from(arg.is_err()) << at;
        let value = arg.unwrap_or_else(|at| at);
        call[8 + 8 * at..16 + 8 * at].copy_from_slice(&value.to_le_bytes());
    }
    call[4..8].copy_from_slice(&loaded.to_le_bytes());
    call
}

/// A value, or as an error the address of one. `len` is the length of what was last pointed to.
fn arg(input: &mut Input<'_>, param: Param, len: &mut u32) -> Result<u64, u64> {
    let kind = input.u8();
    let low = u32::from(kind & 0x0f);
    let end = PAGES << 16;
    let value = match (param, kind) {
        (Param::U64 | Param::F64, 0xf0..) => return Ok(input.u64()),
        (_, 0xf0..) => input.u32(),
        (_, 0xe0..) => return Err(u64::from(8 * low)),
        (Param::Ptr, 0..=0x7f) => {
            let places = &CONSTANT.places;
            let (at, size) = places[usize::from(kind) % places.len()];
            *len = size;
            at
        }
        (Param::Ptr, 0x80..=0xaf) => 8 * u32::from(kind - 0x80),
        (Param::Ptr, 0xb0..=0xbf) => {
            *len = low * low;
            SCRIPT + u32::from(input.u16()) % 0x8000
        }
        (Param::Ptr, 0xc0..=0xcf) => end - low,
        (Param::Ptr, 0xd0..=0xd7) => u32::MAX - low,
        (Param::Ptr, _) => {
            [0x7fff_ffff, 0x8000_0000, REPORT, CONSTANTS, SCRIPT, 1, 4, end + 1][low as usize & 7]
        }
        (Param::Size, 0..=0x3f) => *len,
        (Param::Size, 0x40..=0x7f) => u32::from(kind - 0x40),
        (Param::Size, 0x80..=0xbf) => (*len).wrapping_add(u32::from(kind & 0x3f)),
        (Param::Size, _) => [
            end,
            end - CONSTANTS,
            u32::MAX,
            u32::MAX - 7,
            0x7fff_ffff,
            0x8000_0000,
            0x1_0000,
            0x1000,
        ][low as usize & 7],
        (Param::Bool, _) => u32::from(kind & 1),
        (Param::U32 | Param::U64 | Param::F64, 0..=0x7f) => u32::from(kind & 0x0f),
        (Param::U32 | Param::U64 | Param::F64, 0x80..=0xcf) => u32::from(kind - 0x80),
        (Param::U32 | Param::U64 | Param::F64, _) => [
            u32::MAX,
            0x7fff_ffff,
            0x8000_0000,
            1 << 8,
            1 << 16,
            100,
            200,
            1000,
        ][low as usize & 7],
    };
    Ok(u64::from(value))
}
