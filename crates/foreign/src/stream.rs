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
