//! The contexts of a VM by id.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use enginebay_abi::Status;
use enginebay_abi::property::PropertyPath;

use crate::state::PluginConfig;
use crate::{PropertyDeclaration, VmLimits};

/// What a plugin declared of the properties that its streams set, by path.
#[derive(Default)]
pub(crate) struct Declarations(BTreeMap<Box<[u8]>, PropertyDeclaration>);

impl Declarations {
    pub(crate) fn declare(
        &mut self,
        limits: &VmLimits,
        name: &[u8],
        declaration: PropertyDeclaration,
    ) -> Status {
        // No name is one too, as on Envoy, of nothing that can be set.
        let path = PropertyPath::parse(name).map_or(name, |path| path.as_bytes());
        if self.0.contains_key(path) {
            return Status::BadArgument;
        }
        if self.0.len() >= limits.declared_properties || path.len() > limits.declared_path {
            return Status::InternalFailure;
        }
        self.0.insert(path.into(), declaration);
        Status::Ok
    }

    pub(crate) fn get(&self, path: PropertyPath<'_>) -> Option<&PropertyDeclaration> {
        self.0.get(path.as_bytes())
    }
}

/// A root context: one plugin in its VM.
pub(crate) struct Root<S> {
    pub(crate) plugin: Rc<PluginConfig>,
    /// How often `proxy_on_tick` is due; `None` for never.
    pub(crate) tick_period: Option<Duration>,
    /// The stream that it logs, while it does.
    pub(crate) logged: Option<S>,
    pub(crate) declarations: Declarations,
}

/// What a context is for.
pub(crate) enum Kind<S> {
    /// In a box, because there are few, and streams' slots had to be as large.
    Root(Box<Root<S>>),
    /// A stream of the plugin whose root context has this id.
    Stream { root: u32, state: S },
}

pub(crate) struct Context<S> {
    id: u32,
    pub(crate) kind: Kind<S>,
    /// `proxy_on_done` returned false: the context goes when the guest calls `proxy_done`.
    pub(crate) pending_done: bool,
    /// How many callouts are under way for it.
    pub(crate) callouts: usize,
    /// Bytes of what they send.
    pub(crate) callout_bytes: usize,
}

/// All contexts. Ids grow by one, as on Envoy, and the slot of an id is its remainder: finding one costs neither
/// a hash nor a search. Ids whose slot is taken by a context that is still alive are passed over.
pub(crate) struct Contexts<S> {
    slots: Vec<Option<Context<S>>>,
    live: usize,
    /// Number of contexts that wait for the guest's `proxy_done`.
    pending: usize,
    ids: Ids,
}

/// Where ids come from.
enum Ids {
    /// This is the next one.
    OfVm(u32),
    /// From the thread's counter: guests that share state on a thread must not meet an id twice.
    OfThread,
}

thread_local! {
    static NEXT_OF_THREAD: Cell<u32> = const { Cell::new(1) };
}

impl Ids {
    /// When the thread's ids are used up they start again here. Root contexts live long and are made early, so theirs
    /// are below; a stream that is older than four billion others is not expected.
    const SECOND_ROUND: u32 = 1 << 20;

    fn next(&mut self) -> u32 {
        match self {
            Ids::OfVm(next) => {
                let id = *next;
                *next = id.checked_add(1).unwrap_or(1);
                id
            }
            Ids::OfThread => NEXT_OF_THREAD.with(|next| {
                let id = next.get();
                next.set(id.checked_add(1).unwrap_or(Self::SECOND_ROUND));
                id
            }),
        }
    }
}

impl<S> Contexts<S> {
    const INITIAL_SLOTS: usize = 64;

    pub(crate) fn new() -> Self {
        Self::with(Ids::OfVm(1))
    }

    /// Contexts whose ids no other VM of the thread that was made with this uses.
    pub(crate) fn with_ids_of_thread() -> Self {
        Self::with(Ids::OfThread)
    }

    fn with(ids: Ids) -> Self {
        Contexts {
            slots: std::iter::repeat_with(|| None)
                .take(Self::INITIAL_SLOTS)
                .collect(),
            live: 0,
            pending: 0,
            ids,
        }
    }

    /// The power of two that the number of slots is keeps this one instruction.
    #[inline]
    fn slot(&self, id: u32) -> usize {
        id as usize & (self.slots.len() - 1)
    }

    // In the caller, so that a context is made in its slot: one that is made elsewhere and read at once is waited for.
    #[inline(always)]
    pub(crate) fn insert(&mut self, kind: Kind<S>) -> u32 {
        if self.live * 2 >= self.slots.len() {
            self.grow();
        }
        // At most half of the slots are taken, so this ends.
        let (id, slot) = loop {
            let id = self.ids.next();
            let slot = self.slot(id);
            if self.slots[slot].is_none() {
                break (id, slot);
            }
        };
        self.slots[slot] = Some(Context {
            id,
            kind,
            pending_done: false,
            callouts: 0,
            callout_bytes: 0,
        });
        self.live += 1;
        id
    }

    #[cold]
    fn grow(&mut self) {
        let len = self.slots.len() * 2;
        let old = std::mem::replace(
            &mut self.slots,
            std::iter::repeat_with(|| None).take(len).collect(),
        );
        for context in old.into_iter().flatten() {
            // Ids that differ modulo the old length differ modulo twice that length too.
            let slot = self.slot(context.id);
            self.slots[slot] = Some(context);
        }
    }

    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<&Context<S>> {
        self.slots[self.slot(id)]
            .as_ref()
            .filter(|context| context.id == id)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Context<S>> {
        let slot = self.slot(id);
        self.slots[slot].as_mut().filter(|context| context.id == id)
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Context<S>> {
        let slot = self.slot(id);
        let place = &mut self.slots[slot];
        let context = place.as_ref().filter(|context| context.id == id)?;
        self.live -= 1;
        self.pending -= usize::from(context.pending_done);
        // Moved as a whole, and after it was looked at: a part that is read while the rest is on its way is waited for.
        place.take()
    }

    /// Has a context wait for the guest's `proxy_done`, unless that many wait already. Says whether it does.
    pub(crate) fn set_pending(&mut self, id: u32, most: usize) -> bool {
        if self.pending >= most {
            return false;
        }
        if let Some(context) = self.get_mut(id) {
            context.pending_done = true;
            self.pending += 1;
        }
        true
    }

    /// The guest's `proxy_done`. Says whether the context waited for it.
    pub(crate) fn end_pending(&mut self, id: u32) -> bool {
        let waited = self
            .get_mut(id)
            .is_some_and(|context| std::mem::take(&mut context.pending_done));
        self.pending -= usize::from(waited);
        waited
    }

    /// Takes out the contexts that wait for the guest's `proxy_done`.
    pub(crate) fn take_pending(&mut self) -> Vec<Context<S>> {
        let pending = |slot: &mut Option<Context<S>>| slot.take_if(|context| context.pending_done);
        let taken: Vec<_> = self.slots.iter_mut().filter_map(pending).collect();
        self.live -= taken.len();
        self.pending = 0;
        taken
    }

    /// Number of contexts, root contexts among them.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// The root context that a context belongs to: itself, if it is one. 0 for a context that isn't there.
    pub(crate) fn root_of(&self, id: u32) -> u32 {
        match self.get(id).map(|context| &context.kind) {
            Some(Kind::Root(_)) => id,
            Some(Kind::Stream { root, .. }) => *root,
            None => 0,
        }
    }

    /// The plugin that a context belongs to.
    pub(crate) fn plugin_of(&self, id: u32) -> Option<&Rc<PluginConfig>> {
        match &self.get(id)?.kind {
            Kind::Root(root) => Some(&root.plugin),
            Kind::Stream { root, .. } => match &self.get(*root)?.kind {
                Kind::Root(root) => Some(&root.plugin),
                Kind::Stream { .. } => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(contexts: &mut Contexts<u32>, state: u32) -> u32 {
        contexts.insert(Kind::Stream { root: 0, state })
    }

    fn state(contexts: &Contexts<u32>, id: u32) -> Option<u32> {
        match contexts.get(id)?.kind {
            Kind::Stream { state, .. } => Some(state),
            Kind::Root(_) => None,
        }
    }

    #[test]
    fn ids_start_at_one_and_are_not_used_again() {
        let mut contexts = Contexts::new();
        assert_eq!(stream(&mut contexts, 10), 1);
        assert_eq!(stream(&mut contexts, 20), 2);
        contexts.remove(2);
        assert_eq!(stream(&mut contexts, 30), 3);
        assert_eq!(state(&contexts, 2), None);
        assert_eq!(contexts.len(), 2);
    }

    #[test]
    fn a_long_lived_context_is_passed_over_and_never_lost() {
        let mut contexts = Contexts::new();
        let root = stream(&mut contexts, 7);
        for n in 0..1000 {
            let id = stream(&mut contexts, n);
            assert_eq!(state(&contexts, id), Some(n));
            contexts.remove(id);
        }
        assert_eq!(state(&contexts, root), Some(7));
        assert_eq!(contexts.slots.len(), Contexts::<u32>::INITIAL_SLOTS);
    }

    #[test]
    fn many_at_once() {
        let mut contexts = Contexts::new();
        let ids: Vec<u32> = (0..10_000).map(|n| stream(&mut contexts, n)).collect();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(state(&contexts, *id), Some(n as u32));
        }
        for id in ids {
            assert!(contexts.remove(id).is_some());
            assert!(contexts.remove(id).is_none());
        }
        assert_eq!(contexts.len(), 0);
    }

    #[test]
    fn ids_wrap_around() {
        let mut contexts = Contexts::new();
        let root = stream(&mut contexts, 7);
        contexts.ids = Ids::OfVm(u32::MAX);
        assert_eq!(stream(&mut contexts, 1), u32::MAX);
        assert_eq!(stream(&mut contexts, 2), 2);
        assert_eq!(state(&contexts, root), Some(7));
    }

    #[test]
    fn ids_of_a_thread_are_different_in_all_its_vms() {
        let (mut one, mut two) = (Contexts::with_ids_of_thread(), Contexts::with_ids_of_thread());
        let root = stream(&mut one, 1);
        let mut ids = vec![root];
        for n in 0..1000 {
            ids.push(stream(&mut one, n));
            ids.push(stream(&mut two, n));
            one.remove(ids[ids.len() - 2]);
        }
        NEXT_OF_THREAD.set(u32::MAX);
        ids.push(stream(&mut one, 7));
        ids.push(stream(&mut two, 8));
        ids.push(stream(&mut one, 9));
        assert!(ids[2001] == u32::MAX && ids[2002..].iter().all(|id| *id >= Ids::SECOND_ROUND));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 2004);
        assert_eq!(state(&one, root), Some(1));
    }
}
