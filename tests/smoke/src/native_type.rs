//! A plugin that is a Rust type and calls all there is to call: only the runtime of native plugins has it.

use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use enginebay::null::native::{
    Action, Buffer, HostCalls, LogLevel, Map, MetricKind, NativePlugin, Status, Stream as Direction,
};
use enginebay::{VmConfig, null};
use libtest_mimic::Failed;

use crate::exchange::{Stream, start};
use crate::loader::Loader;
use crate::page::Page;
use crate::upstreams::Answer;
use crate::{Check, Code, same};

null::native_plugin!("caller", || Caller {
    stream: 0,
    waits_for: 0
});

/// Calls out by HTTP and gRPC, and resumes the request when all have come back.
struct Caller {
    stream: u32,
    waits_for: u32,
}

fn log(host: &HostCalls<'_>, what: impl Debug) {
    let _ = host.log(LogLevel::Info, &format!("{what:?}"));
}

impl Caller {
    fn call(&self, host: &HostCalls<'_>, upstream: &[u8]) -> [Result<u32, Status>; 3] {
        let headers: [(&[u8], &[u8]); 3] = [(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a")];
        let time = Duration::from_secs(1);
        [
            host.http_call(upstream, &headers, b"", &[], time),
            host.grpc_call(upstream, "s", "m", &[], b"message", time),
            host.grpc_stream(upstream, "s", "m", &[]),
        ]
    }

    fn came(&mut self, host: &HostCalls<'_>) {
        self.waits_for -= 1;
        if self.waits_for == 0 {
            // What comes of a callout is told to the root context.
            host.set_effective_context(self.stream).unwrap();
            host.continue_stream(Direction::Request).unwrap();
        }
    }
}

impl NativePlugin for Caller {
    fn on_configure(&mut self, host: &HostCalls<'_>, _: u32, _: usize) -> bool {
        let queue = host.register_queue("mine").unwrap();
        log(
            host,
            (
                host.resolve_queue("", "mine") == Ok(Some(queue)),
                host.enqueue(queue, b"item"),
            ),
        );
        true
    }

    fn on_queue_ready(&mut self, host: &HostCalls<'_>, _: u32, queue: u32) {
        log(host, (host.dequeue(queue), host.dequeue(queue)));
    }

    fn on_request_headers(&mut self, host: &HostCalls<'_>, stream: u32, _: usize, _: bool) -> Action {
        self.stream = stream;
        log(host, self.call(host, b"nobody"));
        let [http, _, _] = self.call(host, b"http");
        let [_, call, stream] = self.call(host, b"grpc");
        self.waits_for = 3;
        log(host, [http, call].map(|id| id.is_ok()));
        host.grpc_send(stream.unwrap(), b"sent", false).unwrap();
        host.grpc_close(stream.unwrap()).unwrap();
        let cancelled = self.call(host, b"grpc")[1].unwrap();
        log(host, (host.grpc_cancel(cancelled), host.grpc_cancel(3)));
        let counter = host.define_metric(MetricKind::Counter, "calls").unwrap();
        host.increment_metric(counter, 2).unwrap();
        log(host, host.metric(counter));
        log(host, host.set_shared_data(b"k", b"v", None));
        log(
            host,
            host.shared_data(b"k").map(|found| found.map(|(value, _)| value)),
        );
        log(host, host.call_foreign_function("nope", b""));
        let packed = host.call_foreign_function("compress", b"text").unwrap();
        log(host, host.call_foreign_function("uncompress", &packed));
        Action::Pause
    }

    fn on_http_call_response(
        &mut self,
        host: &HostCalls<'_>,
        _: u32,
        _: u32,
        headers: usize,
        size: usize,
        _: usize,
    ) {
        log(host, (headers, host.header(Map::HttpCallHeaders, b":status")));
        log(host, host.buffer(Buffer::HttpCallBody, 0, size));
        self.came(host);
    }

    fn on_grpc_initial_metadata(&mut self, host: &HostCalls<'_>, _: u32, _: u32, elements: usize) {
        log(host, (elements, host.header(Map::GrpcInitialMetadata, b"x-to")));
    }

    fn on_grpc_message(&mut self, host: &HostCalls<'_>, _: u32, _: u32, size: usize) {
        log(host, host.buffer(Buffer::GrpcMessage, 0, size));
    }

    fn on_grpc_close(&mut self, host: &HostCalls<'_>, _: u32, _: u32, status: u32) {
        log(host, (status, host.call_status()));
        self.came(host);
    }
}

const PAGE: &str = "
log INFO: (true, Ok(()))
log INFO: (Ok(Some([105, 116, 101, 109])), Ok(None))
log INFO: [Err(Status(2: bad argument)), Err(Status(4: parse failure)), Err(Status(4: parse failure))]
log INFO: [true, true]
log INFO: (Ok(()), Err(Status(2: bad argument)))
log INFO: Ok(2)
log INFO: Ok(())
log INFO: Ok(Some([118]))
log INFO: Err(Status(1: not found))
log INFO: Ok([116, 101, 120, 116])
log INFO: (1, Ok(Some([50, 48, 48])))
log INFO: Ok([98, 111, 100, 121])
log INFO: (1, Ok(Some([121, 111, 117])))
log INFO: (5, Ok((5, [103, 111, 110, 101])))
log INFO: (1, Ok(Some([121, 111, 117])))
log INFO: Ok([115, 101, 110, 116])
log INFO: (5, Ok((5, [103, 111, 110, 101])))
log INFO: (1, Ok(Some([121, 111, 117])))
resumed true
under way 0";

/// The one check. Only runtimes of native plugins have the plugin.
pub(crate) fn check_of(loader: &Arc<Loader>) -> Check {
    let loader = loader.clone();
    Check::new("a_type_that_calls", move || check(&loader))
}

fn check(loader: &Loader) -> Result<(), Failed> {
    let program = loader.program(&Code::Guest("caller"))??;
    let page = Rc::new(Page::new(&[
        ("http", Answer::Http("200", "body")),
        ("grpc", Answer::Grpc(5, "gone")),
    ]));
    let (vm, root) = start::<Stream>(&program, VmConfig::default(), "", &page)?;
    vm.deliver()?;
    let id = vm.create_stream(root, Stream::default())?;
    vm.on_request_headers(id, 0, true)?;
    while page.upstreams().deliver_one(&vm)? {}
    let resumed = vm.stream(id).is_some_and(|stream| stream.resumed);
    page.line(format!("resumed {resumed}"));
    vm.finish(id)?;
    page.line(format!("under way {}", vm.callout_count()));
    Ok(same(&page.to_string(), PAGE)?)
}
