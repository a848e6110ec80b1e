//! A connection through the guest of TCP streams.

use std::ops::DerefMut;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use enginebay::abi::{Action, BufferType, PeerType, Status, StreamType};
use enginebay::{Body, StreamState, VmConfig};
use libtest_mimic::Failed;

use crate::exchange::start;
use crate::loader::Loader;
use crate::page::Page;
use crate::{Check, Code, same};

/// A connection: what the plugin is configured with, what the client sends, and the page that it must give.
struct Case {
    name: &'static str,
    config: &'static str,
    sent: &'static str,
    page: &'static str,
}

const CASES: &[Case] = &[
    Case {
        name: "tcp_connection",
        config: "",
        sent: "hello",
        page: "
log INFO: tcp_tap: new connection
log INFO: tcp_tap: downstream: 5 bytes, end of stream: false
log INFO: tcp_tap: upstream: 3 bytes, end of stream: true
log INFO: tcp_tap: downstream closed: remote
log INFO: tcp_tap: upstream closed: local
log INFO: tcp_tap: log: 5 bytes from downstream, 3 bytes from upstream
data hello
contexts left 1",
    },
    Case {
        name: "tcp_connection_changed",
        config: r#"{"upper": true}"#,
        sent: "hello",
        page: "
log INFO: tcp_tap: new connection
log INFO: tcp_tap: downstream: 5 bytes, end of stream: false
log INFO: tcp_tap: upstream: 3 bytes, end of stream: true
log INFO: tcp_tap: downstream closed: remote
log INFO: tcp_tap: upstream closed: local
log INFO: tcp_tap: log: 5 bytes from downstream, 3 bytes from upstream
data HELLO
contexts left 1",
    },
    Case {
        name: "tcp_connection_closed",
        config: r#"{"close_on": "quit"}"#,
        sent: "quit",
        page: "
log INFO: tcp_tap: new connection
log INFO: tcp_tap: downstream: 4 bytes, end of stream: false
log INFO: tcp_tap: closing
paused
log INFO: tcp_tap: upstream: 3 bytes, end of stream: true
log INFO: tcp_tap: downstream closed: remote
log INFO: tcp_tap: upstream closed: local
log INFO: tcp_tap: log: 4 bytes from downstream, 3 bytes from upstream
data quit
closed DOWNSTREAM
contexts left 1",
    },
];

#[derive(Default)]
struct Connection {
    downstream: Body,
    closed: Option<StreamType>,
}

impl StreamState for Connection {
    fn buffer(&mut self, buffer: BufferType) -> Option<impl DerefMut<Target = Body>> {
        (buffer == BufferType::DownstreamData).then_some(&mut self.downstream)
    }

    fn close_stream(&mut self, stream: StreamType) -> Status {
        self.closed = Some(stream);
        Status::Ok
    }
}

/// One check for each connection.
pub(crate) fn checks(loader: &Arc<Loader>) -> impl Iterator<Item = Check> {
    CASES.iter().map(|case| {
        let loader = loader.clone();
        Check::new(case.name, move || check(&loader, case))
    })
}

fn check(loader: &Loader, case: &Case) -> Result<(), Failed> {
    let program = loader.program(&Code::Guest("tcp_tap"))??;
    let page = Rc::new(Page::new(&[]));
    let (vm, root) = start(&program, VmConfig::default(), case.config, &page)?;
    let mut connection = Connection::default();
    connection
        .downstream
        .push(Bytes::from_static(case.sent.as_bytes()));
    let id = vm.create_stream(root, connection)?;
    vm.on_new_connection(id)?;
    if vm.on_downstream_data(id, case.sent.len(), false)? != Action::Continue {
        page.line("paused");
    }
    vm.on_upstream_data(id, 3, true)?;
    vm.on_downstream_connection_close(id, PeerType::Remote)?;
    vm.on_upstream_connection_close(id, PeerType::Local)?;
    let left = vm
        .stream(id)
        .map(|stream| (stream.downstream.to_bytes(), stream.closed));
    vm.finish_connection(id)?;
    if let Some((data, closed)) = left {
        page.line(format!("data {}", String::from_utf8_lossy(&data)));
        if let Some(closed) = closed {
            page.line(format!("closed {closed}"));
        }
    }
    page.line(format!("contexts left {}", vm.context_count()));
    Ok(same(&page.to_string(), case.page)?)
}
