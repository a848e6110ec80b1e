//! A route's timeout.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// Whether a request has gone out to its end.
#[derive(Default)]
pub(super) struct Uploaded {
    done: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Uploaded {
    pub(super) fn set_done(&self) {
        if !self.done.replace(true)
            && let Some(waker) = self.waker.borrow_mut().take()
        {
            waker.wake();
        }
    }
}

/// The time by which a response must be over, counted from the end of the request
/// (`RouteAction.timeout`). The timer is not started before something has to wait.
pub(super) struct Deadline {
    timeout: Option<Duration>,
    uploaded: Option<Rc<Uploaded>>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// `uploaded` is left out for a request without a body.
    pub(super) fn new(timeout: Option<Duration>, uploaded: Option<Rc<Uploaded>>) -> Self {
        Deadline {
            timeout,
            uploaded,
            sleep: None,
        }
    }

    /// Ready when the time is over.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(timeout) = self.timeout else {
            return Poll::Pending;
        };
        if let Some(uploaded) = &self.uploaded
            && !uploaded.done.get()
        {
            *uploaded.waker.borrow_mut() = Some(context.waker().clone());
            return Poll::Pending;
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(timeout)));
        sleep.as_mut().poll(context)
    }
}
