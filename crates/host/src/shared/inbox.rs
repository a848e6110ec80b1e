//! What other VMs have for one VM to do.

use std::sync::{Arc, Mutex};

use super::lock;

/// Wakes the thread of a VM: it should call [`Vm::deliver`](crate::Vm::deliver) soon. May be called on any thread,
/// while another VM's callback runs, and more often than there is something to do.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// The queues of one VM that have new items.
pub(crate) struct Inbox {
    waker: Option<Waker>,
    ready: Mutex<Vec<Ready>>,
}

/// A queue, and for how many new items the plugin has to be told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) context: u32,
    pub(crate) queue: u32,
    pub(crate) times: u32,
}

impl Inbox {
    pub(crate) fn new(waker: Option<Waker>) -> Self {
        Inbox {
            waker,
            ready: Mutex::default(),
        }
    }

    /// Notes a new item. As many notes are kept as a queue can have items, in one place for each queue.
    pub(crate) fn note(&self, context: u32, queue: u32, most: u32) {
        let mut ready = lock(&self.ready);
        match ready
            .iter_mut()
            .find(|entry| (entry.context, entry.queue) == (context, queue))
        {
            Some(entry) => entry.times = entry.times.saturating_add(1).min(most),
            None => ready.push(Ready {
                context,
                queue,
                times: 1,
            }),
        }
        drop(ready);
        if let Some(waker) = &self.waker {
            waker();
        }
    }

    /// Takes one note out.
    pub(crate) fn take(&self) -> Option<(u32, u32)> {
        let mut ready = lock(&self.ready);
        let entry = ready.first_mut()?;
        let note = (entry.context, entry.queue);
        entry.times -= 1;
        if entry.times == 0 {
            ready.remove(0);
        }
        Some(note)
    }

    /// How many notes there are.
    pub(crate) fn len(&self) -> u64 {
        lock(&self.ready).iter().map(|entry| u64::from(entry.times)).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn each_item_is_one_note_up_to_a_bound() {
        let woken = Arc::new(AtomicUsize::new(0));
        let counter = woken.clone();
        let waker: Waker = Arc::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let inbox = Inbox::new(Some(waker));
        for _ in 0..5 {
            inbox.note(1, 10, 3);
        }
        inbox.note(1, 11, 3);
        assert_eq!(woken.load(Ordering::Relaxed), 6);
        assert_eq!(inbox.len(), 4);
        let notes: Vec<_> = std::iter::from_fn(|| inbox.take()).collect();
        assert_eq!(notes, [(1, 10), (1, 10), (1, 10), (1, 11)]);
    }
}
