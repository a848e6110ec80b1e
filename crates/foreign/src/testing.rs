//! A VM for the tests: properties that a test puts in, and a memory of what it was asked.

use std::cell::RefCell;
use std::collections::BTreeMap;

use enginebay_abi::property::encode;
use enginebay_abi::{LogLevel, PropertyPath, Status};
use enginebay_host::{ContextId, ForeignCall, ForeignData, ForeignHost, LifeSpan, PropertyDeclaration};

use crate::Limits;

#[derive(Default)]
pub(crate) struct Vm {
    host: Host,
    data: ForeignData,
    pub(crate) limits: Limits,
}

#[derive(Default)]
struct Host {
    properties: BTreeMap<Vec<u8>, Vec<u8>>,
    asked: RefCell<Vec<String>>,
    states: RefCell<Vec<(String, String, LifeSpan)>>,
    declared: RefCell<BTreeMap<String, PropertyDeclaration>>,
    log: RefCell<Vec<(LogLevel, String)>>,
}

/// The context of all calls, which is a root context.
fn context() -> ContextId {
    // Only VMs make ids.
    ContextId::for_tests(1)
}

impl ForeignHost for Host {
    fn context_id(&self) -> ContextId {
        context()
    }

    fn root_id(&self) -> Option<ContextId> {
        Some(context())
    }

    fn property(&self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        self.asked.borrow_mut().push(path.to_string());
        let found = self.properties.get(path.as_bytes());
        found.map(|value| out.extend_from_slice(value)).is_some()
    }

    fn clear_route_cache(&self) -> Status {
        self.asked.borrow_mut().push("clear".to_owned());
        Status::Unimplemented
    }

    fn set_filter_state(&self, key: &[u8], value: &[u8], span: LifeSpan) -> Status {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.states.borrow_mut().push((text(key), text(value), span));
        Status::Ok
    }

    fn declare_property(&self, name: &[u8], declaration: PropertyDeclaration) -> Status {
        let name = String::from_utf8_lossy(name).into_owned();
        match self.declared.borrow_mut().insert(name, declaration) {
            None => Status::Ok,
            Some(_) => Status::BadArgument,
        }
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.log.borrow_mut().push((level, message.to_owned()));
    }
}

impl Vm {
    pub(crate) fn with(mut self, path: &[&str], value: impl AsRef<[u8]>) -> Self {
        self.host.properties.insert(encode(path), value.as_ref().to_vec());
        self
    }

    /// Calls a function.
    pub(crate) fn call(&mut self, name: &str, arguments: impl AsRef<[u8]>) -> Result<Vec<u8>, Status> {
        let mut results = Vec::new();
        let functions = crate::envoy_with(self.limits);
        let function = functions.function(name).expect("one of the table");
        let mut call = ForeignCall::new(arguments.as_ref(), &mut results, &mut self.data, &self.host);
        match function.call(&mut call) {
            Status::Ok => Ok(results),
            status => Err(status),
        }
    }

    /// What was asked for since the last time, properties by their paths.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.host.asked.take()
    }

    pub(crate) fn states(&self) -> Vec<(String, String, LifeSpan)> {
        self.host.states.take()
    }

    pub(crate) fn declared(&self, name: &str) -> Option<PropertyDeclaration> {
        self.host.declared.borrow().get(name).cloned()
    }

    /// What was logged since the last time.
    pub(crate) fn logged(&self) -> Vec<(LogLevel, String)> {
        self.host.log.take()
    }
}
