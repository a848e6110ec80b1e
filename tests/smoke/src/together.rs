//! Two plugins with callouts under way on one thread: each must hear of its own.

use std::rc::Rc;
use std::sync::Arc;

use enginebay::VmConfig;
use enginebay::engine::Engine;
use enginebay::host::Program;
use libtest_mimic::Failed;

use crate::exchange::{Stream, start};
use crate::loader::Loader;
use crate::page::Page;
use crate::upstreams::{Answer, Named};
use crate::{Check, Code, same};

/// A guest, what its two VMs are answered, and the page that each gives.
struct Pair {
    name: &'static str,
    guest: &'static str,
    headers: &'static [(&'static str, &'static str)],
    upstreams: [Named; 2],
    pages: [&'static str; 2],
}

const PAIRS: &[Pair] = &[
    Pair {
        name: "http_calls_of_two_plugins",
        guest: "callout",
        headers: &[],
        upstreams: [
            &[("callout", Answer::Http("200", "one"))],
            &[("callout", Answer::Http("204", ""))],
        ],
        pages: [
            "
log INFO: callout 1: 200, 3 bytes, 0 trailers
log INFO: callout 2: 200, 3 bytes, 0 trailers
request x-callout-1: 200
request x-callout-2: 200",
            "
log INFO: callout 1: 204, 0 bytes, 0 trailers
log INFO: callout 2: 204, 0 bytes, 0 trailers
request x-callout-1: 204
request x-callout-2: 204",
        ],
    },
    Pair {
        name: "grpc_streams_of_two_plugins",
        guest: "grpc_callout",
        headers: &[("x-grpc", "stream")],
        upstreams: [
            &[("grpc", Answer::Grpc(0, ""))],
            &[("grpc", Answer::Grpc(5, "gone"))],
        ],
        pages: [
            "
log INFO: grpc_callout: initial metadata: 1
log INFO: grpc_callout: x-to: you
log INFO: grpc_callout: message: 7 bytes
log INFO: grpc_callout: message: 7 bytes
log INFO: grpc_callout: stream closed: status 0
request x-grpc: stream
request x-grpc-status: 0
request x-grpc-messages: 2
request x-grpc-message-bytes: 14",
            "
log INFO: grpc_callout: initial metadata: 1
log INFO: grpc_callout: x-to: you
log INFO: grpc_callout: message: 7 bytes
log INFO: grpc_callout: message: 7 bytes
log INFO: grpc_callout: stream closed: status 5
request x-grpc: stream
request x-grpc-status: 5
request x-grpc-messages: 2
request x-grpc-message-bytes: 14
request x-grpc-status-message: gone",
        ],
    },
];

/// One check for each pair.
pub(crate) fn checks(loader: &Arc<Loader>) -> impl Iterator<Item = Check> {
    PAIRS.iter().map(|pair| {
        let loader = loader.clone();
        Check::new(pair.name, move || check(&loader, pair))
    })
}

fn check(loader: &Loader, pair: &Pair) -> Result<(), Failed> {
    let program = loader.program(&Code::Guest(pair.guest))??;
    let pages = run(loader.engine()?, &program, pair)?;
    for (page, expected) in pages.iter().zip(pair.pages) {
        same(&page.to_string(), expected)?;
    }
    Ok(())
}

/// Both send all they have before either is told anything; then the second is told first, in turns.
fn run(engine: &dyn Engine, program: &Arc<Program>, pair: &Pair) -> Result<[Rc<Page>; 2], Failed> {
    let pages = pair.upstreams.map(|upstreams| Rc::new(Page::new(upstreams)));
    let mut sides = Vec::new();
    for page in &pages {
        let (vm, root) = start::<Stream>(program, VmConfig::default(), "", page)?;
        let mut stream = Stream::default();
        for (name, value) in pair.headers {
            stream.request.push_valid(name, value);
        }
        let id = vm.create_stream(root, stream)?;
        vm.on_request_headers(id, pair.headers.len(), true)?;
        sides.push((vm, id, page));
    }
    let [one, two] = pages.each_ref().map(|page| page.upstreams().under_way());
    if one.is_empty() || two.is_empty() {
        return Err(format!("nothing under way: {one:?}, {two:?}").into());
    }
    // Modules number their callouts each for itself; native plugins share what the SDK keeps for the thread.
    if engine.native() && one.iter().any(|id| two.contains(id)) {
        return Err(format!("one number for two callouts: {one:?}, {two:?}").into());
    }
    loop {
        let mut told = false;
        for (vm, _, page) in sides.iter().rev() {
            told |= page.upstreams().deliver_one(vm)?;
        }
        if !told {
            break;
        }
    }
    for (vm, id, page) in &sides {
        if vm.stream(*id).is_some_and(|stream| !stream.resumed) {
            page.line("still paused");
        }
        if let Some(stream) = vm.stream(*id) {
            page.headers("request", &stream.request);
        }
    }
    Ok(pages)
}
