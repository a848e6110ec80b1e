//! What a store holds beside the guest.

use std::rc::Rc;
use std::sync::Arc;

use enginebay_engine::{Export, Host};
use wasmi::{Extern, Memory};

use crate::clock::Clock;
use crate::export::ExportedFunction;
use crate::limiter::Limiter;

/// The state of one instance.
pub(crate) struct State {
    pub(crate) host: Rc<dyn Host>,
    pub(crate) clock: Clock,
    pub(crate) limiter: Limiter,
    /// How many calls into the guest are running, one inside the other.
    pub(crate) depth: u32,
    /// The exports the host asked for, by their number.
    pub(crate) wanted: Arc<[Export]>,
    /// Whether `memory` and `exports` were looked up.
    pub(crate) resolved: bool,
    pub(crate) memory: Option<Memory>,
    /// As `wanted`; `None` for what the module doesn't export.
    pub(crate) exports: Box<[Option<ExportedFunction>]>,
}

impl State {
    pub(crate) fn new(host: Rc<dyn Host>, clock: Clock, limiter: Limiter, wanted: Arc<[Export]>) -> Self {
        State {
            host,
            clock,
            limiter,
            depth: 0,
            wanted,
            resolved: false,
            memory: None,
            exports: Box::default(),
        }
    }
}

/// Looks up everything by name, once, so that no call has to.
#[cold]
pub(crate) fn resolve(
    ctx: &mut impl wasmi::AsContextMut<Data = State>,
    export: impl Fn(&mut wasmi::StoreContextMut<'_, State>, &str) -> Option<Extern>,
) {
    let mut ctx = ctx.as_context_mut();
    let wanted = Arc::clone(&ctx.data().wanted);
    let memory = export(&mut ctx, "memory").and_then(Extern::into_memory);
    let exports = wanted
        .iter()
        .map(|wanted| {
            let function = export(&mut ctx, wanted.name)?.into_func()?;
            ExportedFunction::new(&ctx, function, wanted.signature)
        })
        .collect();
    let state = ctx.data_mut();
    state.memory = memory;
    state.exports = exports;
    state.resolved = true;
}
