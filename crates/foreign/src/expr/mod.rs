//! `expr_create`, `expr_evaluate` and `expr_delete`: CEL expressions over properties.
//!
//! The `cel` crate parses. Its interpreter is not used: it has no bounds, and wants variables that can be shared by
//! threads, which a stream is not. [`compile`] turns what was parsed into a tree that [`eval`] walks, within a budget, and
//! that asks for a property when it comes to it.

mod attribute;
mod budget;
mod compile;
mod eval;
mod functions;
mod loops;
mod operators;
mod time;
mod value;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use enginebay_abi::{LogLevel, Status};
use enginebay_host::{ContextId, ForeignCall};

use crate::Limits;
use compile::Node;

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// Its value is an error, which `&&`, `||` and the like may turn into a value again.
    Value(Cow<'static, str>),
    /// It takes more than it may.
    Exhausted,
}

impl Error {
    fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Error::Value(message.into())
    }
}

/// The expressions of a VM, by the root context of the plugin that made them.
#[derive(Default)]
struct Expressions {
    of: BTreeMap<ContextId, OfRoot>,
    count: usize,
}

#[derive(Default)]
struct OfRoot {
    next: u32,
    expressions: BTreeMap<u32, Rc<Node>>,
}

pub(crate) fn create(call: &mut ForeignCall<'_>, limits: &Limits) -> Status {
    let Some(root) = call.root_id() else {
        return Status::BadArgument;
    };
    let text = call.arguments();
    let node = match text.len() <= limits.expression_bytes {
        true => compile::compile(text),
        false => Err(format!(
            "it has {} bytes; at most {} are allowed",
            text.len(),
            limits.expression_bytes
        )),
    };
    let node = match node {
        Ok(node) => node,
        Err(error) => {
            call.log(LogLevel::Info, &format!("expr_create: {error}"));
            return Status::BadArgument;
        }
    };
    let all = call.vm_data::<Expressions>();
    if all.count >= limits.expressions {
        call.log(LogLevel::Warn, "expr_create: the plugin has too many expressions");
        return Status::InternalFailure;
    }
    all.count += 1;
    let of_root = all.of.entry(root).or_default();
    let token = of_root.insert(Rc::new(node));
    call.results().extend_from_slice(&token.to_le_bytes());
    Status::Ok
}

pub(crate) fn evaluate(call: &mut ForeignCall<'_>, limits: &Limits) -> Status {
    let Some(token) = token(call) else {
        return Status::BadArgument;
    };
    let Some(node) = call.root_id().and_then(|root| {
        let of_root = call.vm_data::<Expressions>().of.get(&root)?;
        of_root.expressions.get(&token).cloned()
    }) else {
        return Status::NotFound;
    };
    match eval::evaluate(call, limits, &node) {
        Ok(Some(value)) => {
            *call.results() = value;
            Status::Ok
        }
        // A value that has no bytes: null, or a type.
        Ok(None) => Status::SerializationFailure,
        Err(Error::Value(error)) => {
            call.log(LogLevel::Debug, &format!("expr_evaluate: {error}"));
            Status::InternalFailure
        }
        Err(Error::Exhausted) => {
            call.log(
                LogLevel::Warn,
                "expr_evaluate: the expression takes too much time or memory",
            );
            Status::InternalFailure
        }
    }
}

/// Deleting what isn't there is no mistake, as on Envoy.
pub(crate) fn delete(call: &mut ForeignCall<'_>) -> Status {
    let (Some(token), Some(root)) = (token(call), call.root_id()) else {
        return Status::BadArgument;
    };
    let all = call.vm_data::<Expressions>();
    let of_root = all.of.get_mut(&root);
    let removed = of_root.and_then(|of_root| of_root.expressions.remove(&token));
    all.count -= usize::from(removed.is_some());
    Status::Ok
}

fn token(call: &ForeignCall<'_>) -> Option<u32> {
    call.arguments().try_into().ok().map(u32::from_le_bytes)
}

impl OfRoot {
    /// Numbers count up from 0, as on Envoy; those in use are passed over when they have all been used once.
    fn insert(&mut self, node: Rc<Node>) -> u32 {
        let mut token = self.next;
        while self.expressions.contains_key(&token) {
            token = token.wrapping_add(1);
        }
        self.next = token.wrapping_add(1);
        self.expressions.insert(token, node);
        token
    }
}
