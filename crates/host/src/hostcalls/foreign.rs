//! Section "Foreign function interface".

use enginebay_abi::property::PropertyPath;
use enginebay_abi::{LogLevel, Status};
use enginebay_engine::HostError;

use super::{Cx, Outcome, array, finish, properties, status};
use crate::contexts::Kind;
use crate::state::VmState;
use crate::{ContextId, ForeignCall, ForeignHost, LifeSpan, PropertyDeclaration, StreamState};

pub(super) fn call_foreign_function<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    let [
        name,
        name_size,
        arguments,
        arguments_size,
        return_data,
        return_size,
    ] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let memory = cx.memory();
        let name = memory.read(name, name_size)?;
        let arguments = memory.read(arguments, arguments_size)?;
        let functions = &state.foreign_functions;
        let function = functions.get(name).ok_or(Status::NotFound)?;
        let mut results = Vec::new();
        let answer = {
            let mut data = state
                .foreign_data
                .try_borrow_mut()
                .map_err(|_| HostError::other("a foreign function was called from another"))?;
            let call = ForeignCall::new(arguments, &mut results, &mut data, state);
            function.call(&mut call.with_max_results(functions.max_results()))
        };
        finish(answer)?;
        if results.len() > functions.max_results() {
            state.log(
                LogLevel::Warn,
                &format!(
                    "the foreign function {} returned {} bytes; at most {} are allowed",
                    name.escape_ascii(),
                    results.len(),
                    functions.max_results()
                ),
            );
            return Err(Status::InternalFailure.into());
        }
        // A plugin that wants no results gives no place for them.
        if return_data == 0 || return_size == 0 {
            return Ok(());
        }
        cx.give(return_data, return_size, results.len(), |_, out| {
            out.copy_from_slice(&results);
            true
        })
    })
}

impl<S: StreamState> ForeignHost for VmState<S> {
    fn context_id(&self) -> ContextId {
        ContextId(self.context())
    }

    fn root_id(&self) -> Option<ContextId> {
        match self.root() {
            0 => None,
            root => Some(ContextId(root)),
        }
    }

    fn property(&self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        properties::lookup(self, path, out)
    }

    fn clear_route_cache(&self) -> Status {
        self.with_stream(|stream| stream.clear_route_cache())
            .unwrap_or(Status::Ok)
    }

    fn set_filter_state(&self, key: &[u8], value: &[u8], span: LifeSpan) -> Status {
        self.with_stream(|stream| stream.set_filter_state(key, value, span))
            .unwrap_or(Status::NotFound)
    }

    fn declare_property(&self, name: &[u8], declaration: PropertyDeclaration) -> Status {
        let mut contexts = self.contexts.borrow_mut();
        let status = match contexts.get_mut(self.context()).map(|context| &mut context.kind) {
            Some(Kind::Root(root)) => root.declarations.declare(&self.limits, name, declaration),
            Some(Kind::Stream { .. }) => Status::Ok,
            None => Status::BadArgument,
        };
        drop(contexts);
        if status == Status::InternalFailure {
            self.log(
                LogLevel::Warn,
                "a property was not declared: there are too many, or its name is too long",
            );
        }
        status
    }

    fn log(&self, level: LogLevel, message: &str) {
        VmState::log(self, level, message);
    }
}
