//! A case of the kind `scripts`: what the host does, and what the guest does in each callback.

use std::fmt;

use enginebay::abi::{HostFunction, PeerType, StreamType};

/// An argument of a host function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arg {
    /// A number.
    Num(u64),
    /// The address of these bytes.
    Data(Vec<u8>),
    /// The address of a list of addresses and sizes of these (WASI's `ciovec`).
    Pieces(Vec<Vec<u8>>),
    /// How many bytes or pieces the argument before this one has.
    Len,
    /// The address of a place for a result.
    Out(u32),
    /// What is in a place for a result.
    Load(u32),
}

/// What a guest does without its host.
macro_rules! numbered {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            pub(crate) const ALL: &'static [$name] = &[$($name::$variant,)+];
        }
    };
}

numbered! {
    /// What a guest does without its host. An endless loop is not among them: how far it comes until its time is over is
    /// a matter of the clock, and not the same on two engines.
    Deed {
        /// Ends the callback with the first argument.
        Return,
        /// `memory.grow`
        Grow,
        Unreachable,
        DivideByZero,
        DivideTooFar,
        ConvertNan,
        ConvertTooFar,
        /// A load, which may be beyond the end.
        Load,
        /// One whose offset alone is nearly 4 GiB.
        LoadFar,
        Store,
        /// 8 bytes at once: across the end, some of them are inside.
        StoreWide,
        /// An indirect call of an empty place.
        CallNothing,
        CallOtherType,
        CallBeyondTable,
        /// A recursion without end or effect, so that it is the same however deep an engine goes.
        Recurse,
        Fill,
        Copy,
        /// What the allocator does from now on.
        Allocator,
    }
}

numbered! {
    /// What the allocator does.
    Allocator {
        Good,
        Null,
        Outside,
        AtTheEdge,
        Top,
        OverTheScript,
        OverResults,
        Traps,
        Divides,
        Recurses,
        Grows,
        SwitchesContext,
        Exits,
        CallsForBytes,
    }
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    Call(HostFunction),
    Deed(Deed),
}

/// One step of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) does: Does,
    pub(crate) args: Vec<Arg>,
}

/// What a guest does in a callback.
pub(crate) type Script = Vec<Step>;

/// A callback of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    RequestHeaders,
    RequestBody,
    RequestTrailers,
    RequestMetadata,
    ResponseHeaders,
    ResponseBody,
    ResponseTrailers,
    ResponseMetadata,
    NewConnection,
    DownstreamData,
    UpstreamData,
    DownstreamClose(PeerType),
    UpstreamClose(PeerType),
}

/// What comes back of a callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Http,
    NoHttp,
    GrpcInitial,
    GrpcMessage,
    GrpcTrailing,
    GrpcClose(u32),
}

/// What the host does. VMs and contexts have numbers of the case's own, so that nothing else changes when one goes;
/// what names one that is not there does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    NewVm {
        vm: u32,
        flavor: usize,
        vm_id: u32,
    },
    StartPlugin {
        vm: u32,
        root: u32,
        allow_stop: bool,
    },
    CreateStream {
        root: u32,
        stream: u32,
    },
    On {
        stream: u32,
        on: On,
        size: u32,
        end: bool,
    },
    Tick(u32),
    Deliver(u32),
    Foreign {
        root: u32,
        function: u32,
        arguments: Vec<u8>,
    },
    Answer {
        vm: u32,
        callout: u32,
        reply: Reply,
    },
    Log(u32),
    AccessLog(u32),
    Finish(u32),
    FinishConnection(u32),
    Abandon(u32),
    DropVm(u32),
}

/// One thing that the host does, and what the guest does in the callbacks that come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) action: Action,
    pub(crate) scripts: Vec<Script>,
}

/// A case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptCase {
    pub(crate) events: Vec<Event>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.does {
            Does::Call(function) => write!(f, "{function}(")?,
            Does::Deed(Deed::Allocator) => {
                if let [Arg::Num(kind)] = self.args.as_slice()
                    && let Some(kind) = Allocator::ALL.get(*kind as usize)
                {
                    return write!(f, "the allocator becomes {kind:?}");
                }
                f.write_str("Allocator(")?;
            }
            Does::Deed(deed) => write!(f, "{deed:?}(")?,
        }
        for (at, arg) in self.args.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            match arg {
                Arg::Num(number) => write!(f, "{number:#x}")?,
                Arg::Data(bytes) => write!(f, "\"{}\"", bytes.escape_ascii())?,
                Arg::Pieces(pieces) => {
                    f.write_str("[")?;
                    for piece in pieces {
                        write!(f, "\"{}\" ", piece.escape_ascii())?;
                    }
                    f.write_str("]")?;
                }
                Arg::Len => f.write_str("its size")?,
                Arg::Out(slot) => write!(f, "&out{slot}")?,
                Arg::Load(slot) => write!(f, "out{slot}")?,
            }
        }
        f.write_str(")")
    }
}

impl fmt::Display for ScriptCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, event) in self.events.iter().enumerate() {
            writeln!(f, "event {number}: {:?}", event.action)?;
            for (callback, script) in event.scripts.iter().enumerate() {
                for step in script {
                    writeln!(f, "    in callback {}: {step}", callback + 1)?;
                }
            }
        }
        Ok(())
    }
}

/// The streams that can be continued or closed, for a check that numbers go up to there.
pub(crate) const STREAM_TYPES: u64 = StreamType::ALL.len() as u64;
