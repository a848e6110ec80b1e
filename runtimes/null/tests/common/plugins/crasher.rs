use std::cell::Cell;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

thread_local! {
    /// How many of [`Counted`] were dropped on this thread.
    pub(crate) static DROPPED: Cell<u32> = const { Cell::new(0) };
}

pub(crate) struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.set(DROPPED.get() + 1);
    }
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("and in the destructor");
    }
}

struct LogsInDrop;

impl Drop for LogsInDrop {
    fn drop(&mut self) {
        let _ = hostcalls::log(LogLevel::Info, "call me back");
    }
}

pub(crate) fn start() {
    proxy_wasm::set_root_context(|_| Box::new(Root));
}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn on_tick(&mut self) {
        let _counted = Counted;
        let none: Option<u32> = std::hint::black_box(None);
        none.expect("a tick without a value");
    }
}

struct Stream;

impl Context for Stream {}

impl HttpContext for Stream {
    /// What the number of headers says.
    fn on_http_request_headers(&mut self, what: usize, _: bool) -> Action {
        let _counted = Counted;
        match what {
            1 => panic!("boom {what}"),
            2 => {
                let caught = std::panic::catch_unwind(|| {
                    let _counted = Counted;
                    panic!("not for anybody");
                });
                assert!(caught.is_err());
                assert!(!std::thread::panicking());
                self.add_http_request_header("x-caught", "yes");
            }
            3 => {
                let _bad = PanicsInDrop;
                panic!("first");
            }
            4 => drop(hostcalls::log(LogLevel::Info, "panic in the host")),
            5 => drop(hostcalls::log(LogLevel::Info, "exit")),
            6 => std::panic::panic_any(17u8),
            7 => std::panic::resume_unwind(Box::new("quietly")),
            8 => {
                let _logs = LogsInDrop;
                panic!("with a log");
            }
            9 => {
                let _ = std::panic::catch_unwind(|| panic!("an old one"));
                panic!("a new one\nof two lines");
            }
            10 => self.reset_http_request(),
            11 => {
                let _ = std::panic::catch_unwind(|| hostcalls::log(LogLevel::Info, "exit"));
                // The call is lost, and the host is asked for nothing any more.
                let again = std::panic::catch_unwind(|| hostcalls::log(LogLevel::Info, "anything"));
                assert!(again.is_err());
            }
            _ => {}
        }
        Action::Continue
    }
}
