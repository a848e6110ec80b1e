//! `set_envoy_filter_state`, `declare_property` and `clear_route_cache`: what acts on the stream.

use std::collections::BTreeSet;

use enginebay_abi::Status;
use enginebay_host::{ContextId, ForeignCall, LifeSpan, PropertyDeclaration};
use prost::Message;

use crate::messages::{self, DeclarePropertyArguments, SetEnvoyFilterStateArguments, WasmType};

/// The names that root contexts declared as text. As many as the host lets them declare.
#[derive(Default)]
pub(crate) struct Texts(BTreeSet<(ContextId, Vec<u8>)>);

impl Texts {
    /// Whether a property of this name is text in streams of this root context.
    #[cfg_attr(not(feature = "cel"), allow(dead_code))]
    pub(crate) fn contains(&self, root: ContextId, name: &[u8]) -> bool {
        !self.0.is_empty() && self.0.contains(&(root, name.to_vec()))
    }
}

pub(crate) fn set_envoy_filter_state(call: &mut ForeignCall<'_>) -> Status {
    match SetEnvoyFilterStateArguments::decode(call.arguments()) {
        Ok(args) => call.set_filter_state(args.path.as_bytes(), args.value.as_bytes(), span(args.span())),
        Err(_) => Status::BadArgument,
    }
}

pub(crate) fn declare_property(call: &mut ForeignCall<'_>) -> Status {
    let Ok(args) = DeclarePropertyArguments::decode(call.arguments()) else {
        return Status::BadArgument;
    };
    let declaration = PropertyDeclaration {
        read_only: args.readonly,
        span: span(args.span()),
    };
    let status = call.declare_property(args.name.as_bytes(), declaration);
    let root = call.root_id().filter(|root| *root == call.context_id());
    if let (Status::Ok, WasmType::String, Some(root)) = (status, args.r#type(), root) {
        let mut name = args.name.into_bytes();
        // The NUL that may end a path is none of it.
        if name.last() == Some(&0) {
            name.pop();
        }
        call.vm_data::<Texts>().0.insert((root, name));
    }
    status
}

pub(crate) fn clear_route_cache(call: &mut ForeignCall<'_>) -> Status {
    // Envoy's says so whatever came of it.
    let _ = call.clear_route_cache();
    Status::Ok
}

fn span(span: messages::LifeSpan) -> LifeSpan {
    match span {
        messages::LifeSpan::FilterChain => LifeSpan::FilterChain,
        messages::LifeSpan::DownstreamRequest => LifeSpan::DownstreamRequest,
        messages::LifeSpan::DownstreamConnection => LifeSpan::DownstreamConnection,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Vm;

    #[test]
    fn filter_state_reaches_the_stream() {
        let mut vm = Vm::default();
        let mut args = SetEnvoyFilterStateArguments {
            path: "key".to_owned(),
            value: "value".to_owned(),
            span: 0,
        };
        // An unknown span is the first.
        for (number, span) in [
            (0, LifeSpan::FilterChain),
            (1, LifeSpan::DownstreamRequest),
            (2, LifeSpan::DownstreamConnection),
            (9, LifeSpan::FilterChain),
        ] {
            args.span = number;
            assert_eq!(
                vm.call("set_envoy_filter_state", args.encode_to_vec()),
                Ok(Vec::new())
            );
            assert_eq!(vm.states(), [("key".to_owned(), "value".to_owned(), span)]);
        }
        assert_eq!(
            vm.call("set_envoy_filter_state", b"\x0a"),
            Err(Status::BadArgument)
        );
        // Text that is no UTF-8.
        assert_eq!(
            vm.call("set_envoy_filter_state", b"\x0a\x01\xff"),
            Err(Status::BadArgument)
        );
    }

    #[test]
    fn a_property_is_declared_once() {
        let mut vm = Vm::default();
        // As another encoder writes it: name "p", readonly, type String, span DownstreamRequest.
        let args = b"\x0a\x01p\x10\x01\x18\x01\x28\x01";
        assert_eq!(vm.call("declare_property", args), Ok(Vec::new()));
        let declared = PropertyDeclaration {
            read_only: true,
            span: LifeSpan::DownstreamRequest,
        };
        assert_eq!(vm.declared("p"), Some(declared));
        assert_eq!(vm.call("declare_property", args), Err(Status::BadArgument));
        assert_eq!(vm.call("declare_property", b"\x0a\x01q"), Ok(Vec::new()));
        assert_eq!(vm.declared("q"), Some(PropertyDeclaration::default()));
        assert_eq!(vm.call("declare_property", b"\x0a"), Err(Status::BadArgument));
    }

    #[test]
    fn clearing_the_route_cache_is_always_ok() {
        let mut vm = Vm::default();
        assert_eq!(vm.call("clear_route_cache", b"whatever"), Ok(Vec::new()));
        assert_eq!(vm.asked(), ["clear"]);
    }
}
