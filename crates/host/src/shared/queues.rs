//! Shared queues.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, Weak};

use super::{Inbox, SharedLimits, lock};

/// All queues, by their number.
pub(crate) struct Queues {
    limits: SharedLimits,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// The numbers of the queues of each `vm_id` by name.
    names: HashMap<String, HashMap<Box<[u8]>, u32>>,
    queues: HashMap<u32, Queue>,
    last: u32,
}

struct Queue {
    items: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// Who registered it last.
    inbox: Weak<Inbox>,
    context: u32,
}

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Why an item could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnqueueError {
    NoQueue,
    Full,
}

/// Why there is no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DequeueError {
    NoQueue,
    Empty,
}

impl Queues {
    pub(crate) fn new(limits: SharedLimits) -> Self {
        Queues {
            limits,
            table: Mutex::default(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.table).queues.len()
    }

    /// Opens or makes a queue; what is in it stays.
    pub(crate) fn register(
        &self,
        vm_id: &str,
        name: &[u8],
        inbox: &Arc<Inbox>,
        context: u32,
    ) -> Result<u32, Full> {
        let mut table = lock(&self.table);
        let Table { names, queues, last } = &mut *table;
        let of_vm = names.entry(vm_id.to_owned()).or_default();
        let number = match of_vm.get(name) {
            Some(number) => *number,
            None => {
                if of_vm.len() >= self.limits.queues || name.len() > self.limits.name_bytes {
                    return Err(Full);
                }
                // 0 is no queue, as on Envoy.
                let mut number = *last;
                loop {
                    number = number.checked_add(1).unwrap_or(1);
                    if !queues.contains_key(&number) {
                        break;
                    }
                }
                *last = number;
                of_vm.insert(name.into(), number);
                number
            }
        };
        let queue = queues.entry(number).or_insert_with(|| Queue {
            items: VecDeque::new(),
            bytes: 0,
            inbox: Weak::new(),
            context,
        });
        queue.inbox = Arc::downgrade(inbox);
        queue.context = context;
        Ok(number)
    }

    pub(crate) fn resolve(&self, vm_id: &str, name: &[u8]) -> Option<u32> {
        lock(&self.table).names.get(vm_id)?.get(name).copied()
    }

    pub(crate) fn enqueue(&self, number: u32, item: &[u8]) -> Result<(), EnqueueError> {
        let mut table = lock(&self.table);
        let queue = table.queues.get_mut(&number).ok_or(EnqueueError::NoQueue)?;
        let bytes = queue.bytes.saturating_add(item.len());
        if queue.items.len() >= self.limits.queue_items || bytes > self.limits.queue_bytes {
            return Err(EnqueueError::Full);
        }
        queue.bytes = bytes;
        queue.items.push_back(item.into());
        let (inbox, context) = (queue.inbox.upgrade(), queue.context);
        // The waker is the embedder's code.
        drop(table);
        if let Some(inbox) = inbox {
            let most = u32::try_from(self.limits.queue_items).unwrap_or(u32::MAX);
            inbox.note(context, number, most);
        }
        Ok(())
    }

    pub(crate) fn dequeue(&self, number: u32) -> Result<Box<[u8]>, DequeueError> {
        let mut table = lock(&self.table);
        let queue = table.queues.get_mut(&number).ok_or(DequeueError::NoQueue)?;
        let item = queue.items.pop_front().ok_or(DequeueError::Empty)?;
        queue.bytes -= item.len();
        Ok(item)
    }

    /// Puts an item back that could not be handed over.
    pub(crate) fn put_back(&self, number: u32, item: Box<[u8]>) {
        if let Some(queue) = lock(&self.table).queues.get_mut(&number) {
            queue.bytes += item.len();
            queue.items.push_front(item);
        }
    }

    /// Removes the queues of a `vm_id`.
    pub(crate) fn remove_all(&self, vm_id: &str) {
        let mut table = lock(&self.table);
        for number in table.names.remove(vm_id).into_iter().flatten().map(|(_, n)| n) {
            table.queues.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(limits: SharedLimits) -> (Queues, Arc<Inbox>) {
        (Queues::new(limits), Arc::new(Inbox::new(None)))
    }

    #[test]
    fn items_come_out_in_the_order_they_went_in() {
        let (queues, inbox) = queues(SharedLimits::default());
        let queue = queues.register("vm", b"q", &inbox, 1).unwrap();
        assert_eq!(queues.resolve("vm", b"q"), Some(queue));
        assert_eq!(queues.resolve("other", b"q"), None);
        assert_eq!(queues.dequeue(queue), Err(DequeueError::Empty));
        assert_eq!(queues.dequeue(queue + 1), Err(DequeueError::NoQueue));
        assert_eq!(queues.enqueue(queue + 1, b""), Err(EnqueueError::NoQueue));
        queues.enqueue(queue, b"1").unwrap();
        queues.enqueue(queue, b"2").unwrap();
        // Registered again, it is the same one, with what is in it.
        assert_eq!(queues.register("vm", b"q", &inbox, 2), Ok(queue));
        let item = queues.dequeue(queue).unwrap();
        queues.put_back(queue, item);
        assert_eq!(*queues.dequeue(queue).unwrap(), *b"1");
        assert_eq!(*queues.dequeue(queue).unwrap(), *b"2");
    }

    #[test]
    fn who_registered_last_hears_of_items() {
        let (queues, first) = queues(SharedLimits::default());
        let second = Arc::new(Inbox::new(None));
        let queue = queues.register("vm", b"q", &first, 1).unwrap();
        queues.enqueue(queue, b"").unwrap();
        queues.register("vm", b"q", &second, 2).unwrap();
        queues.enqueue(queue, b"").unwrap();
        assert_eq!(first.take(), Some((1, queue)));
        assert_eq!(first.take(), None);
        assert_eq!(second.take(), Some((2, queue)));
    }

    #[test]
    fn there_is_room_for_so_much() {
        let (queues, inbox) = queues(SharedLimits {
            queues: 1,
            queue_items: 2,
            queue_bytes: 5,
            name_bytes: 3,
            ..SharedLimits::default()
        });
        assert_eq!(queues.register("vm", b"long", &inbox, 1), Err(Full));
        let queue = queues.register("vm", b"q", &inbox, 1).unwrap();
        assert_eq!(queues.register("vm", b"r", &inbox, 1), Err(Full));
        assert!(queues.register("other", b"r", &inbox, 1).is_ok());
        assert_eq!(queues.enqueue(queue, b"123456"), Err(EnqueueError::Full));
        queues.enqueue(queue, b"123").unwrap();
        assert_eq!(queues.enqueue(queue, b"123"), Err(EnqueueError::Full));
        queues.enqueue(queue, b"").unwrap();
        assert_eq!(queues.enqueue(queue, b""), Err(EnqueueError::Full));
        queues.dequeue(queue).unwrap();
        queues.enqueue(queue, b"12345").unwrap();
    }
}
