//! One request: what it is, what may come of it, and whether its client goes away.

use std::time::Duration;

use http::Request;

use crate::body::{Paced, Shape};
use crate::listeners::Listener;
use crate::pattern::Expected;
use crate::random::Random;

/// Bytes of a body that the server holds for plugins, `per_connection_buffer_limit_bytes` by default.
const BUFFER: usize = 1 << 20;

/// When a client goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    Never,
    After(Duration),
    /// After so many frames of the response's body.
    Frames(u64),
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) listener: Listener,
    pub(crate) path: String,
    pub(crate) body: Shape,
    pub(crate) token: bool,
    pub(crate) grpc: Option<&'static str>,
    pub(crate) leave: Leave,
    /// What the response may have.
    pub(crate) statuses: Vec<u16>,
    /// Whether it may end before its end, or not come at all.
    pub(crate) may_break: bool,
    /// If its status is 200.
    pub(crate) expected: Expected,
}

impl Plan {
    pub(crate) fn random(listener: Listener, random: &mut Random) -> Self {
        let mut plan = Plan {
            listener,
            path: String::new(),
            body: body(random),
            token: listener == Listener::Rewrite && !random.once_in(5),
            grpc: None,
            leave: leave(random),
            statuses: vec![200],
            may_break: false,
            expected: Expected::Anything,
        };
        if matches!(listener, Listener::Grpc) {
            plan.grpc = Some(random.one_of(["unary", "stream", "close", "cancel", "none"]));
        }
        plan.go_somewhere(random);
        plan.pass_plugins();
        plan
    }

    /// Chooses a path, with what comes back from there.
    fn go_somewhere(&mut self, random: &mut Random) {
        let upstream = random.one_of(["/1", "/2"]);
        let len = len(random);
        let path = match random.within(0..=19) {
            0..=5 => {
                self.expected = Expected::Pattern(self.body.len);
                "/echo".to_owned()
            }
            6..=8 => {
                self.expected = Expected::Pattern(len);
                format!("/flood?{len}")
            }
            9 | 10 => {
                let len = len.min(256 << 10);
                self.expected = Expected::Pattern(len);
                format!("/drip?{len}")
            }
            11 | 12 => format!("/delay?{}", random.within(0..=60)),
            13 => {
                let status = random.one_of([201, 404, 500, 503]);
                self.statuses = vec![status];
                format!("/status?{status}")
            }
            14 => {
                self.may_break = true;
                format!("/reset?{}", len.min(64 << 10))
            }
            15 => {
                self.statuses = vec![502, 503];
                "/drop".to_owned()
            }
            16 => {
                self.may_break = self.body.len > 0;
                "/early".to_owned()
            }
            17 => {
                self.statuses = vec![200, 504];
                self.path = "/brief/late".to_owned();
                return;
            }
            18 => {
                self.statuses = vec![503];
                self.path = "/dead".to_owned();
                return;
            }
            _ => {
                self.path = "/direct".to_owned();
                return;
            }
        };
        self.path = format!("{upstream}{path}");
    }

    /// What the plugins of the listener make of it.
    fn pass_plugins(&mut self) {
        match self.listener {
            Listener::Observe | Listener::Grpc | Listener::LateGrpc => {}
            Listener::Callout | Listener::LateCallout => self.statuses.push(403),
            Listener::DeadCallout => self.statuses = vec![403],
            Listener::Rewrite if !self.token => self.statuses = vec![403],
            Listener::Rewrite => {
                if let Expected::Pattern(len) = self.expected {
                    let upper = self.path.ends_with("/echo");
                    self.expected = match len {
                        // Whether there is a body that is empty, or none, is up to the protocol.
                        0 => Expected::Anything,
                        _ => Expected::Rewritten { len, upper },
                    };
                    // Too much to hold, and the head is out.
                    self.may_break |= len > BUFFER;
                }
                if self.body.len > BUFFER {
                    self.statuses.push(413);
                    self.may_break = true;
                }
            }
        }
    }
}

impl Plan {
    /// Whether an answer may come before the request's body was read.
    pub(crate) fn may_be_early(&self) -> bool {
        self.statuses != [200] || self.path == "/direct" || self.path.ends_with("/early")
    }
}

fn len(random: &mut Random) -> usize {
    let most = match random.within(0..=19) {
        0..=7 => 1 << 10,
        8..=15 => 64 << 10,
        16..=18 => 512 << 10,
        _ => 2 * BUFFER,
    };
    random.within(0..=most as u64) as usize
}

fn body(random: &mut Random) -> Shape {
    if random.once_in(2) {
        return Shape {
            sized: true,
            ..Shape::default()
        };
    }
    let len = len(random);
    let slow = len <= 256 << 10 && random.once_in(3);
    Shape {
        len,
        pause: if slow { random.millis(8) } else { Duration::ZERO },
        trailers: random.once_in(5),
        sized: random.once_in(2),
        broken: false,
    }
}

fn leave(random: &mut Random) -> Leave {
    match random.within(0..=9) {
        0 => Leave::After(random.millis(10)),
        1 => Leave::After(random.millis(150)),
        2 => Leave::Frames(random.within(0..=8)),
        _ => Leave::Never,
    }
}

/// The request in the form that hyper sends.
pub(crate) fn request(plan: &Plan, http2: bool) -> http::Result<Request<Paced>> {
    let method = if plan.body.len > 0 || plan.body.trailers {
        "POST"
    } else {
        "GET"
    };
    let uri = if http2 {
        format!("http://soak.example{}", plan.path)
    } else {
        plan.path.clone()
    };
    let mut request = Request::builder().method(method).uri(uri);
    if !http2 {
        request = request.header("host", "soak.example");
        if plan.body.trailers {
            request = request.header("trailer", "x-end, x-remove, x-replace");
        }
    }
    request = request.header("te", "trailers").header("user-agent", "soak");
    if plan.token {
        request = request.header("x-token", "secret");
    }
    if let Some(grpc) = plan.grpc {
        request = request.header("x-grpc", grpc);
    }
    request.body(Paced::new(plan.body))
}
