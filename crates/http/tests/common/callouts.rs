//! What plugins call out to.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::rc::Rc;

use bytes::Bytes;
use enginebay_http::{Body, BoxError, LocalBoxBody, UpstreamFuture, Upstreams};
use http::{Request, Response};
use http_body_util::BodyExt;

type Answer = dyn Fn(Request<Body>) -> UpstreamFuture;

/// Upstreams by name, each a function.
#[derive(Clone, Default)]
pub struct Callouts {
    upstreams: Rc<RefCell<HashMap<String, Rc<Answer>>>>,
    /// Requests that were begun.
    pub begun: Rc<Cell<usize>>,
    /// Requests whose future or response is gone.
    pub gone: Rc<Cell<usize>>,
}

impl Callouts {
    pub fn on<F>(self, name: &str, answer: impl Fn(Request<Body>) -> F + 'static) -> Self
    where
        F: Future<Output = Result<Response<LocalBoxBody>, BoxError>> + 'static,
    {
        let answer: Rc<Answer> = Rc::new(move |request| Box::pin(answer(request)));
        self.upstreams.borrow_mut().insert(name.to_owned(), answer);
        self
    }
}

impl Upstreams for Callouts {
    fn send(&self, upstream: &str, request: Request<Body>) -> Option<UpstreamFuture> {
        let answer = self.upstreams.borrow().get(upstream)?.clone();
        self.begun.set(self.begun.get() + 1);
        let gone = CountWhenGone(self.gone.clone());
        let answer = answer(request);
        Some(Box::pin(async move {
            let _gone = gone;
            answer.await
        }))
    }
}

struct CountWhenGone(Rc<Cell<usize>>);

impl Drop for CountWhenGone {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

pub fn boxed<B>(body: B) -> LocalBoxBody
where
    B: http_body::Body<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
{
    Box::pin(body.map_err(Into::into))
}

/// Headers as plugins give them to a call.
pub fn pairs(headers: &[(&str, &str)]) -> String {
    let number = |number: usize| char::from(u8::try_from(number).unwrap()).to_string() + "\0\0\0";
    let mut text = number(headers.len());
    for (name, value) in headers {
        text += &(number(name.len()) + &number(value.len()));
    }
    for (name, value) in headers {
        text += &format!("{name}\0{value}\0");
    }
    text
}
