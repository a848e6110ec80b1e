//! Envoy's foreign functions with any arguments: messages, compressed bytes, keys and expressions.

use std::cell::RefCell;
use std::collections::BTreeMap;

use enginebay::abi::{LogLevel, PropertyPath, Status};
use enginebay::foreign::messages::{
    DeclarePropertyArguments, SetEnvoyFilterStateArguments, SignArguments, SignResult,
    VerifySignatureArguments, VerifySignatureResult,
};
use enginebay::foreign::{Limits, envoy_with};
use enginebay::host::{ForeignCall, ForeignData, ForeignHost};
use enginebay::{ContextId, LifeSpan, PropertyDeclaration};
use prost::Message;

use crate::input::Input;

/// Calls, each with the number of its function, the length of its arguments and those; the last takes what is left.
/// The properties are those of a small request.
pub fn run(input: &[u8]) {
    let mut vm = Vm::new();
    let mut rest = Input(input);
    for _ in 0..8 {
        if rest.is_empty() {
            break;
        }
        let function = rest.u8();
        let len = usize::from(rest.u16());
        call(&mut vm, function, rest.take(len));
    }
}

const MAX_UNCOMPRESSED: usize = 1 << 20;

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.uncompressed_bytes = MAX_UNCOMPRESSED;
    limits.expressions = 4;
    limits.expression_steps = 20_000;
    limits.expression_memory = 1 << 20;
    limits
}

fn call(vm: &mut Vm, function: u8, arguments: &[u8]) {
    match function % 10 {
        0 => compression(vm, arguments),
        1 => {
            let unpacked = vm.call("uncompress", arguments).unwrap_or_default();
            assert!(unpacked.len() <= MAX_UNCOMPRESSED, "{} bytes", unpacked.len());
        }
        2 => sign(vm, arguments),
        3 => verify(vm, arguments),
        4 => {
            reads_back::<SetEnvoyFilterStateArguments>(arguments);
            let _ = vm.call("set_envoy_filter_state", arguments);
        }
        5 => {
            reads_back::<DeclarePropertyArguments>(arguments);
            let _ = vm.call("declare_property", arguments);
        }
        6 => {
            let _ = vm.call("clear_route_cache", arguments);
        }
        7 => {
            let _ = vm.call("expr_evaluate", arguments);
            let _ = vm.call("expr_delete", arguments);
        }
        _ => expression(vm, arguments),
    }
}

fn compression(vm: &mut Vm, arguments: &[u8]) {
    let packed = vm.call("compress", arguments).expect("any bytes can be packed");
    let unpacked = vm.call("uncompress", &packed);
    assert_eq!(unpacked.as_deref(), Ok(arguments));
}

fn sign(vm: &mut Vm, arguments: &[u8]) {
    reads_back::<SignArguments>(arguments);
    let Ok(bytes) = vm.call("sign", arguments) else {
        return;
    };
    let signed = SignResult::decode(bytes.as_slice()).expect("it is a message");
    assert_eq!(signed.result, signed.error.is_empty(), "{signed:?}");
    assert_eq!(signed.result, !signed.signature.is_empty(), "{signed:?}");
}

fn verify(vm: &mut Vm, arguments: &[u8]) {
    reads_back::<VerifySignatureArguments>(arguments);
    let Ok(bytes) = vm.call("verify_signature", arguments) else {
        return;
    };
    let verified = VerifySignatureResult::decode(bytes.as_slice()).expect("it is a message");
    assert_eq!(verified.result, verified.error.is_empty(), "{verified:?}");
}

fn reads_back<T: Message + Default + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(message) = T::decode(bytes) {
        let again = T::decode(message.encode_to_vec().as_slice());
        assert_eq!(again.as_ref(), Ok(&message));
    }
}

/// An expression has one value, whenever it is asked for, and none after it was deleted.
fn expression(vm: &mut Vm, text: &[u8]) {
    let token = match vm.call("expr_create", text) {
        Ok(token) => token,
        Err(status) => {
            assert!(
                matches!(status, Status::BadArgument | Status::InternalFailure),
                "{status:?}"
            );
            return;
        }
    };
    let value = vm.call("expr_evaluate", &token);
    let again = vm.call("expr_evaluate", &token);
    assert_eq!(value, again, "{:?}", String::from_utf8_lossy(text));
    if let Err(status) = value {
        assert!(
            matches!(status, Status::SerializationFailure | Status::InternalFailure),
            "{status:?}"
        );
    }
    assert_eq!(vm.call("expr_delete", &token), Ok(Vec::new()));
    assert_eq!(vm.call("expr_evaluate", &token), Err(Status::NotFound));
}

struct Vm {
    host: Host,
    data: ForeignData,
    functions: enginebay::ForeignFunctions,
}

impl Vm {
    fn new() -> Self {
        Vm {
            host: Host::default(),
            data: ForeignData::default(),
            functions: envoy_with(limits()),
        }
    }

    fn call(&mut self, name: &str, arguments: &[u8]) -> Result<Vec<u8>, Status> {
        let mut results = Vec::new();
        let function = self.functions.function(name).expect("one of the table");
        let mut call = ForeignCall::new(arguments, &mut results, &mut self.data, &self.host);
        match function.call(&mut call) {
            Status::Ok => Ok(results),
            status => Err(status),
        }
    }
}

#[derive(Default)]
struct Host {
    declared: RefCell<BTreeMap<Vec<u8>, PropertyDeclaration>>,
}

impl ForeignHost for Host {
    fn context_id(&self) -> ContextId {
        ContextId::for_tests(2)
    }

    fn root_id(&self) -> Option<ContextId> {
        Some(ContextId::for_tests(1))
    }

    fn property(&self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        match crate::embedder::property(path) {
            Some(value) => out.extend_from_slice(&value),
            None => return false,
        }
        true
    }

    fn clear_route_cache(&self) -> Status {
        Status::Ok
    }

    fn set_filter_state(&self, _: &[u8], _: &[u8], _: LifeSpan) -> Status {
        Status::Ok
    }

    fn declare_property(&self, name: &[u8], declaration: PropertyDeclaration) -> Status {
        match self.declared.borrow_mut().insert(name.to_vec(), declaration) {
            None => Status::Ok,
            Some(_) => Status::BadArgument,
        }
    }

    fn log(&self, _: LogLevel, _: &str) {}
}
