//! Whatever a server answers, and whatever lies in the directory: what comes out is what was asked for.

use std::cell::RefCell;
use std::fs;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use enginebay_code::{BoxError, Digest, Fetch, FetchBody, FetchFuture, Options, Reason};
use http::{Request, Response};
use http_body::Frame;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::images::Image;
use crate::setup::{Setup, module, remote, run};

/// An answer, in pieces.
#[derive(Clone, Debug)]
enum Step {
    /// The next bytes of what is right.
    Right(usize),
    /// All that is still missing.
    Rest,
    /// Anything.
    Bytes(Vec<u8>),
    Fail,
}

#[derive(Clone, Debug)]
struct Script {
    status: u16,
    length: Option<u64>,
    steps: Vec<Step>,
}

/// A server that sends one script after the other, and nothing after the last.
struct Server {
    code: Vec<u8>,
    scripts: RefCell<Vec<Script>>,
}

impl Fetch for Server {
    fn get(&self, _: &str, _: Request<()>) -> Option<FetchFuture> {
        let script = self.scripts.borrow_mut().pop()?;
        let body = Body {
            code: self.code.clone(),
            at: 0,
            steps: script.steps.into_iter(),
        };
        let mut response = Response::builder().status(script.status);
        if let Some(length) = script.length {
            response = response.header("content-length", length);
        }
        Some(Box::pin(async move {
            let body: FetchBody = Box::pin(body);
            Ok(response.body(body)?)
        }))
    }
}

struct Body {
    code: Vec<u8>,
    at: usize,
    steps: std::vec::IntoIter<Step>,
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(step) = self.steps.next() else {
            return Poll::Ready(None);
        };
        let left = self.code.len() - self.at;
        let bytes = match step {
            Step::Right(size) => size.min(left),
            Step::Rest => left,
            Step::Bytes(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes.into())))),
            Step::Fail => return Poll::Ready(Some(Err("broken off".into()))),
        };
        let piece = Bytes::copy_from_slice(&self.code[self.at..self.at + bytes]);
        self.at += bytes;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..200).prop_map(Step::Right),
        3 => Just(Step::Rest),
        1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Step::Bytes),
        1 => Just(Step::Fail),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let status = prop_oneof![4 => Just(200u16), 1 => 200u16..600];
    let length = prop_oneof![3 => Just(None), 1 => (0u64..5000).prop_map(Some)];
    let steps = prop::collection::vec(step(), 0..6);
    (status, length, steps).prop_map(|(status, length, steps)| Script {
        status,
        length,
        steps,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_unverified_comes_out(
        scripts in prop::collection::vec(script(), 0..4),
        size in 1usize..1000,
        lies in prop::option::of((0usize..1000, any::<u8>())),
        image: bool,
    ) {
        let code = module(7, size);
        let hash = Digest::of(&code);
        run(async {
            let directory = TempDir::new().unwrap();
            let file = directory.path().join(format!("{hash}.wasm"));
            if let Some((at, with)) = lies {
                let mut lie = code.clone();
                lie[at % size] = with;
                fs::write(&file, lie).unwrap();
            }
            let mut options = Options::default();
            options.directory = Some(directory.path().to_owned());
            options.negative_ttl = Duration::ZERO;
            // For an image, the server has the manifest that it sends in pieces, or the layer.
            let sent = if image { Image::artefact(&code).manifest } else { code.clone() };
            let server = Server { code: sent, scripts: RefCell::new(scripts) };
            let setup = Setup::new(server, options);
            let mut asked = remote(if image { "oci://r.io/p:v1" } else { "http://h/" }, &code);
            asked.num_retries = 1;
            for _ in 0..3 {
                match setup.source.code(&asked).await {
                    Ok(got) => {
                        assert_eq!(Digest::of(&got), hash);
                        assert_eq!(got.sha256(), hash);
                    }
                    Err(error) => assert!(!matches!(error.reason, Reason::Ended)),
                }
                if let Some(got) = setup.source.cached_or_fetch(&asked).await {
                    assert_eq!(Digest::of(&got), hash);
                }
                // Nor does anything unverified get its name, but for what lay there.
                if let Ok(kept) = fs::read(&file) {
                    assert!(Digest::of(&kept) == hash || lies.is_some());
                }
            }
        });
    }
}
