//! Random scripts.

use enginebay::abi::{HostFunction, Param, PeerType};
use fastrand::Rng;

use crate::guest::FLAVORS;
use crate::layout::{END, MOST_PAGES};
use crate::script::{
    Action, Allocator, Arg, Deed, Does, Event, On, Reply, STREAM_TYPES, Script, ScriptCase, Step,
};

/// The case of a seed: the same one every time.
pub(crate) fn case(seed: u64) -> ScriptCase {
    let mut generator = Generator {
        rng: Rng::with_seed(seed),
        vms: Vec::new(),
        roots: Vec::new(),
        streams: Vec::new(),
        last: 0,
    };
    let count = generator.rng.usize(4..40);
    let mut events = Vec::new();
    for number in 0..count {
        let action = generator.action(number);
        // What starts a module may call little, and a VM that does not start is a short case.
        let starts = matches!(action, Action::NewVm { .. } | Action::StartPlugin { .. });
        let scripts = match starts && generator.rng.u8(0..10) > 0 {
            true => Vec::new(),
            false => (0..3).map(|_| generator.script()).collect(),
        };
        events.push(Event { action, scripts });
    }
    ScriptCase { events }
}

struct Generator {
    rng: Rng,
    vms: Vec<u32>,
    /// Root contexts.
    roots: Vec<u32>,
    streams: Vec<u32>,
    last: u32,
}

/// Numbers at which something may go wrong: the ends of memory, now and once it has grown, and of the address space.
const EDGES: [u64; 18] = [
    0,
    1,
    4,
    END as u64 - 9,
    END as u64 - 4,
    END as u64 - 1,
    END as u64,
    END as u64 + 1,
    MOST_PAGES as u64 * 65_536 - 1,
    MOST_PAGES as u64 * 65_536,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_0000,
    0xffff_fff8,
    0xffff_fffc,
    0xffff_ffff,
    0x1_0000_0000,
    u64::MAX,
];

impl Generator {
    fn new_number(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    fn one_of<T: Copy>(&mut self, all: &[T], otherwise: T) -> T {
        self.rng.choice(all).copied().unwrap_or(otherwise)
    }

    /// A context whose end this is: few events are about it afterwards.
    fn last_of(&mut self, context: &dyn Fn(&mut Self) -> u32) -> u32 {
        let last = context(self);
        if self.rng.u8(0..5) > 0 {
            self.roots.retain(|root| *root != last);
            self.streams.retain(|stream| *stream != last);
        }
        last
    }

    fn action(&mut self, number: usize) -> Action {
        let choice = match number {
            0 => 0,
            1 => 1,
            2 => 2,
            _ if self.roots.is_empty() => 1,
            _ if self.streams.is_empty() => 2,
            _ => self.rng.u32(0..60),
        };
        let context = |generator: &mut Self| match generator.rng.u8(0..8) {
            0 => generator.one_of(&generator.roots.clone(), 0),
            _ => generator.one_of(&generator.streams.clone(), 0),
        };
        match choice {
            0 => {
                let vm = self.new_number();
                self.vms.push(vm);
                Action::NewVm {
                    vm,
                    flavor: self.rng.usize(0..FLAVORS.len()),
                    vm_id: self.rng.u32(0..2),
                }
            }
            1 => {
                let root = self.new_number();
                self.roots.push(root);
                Action::StartPlugin {
                    vm: self.one_of(&self.vms.clone(), 0),
                    root,
                    allow_stop: self.rng.bool(),
                }
            }
            2..=6 => {
                let stream = self.new_number();
                self.streams.push(stream);
                Action::CreateStream {
                    root: self.one_of(&self.roots.clone(), 0),
                    stream,
                }
            }
            7..=10 => Action::Tick(self.one_of(&self.roots.clone(), 0)),
            11..=14 => Action::Deliver(self.one_of(&self.vms.clone(), 0)),
            15 | 16 => Action::Foreign {
                root: self.one_of(&self.roots.clone(), 0),
                function: self.rng.u32(..),
                arguments: self.bytes("arguments"),
            },
            17..=24 => Action::Answer {
                vm: self.one_of(&self.vms.clone(), 0),
                callout: self.rng.u32(0..2),
                reply: match self.rng.u8(0..6) {
                    0 => Reply::Http,
                    1 => Reply::NoHttp,
                    2 => Reply::GrpcInitial,
                    3 => Reply::GrpcMessage,
                    4 => Reply::GrpcTrailing,
                    _ => Reply::GrpcClose(self.rng.u32(0..20)),
                },
            },
            25 | 26 => Action::Log(context(self)),
            27 | 28 => Action::AccessLog(self.one_of(&self.roots.clone(), 0)),
            29..=31 => Action::Finish(self.last_of(&context)),
            32 | 33 => Action::FinishConnection(self.last_of(&context)),
            34 => Action::Abandon(self.last_of(&context)),
            35 => Action::DropVm(self.one_of(&self.vms.clone(), 0)),
            _ => Action::On {
                stream: self.one_of(&self.streams.clone(), 0),
                on: self.on(),
                size: self.rng.u32(0..100),
                end: self.rng.bool(),
            },
        }
    }

    fn on(&mut self) -> On {
        let peer = self.one_of(PeerType::ALL, PeerType::Unknown);
        match self.rng.u8(0..18) {
            0..=3 => On::RequestHeaders,
            4 => On::RequestBody,
            5 => On::RequestTrailers,
            6 => On::RequestMetadata,
            7..=9 => On::ResponseHeaders,
            10 => On::ResponseBody,
            11 => On::ResponseTrailers,
            12 => On::ResponseMetadata,
            13 => On::NewConnection,
            14 => On::DownstreamData,
            15 => On::UpstreamData,
            16 => On::DownstreamClose(peer),
            _ => On::UpstreamClose(peer),
        }
    }

    fn script(&mut self) -> Script {
        let mut script = Vec::new();
        if self.rng.u8(0..4) == 0 {
            return script;
        }
        for _ in 0..self.rng.usize(0..7) {
            let step = match self.rng.u8(0..120) {
                0 | 1 => self.trap(),
                2..=4 => self.memory(),
                5..=8 => self.deed(Deed::Grow, &[0, 1, 1, 2, 3, 65_535, 65_536, 0xffff_ffff]),
                9..=18 => {
                    let kinds: Vec<u64> = (0..Allocator::ALL.len() as u64).collect();
                    self.deed(Deed::Allocator, &kinds)
                }
                19..=21 => self.deed(
                    Deed::Return,
                    &[0, 1, 2, 3, 4, 5, 6, 7, 256, 0x8000_0000, 0xffff_ffff],
                ),
                _ => self.call(),
            };
            script.push(step);
        }
        script
    }

    fn deed(&mut self, deed: Deed, values: &[u64]) -> Step {
        Step {
            does: Does::Deed(deed),
            args: vec![Arg::Num(self.one_of(values, 0))],
        }
    }

    fn trap(&mut self) -> Step {
        const TRAPS: [Deed; 9] = [
            Deed::Unreachable,
            Deed::DivideByZero,
            Deed::DivideTooFar,
            Deed::ConvertNan,
            Deed::ConvertTooFar,
            Deed::CallNothing,
            Deed::CallOtherType,
            Deed::CallBeyondTable,
            Deed::Recurse,
        ];
        let args = (0..2).map(|_| Arg::Num(self.edge())).collect();
        Step {
            does: Does::Deed(self.one_of(&TRAPS, Deed::Unreachable)),
            args,
        }
    }

    fn memory(&mut self) -> Step {
        const ACCESSES: [Deed; 8] = [
            Deed::Load,
            Deed::Load,
            Deed::StoreWide,
            Deed::LoadFar,
            Deed::Store,
            Deed::StoreWide,
            Deed::Fill,
            Deed::Copy,
        ];
        let number = |generator: &mut Self| match generator.rng.u8(0..4) {
            0 => generator.edge(),
            _ => generator.rng.u64(0..u64::from(END) / 2),
        };
        let args = (0..3).map(|_| Arg::Num(number(self))).collect();
        Step {
            does: Does::Deed(self.one_of(&ACCESSES, Deed::Load)),
            args,
        }
    }

    fn edge(&mut self) -> u64 {
        match self.rng.u8(0..4) {
            0 => self.rng.u64(0..u64::from(END)),
            _ => self.one_of(&EDGES, 0),
        }
    }

    /// A host function. Those that say how things are, and those of WASI that fail in any case, come less often.
    fn call(&mut self) -> Step {
        // What makes callbacks later, so that there are some.
        const CAUSES: [HostFunction; 7] = [
            HostFunction::ProxyHttpCall,
            HostFunction::ProxyHttpCall,
            HostFunction::ProxyGrpcCall,
            HostFunction::ProxyGrpcStream,
            HostFunction::ProxySetTickPeriodMilliseconds,
            HostFunction::ProxyRegisterSharedQueue,
            HostFunction::ProxyEnqueueSharedQueue,
        ];
        let function = loop {
            if self.rng.u8(0..6) == 0 {
                break self.one_of(&CAUSES, HostFunction::ProxyLog);
            }
            let function = self.one_of(HostFunction::ALL, HostFunction::ProxyLog);
            let often = function
                .def()
                .capability()
                .is_some_and(|name| name.starts_with("proxy_"));
            let rare = matches!(function, HostFunction::WasiProcExit | HostFunction::WasiProcRaise);
            if self.rng.u8(0..8)
                < if often {
                    8
                } else if rare {
                    1
                } else {
                    2
                }
            {
                break function;
            }
        };
        let def = function.def();
        let mut args = Vec::new();
        for (name, kind) in std::iter::zip(def.param_names, def.params) {
            let good = self.argument(name, *kind, args.last());
            // Of many arguments one wrong one is enough.
            let arg = match self.rng.usize(0..8 + 4 * def.params.len()) {
                0 => Arg::Num(self.edge()),
                _ => good,
            };
            args.push(arg);
        }
        Step {
            does: Does::Call(function),
            args,
        }
    }

    fn argument(&mut self, name: &str, kind: Param, before: Option<&Arg>) -> Arg {
        match kind {
            Param::Size if matches!(before, Some(Arg::Data(_) | Arg::Pieces(_))) => Arg::Len,
            // Numbers that the host gives are put where calls that take one look for it.
            Param::Ptr if number_slot(name).is_some() => Arg::Out(number_slot(name).unwrap_or(0)),
            Param::Ptr if name.starts_with("return_") => Arg::Out(self.rng.u32(3..16)),
            Param::Ptr if name.contains("iovs") || name.ends_with("_data") && name.len() < 8 => {
                let count = self.rng.usize(0..4);
                Arg::Pieces((0..count).map(|_| self.bytes("message")).collect())
            }
            Param::Ptr if name.ends_with("_data") || name.contains("path") => Arg::Data(self.bytes(name)),
            Param::Ptr => Arg::Out(self.rng.u32(16..32)),
            Param::Bool => Arg::Num(self.rng.u64(0..2)),
            _ => match name {
                name if number_slot(name).is_some() => match self.rng.u8(0..5) {
                    0 => Arg::Num(self.rng.u64(0..12)),
                    _ => Arg::Load(number_slot(name).unwrap_or(0)),
                },
                "stream_type" => Arg::Num(self.rng.u64(0..=STREAM_TYPES)),
                "status_code" => Arg::Num(self.one_of(&[200, 404, 503, 0, 99, 1000], 200)),
                "timeout" => Arg::Num(self.rng.u64(0..3000)),
                "max_size" | "size" => Arg::Num(self.one_of(&[0, 1, 5, 100, 4096], 0)),
                _ => Arg::Num(self.rng.u64(0..11)),
            },
        }
    }

    /// Bytes for what this parameter is.
    fn bytes(&mut self, name: &str) -> Vec<u8> {
        const NAMES: [&[u8]; 8] = [
            b"k", b":path", b"accept", b"X-Upper", b"", b"q", b"reverse", b"refuse",
        ];
        const PATHS: [&[u8]; 10] = [
            b"p",
            b"plugin_name",
            b"plugin_root_id",
            b"plugin_vm_id",
            b"node\0id",
            b"xds\0node\0id",
            b"request\0path",
            b"\0",
            b"",
            b"own\0path\0",
        ];
        if self.rng.u8(0..10) == 0 {
            let len = self.rng.usize(0..300);
            return std::iter::repeat_with(|| self.rng.u8(..)).take(len).collect();
        }
        if name.starts_with("serialized") {
            return self.pairs();
        }
        match name {
            "upstream_name_data" => match self.rng.u8(0..10) {
                0 => &b"down"[..],
                1 => b"nowhere",
                _ => b"cluster",
            },
            "vm_id_data" => self.one_of(&[&b"vm0"[..], b"vm1", b""], b""),
            "path_data" => self.one_of(&PATHS, b""),
            "message_data" | "message" | "value_data" | "body_data" | "arguments_data" => self.one_of(
                &[&b"value"[..], b"", b"one\ntwo\r\n", b"too much", b"\xff\xfe\0"],
                b"",
            ),
            _ => self.one_of(&NAMES, b""),
        }
        .to_vec()
    }

    /// Header pairs as the ABI has them, now and then with a size that lies.
    fn pairs(&mut self) -> Vec<u8> {
        const PAIRS: [(&str, &str); 8] = [
            (":method", "GET"),
            (":path", "/x"),
            (":authority", "host"),
            ("k", "v"),
            ("k", "w"),
            ("te", "trailers"),
            ("", "nameless"),
            ("bad name", "v\n"),
        ];
        let mut all: Vec<(&str, &str)> = PAIRS[..3].to_vec();
        for _ in 0..self.rng.usize(0..4) {
            // The last two are none that a map takes.
            let most = if self.rng.u8(0..10) == 0 {
                PAIRS.len()
            } else {
                PAIRS.len() - 2
            };
            all.push(PAIRS[self.rng.usize(0..most)]);
        }
        let mut bytes = (all.len() as u32).to_le_bytes().to_vec();
        for (name, value) in &all {
            for text in [name, value] {
                let lie = u32::from(self.rng.u8(0..150) == 0) * self.rng.u32(..);
                bytes.extend_from_slice(&(text.len() as u32).wrapping_add(lie).to_le_bytes());
            }
        }
        for (name, value) in &all {
            for text in [name, value] {
                bytes.extend_from_slice(text.as_bytes());
                bytes.push(0);
            }
        }
        bytes
    }
}

/// The place of a number that the host gives and takes.
fn number_slot(name: &str) -> Option<u32> {
    match name {
        "return_queue_id" | "queue_id" => Some(0),
        "return_metric_id" | "metric_id" => Some(1),
        "return_call_id" | "return_stream_id" | "stream_id" | "call_or_stream_id" => Some(2),
        _ => None,
    }
}
