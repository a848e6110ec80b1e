//! Puts the path of each request into a queue that another VM registered. `x-queued` on the response says `yes`, `no
//! queue`, or the status. The plugin configuration is `VM_ID/QUEUE`; without one, `consumer/items`.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

// A native program that links several plugins calls `start`: there can be one `_initialize` in a program.
#[cfg(not(feature = "linked"))]
proxy_wasm::main! {{ start() }}

/// Says what makes the plugin's contexts.
pub fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| {
        Box::new(Root {
            queue: Rc::new(Queue::new("consumer", "items")),
        })
    });
}

struct Queue {
    vm_id: String,
    name: String,
    /// Its id, once it was found: the consumer may start after us.
    id: Cell<Option<u32>>,
}

impl Queue {
    fn new(vm_id: &str, name: &str) -> Self {
        Self {
            vm_id: vm_id.to_owned(),
            name: name.to_owned(),
            id: Cell::new(None),
        }
    }
}

struct Root {
    queue: Rc<Queue>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        match std::str::from_utf8(text.trim_ascii()).map(|text| (text, text.split_once('/'))) {
            Ok(("", _)) => true,
            Ok((_, Some((vm_id, name)))) => {
                self.queue = Rc::new(Queue::new(vm_id, name));
                true
            }
            _ => false,
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            queue: Rc::clone(&self.queue),
            queued: String::new(),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    queue: Rc<Queue>,
    queued: String,
}

impl Stream {
    fn enqueue(&self, item: &[u8]) -> String {
        let queue = &self.queue;
        let id = queue.id.get();
        let Some(id) = id.or_else(|| self.resolve_shared_queue(&queue.vm_id, &queue.name)) else {
            return "no queue".to_owned();
        };
        queue.id.set(Some(id));
        match self.enqueue_shared_queue(id, Some(item)) {
            Ok(()) => "yes".to_owned(),
            Err(status) => {
                queue.id.set(None);
                format!("{status:?}")
            }
        }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let path = self.get_http_request_header_bytes(":path").unwrap_or_default();
        self.queued = self.enqueue(&path);
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.add_http_response_header("x-queued", &self.queued);
        Action::Continue
    }
}
