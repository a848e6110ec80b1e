//! Functions that the embedder offers to plugins by name.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use enginebay_abi::property::PropertyPath;
use enginebay_abi::{LogLevel, Status};

use crate::{ContextId, LifeSpan, PropertyDeclaration};

/// A function that plugins call by its name (`proxy_call_foreign_function`). A closure of the same form is one too.
///
/// One function serves the VMs of all threads; what it keeps for each VM goes into [`ForeignCall::vm_data`].
pub trait ForeignFunction: Send + Sync {
    /// Runs the function. The status is what the plugin gets; with one other than `OK` the results are lost.
    fn call(&self, call: &mut ForeignCall<'_>) -> Status;
}

impl<F: Fn(&mut ForeignCall<'_>) -> Status + Send + Sync> ForeignFunction for F {
    fn call(&self, call: &mut ForeignCall<'_>) -> Status {
        self(call)
    }
}

/// Foreign functions by name. Cheap to clone; a clone that gets another function leaves the original as it was.
///
/// ```
/// use enginebay_host::abi::Status;
/// use enginebay_host::{ForeignCall, ForeignFunctions};
///
/// fn path_length(call: &mut ForeignCall<'_>) -> Status {
///     let mut path = Vec::new();
///     if !call.property(&["request", "path"], &mut path) {
///         return Status::NotFound;
///     }
///     let length = path.len() as u32;
///     call.results().extend_from_slice(&length.to_le_bytes());
///     Status::Ok
/// }
///
/// /// How often this plugin's VM called it.
/// #[derive(Default)]
/// struct Count(u32);
///
/// let functions = ForeignFunctions::default()
///     .with("path_length", path_length)
///     .with("count", |call: &mut ForeignCall<'_>| {
///         let count = call.vm_data::<Count>();
///         count.0 += 1;
///         let count = count.0.to_le_bytes();
///         call.results().extend_from_slice(&count);
///         Status::Ok
///     });
/// assert!(functions.contains("count"));
/// ```
///
/// [`Platform::foreign_functions`](crate::Platform::foreign_functions) hands them to a VM.
#[derive(Clone)]
pub struct ForeignFunctions {
    functions: Arc<BTreeMap<String, Arc<dyn ForeignFunction>>>,
    max_results: usize,
}

impl Default for ForeignFunctions {
    fn default() -> Self {
        ForeignFunctions {
            functions: Arc::default(),
            max_results: Self::MAX_RESULTS,
        }
    }
}

impl ForeignFunctions {
    /// The most bytes that a function may return, if [`ForeignFunctions::with_max_results`] says nothing else: 64 MiB.
    pub const MAX_RESULTS: usize = 64 << 20;

    /// Adds a function, in the place of one of that name.
    pub fn with(mut self, name: impl Into<String>, function: impl ForeignFunction + 'static) -> Self {
        Arc::make_mut(&mut self.functions).insert(name.into(), Arc::new(function));
        self
    }

    /// Adds these functions, in the places of those with the same names.
    pub fn with_all(mut self, others: &ForeignFunctions) -> Self {
        let others = others.functions.iter();
        Arc::make_mut(&mut self.functions)
            .extend(others.map(|(name, function)| (name.clone(), function.clone())));
        self
    }

    /// Without the function of this name, if there is one.
    pub fn without(mut self, name: &str) -> Self {
        Arc::make_mut(&mut self.functions).remove(name);
        self
    }

    /// Sets the most bytes that a function may return. A call that returns more gets `INTERNAL_FAILURE`, and a line in
    /// the log.
    pub fn with_max_results(mut self, bytes: usize) -> Self {
        self.max_results = bytes;
        self
    }

    /// Whether there is a function of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    /// The function of this name.
    pub fn function(&self, name: &str) -> Option<&dyn ForeignFunction> {
        self.get(name.as_bytes())
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&dyn ForeignFunction> {
        let name = std::str::from_utf8(name).ok()?;
        self.functions.get(name).map(|function| &**function)
    }

    pub(crate) fn max_results(&self) -> usize {
        self.max_results
    }
}

impl fmt::Debug for ForeignFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignFunctions")
            .field("names", &self.functions.keys())
            .field("max_results", &self.max_results)
            .finish()
    }
}

/// What a call acts on: a VM, without the type of its streams; or what a test puts in its place.
///
/// The methods are those of [`ForeignCall`], which embedders see.
pub trait ForeignHost {
    /// As [`ForeignCall::context_id`].
    fn context_id(&self) -> ContextId;
    /// As [`ForeignCall::root_id`].
    fn root_id(&self) -> Option<ContextId>;
    /// As [`ForeignCall::property_at`].
    fn property(&self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool;
    /// As [`ForeignCall::clear_route_cache`].
    fn clear_route_cache(&self) -> Status;
    /// As [`ForeignCall::set_filter_state`].
    fn set_filter_state(&self, key: &[u8], value: &[u8], span: LifeSpan) -> Status;
    /// As [`ForeignCall::declare_property`].
    fn declare_property(&self, name: &[u8], declaration: PropertyDeclaration) -> Status;
    /// As [`ForeignCall::log`].
    fn log(&self, level: LogLevel, message: &str);
}

/// What foreign functions keep for one VM: a value of each type.
#[derive(Default)]
pub struct ForeignData(HashMap<TypeId, Box<dyn Any>>);

impl ForeignData {
    fn of<T: Default + 'static>(&mut self) -> &mut T {
        let fresh = || Box::new(T::default()) as Box<dyn Any>;
        let value = self.0.entry(TypeId::of::<T>()).or_insert_with(fresh);
        match value.downcast_mut() {
            Some(value) => value,
            None => unreachable!("the key is the type of the value"),
        }
    }
}

/// One call of a foreign function.
pub struct ForeignCall<'a> {
    arguments: &'a [u8],
    results: &'a mut Vec<u8>,
    max_results: usize,
    data: &'a mut ForeignData,
    host: &'a dyn ForeignHost,
}

impl<'a> ForeignCall<'a> {
    /// A call with these arguments. VMs make them themselves; this is for tests of functions.
    pub fn new(
        arguments: &'a [u8],
        results: &'a mut Vec<u8>,
        data: &'a mut ForeignData,
        host: &'a dyn ForeignHost,
    ) -> Self {
        ForeignCall {
            arguments,
            results,
            max_results: ForeignFunctions::MAX_RESULTS,
            data,
            host,
        }
    }

    pub(crate) fn with_max_results(mut self, bytes: usize) -> Self {
        self.max_results = bytes;
        self
    }

    /// What the plugin passed.
    pub fn arguments(&self) -> &'a [u8] {
        self.arguments
    }

    /// What the plugin gets back with the status `OK`; empty at first.
    pub fn results(&mut self) -> &mut Vec<u8> {
        self.results
    }

    /// The most bytes that the results may have; with more, the plugin gets `INTERNAL_FAILURE` instead.
    pub fn max_results(&self) -> usize {
        self.max_results
    }

    /// The context that the call acts on: the one whose callback runs, or what `proxy_set_effective_context` named.
    pub fn context_id(&self) -> ContextId {
        self.host.context_id()
    }

    /// The root context of that context, which is itself if it is one; `None` while the module starts.
    pub fn root_id(&self) -> Option<ContextId> {
        self.host.root_id()
    }

    /// Writes a property to `out`, which is to be empty, or says that there is none: all that `proxy_get_property` would
    /// answer. No path, or a part with a NUL in it, has none.
    pub fn property(&mut self, path: &[&str], out: &mut Vec<u8>) -> bool {
        let path = enginebay_abi::property::encode(path);
        PropertyPath::parse(&path).is_ok_and(|path| self.property_at(path, out))
    }

    /// Likewise, with a path as plugins pass it.
    pub fn property_at(&mut self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        self.host.property(path, out)
    }

    /// Has the route of the stream chosen anew. `OK` where there is no stream, as on Envoy.
    pub fn clear_route_cache(&mut self) -> Status {
        self.host.clear_route_cache()
    }

    /// Puts a string into the stream's filter state; `NOT_FOUND` where there is no stream.
    pub fn set_filter_state(&mut self, key: &[u8], value: &[u8], span: LifeSpan) -> Status {
        self.host.set_filter_state(key, value, span)
    }

    /// Says what kind of property this is when streams of this plugin set it. `name` is the path as plugins pass it to
    /// `proxy_set_property`.
    ///
    /// A second declaration of a name is `BAD_ARGUMENT`, and what is more than
    /// [`VmLimits`](crate::VmLimits) allow, in number or in length, `INTERNAL_FAILURE`. As on Envoy, only what a root context
    /// declares is used; a stream gets `OK`, and that is all.
    pub fn declare_property(&mut self, name: &[u8], declaration: PropertyDeclaration) -> Status {
        self.host.declare_property(name, declaration)
    }

    /// What functions keep of this type for the VM; made when it is first asked for, dropped with the VM. A plugin decides
    /// how often a function is called: what a function keeps is the function's to bound.
    pub fn vm_data<T: Default + 'static>(&mut self) -> &mut T {
        self.data.of()
    }

    /// Logs a message as the host's own, if that level is logged.
    pub fn log(&self, level: LogLevel, message: &str) {
        self.host.log(level, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_that_gets_a_function_leaves_the_original() {
        let ok = |_: &mut ForeignCall<'_>| Status::Ok;
        let one = ForeignFunctions::default().with("one", ok);
        let two = one.clone().with("two", ok);
        assert!(one.contains("one") && !one.contains("two"));
        assert_eq!(two.names().collect::<Vec<_>>(), ["one", "two"]);
        assert!(!two.clone().without("one").contains("one"));
        let three = ForeignFunctions::default().with("three", ok).with_all(&two);
        assert_eq!(three.names().count(), 3);
        assert!(three.get(b"\xff").is_none());
    }

    #[test]
    fn there_is_one_value_of_each_type() {
        let mut data = ForeignData::default();
        *data.of::<u32>() = 7;
        data.of::<String>().push('x');
        assert_eq!(*data.of::<u32>(), 7);
        assert_eq!(data.of::<String>(), "x");
        assert_eq!(*data.of::<u64>(), 0);
    }
}
