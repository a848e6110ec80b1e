//! The process's panic hook.

use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Once, OnceLock};

use enginebay_engine::{Error, ErrorKind};

use super::repair;
use crate::active;
use crate::call::Call;

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// The hook of the program, which hears of every panic that is not a plugin's.
static PREVIOUS: OnceLock<Hook> = OnceLock::new();

/// Set when the lock on std's hook could not be given back: replacing the hook would wait for ever.
static LOCKED: AtomicBool = AtomicBool::new(false);

/// Puts the hook in front of the program's, once.
pub(crate) fn install() -> Result<(), Error> {
    static ONCE: Once = Once::new();
    if !ONCE.is_completed() && std::thread::panicking() {
        return Err(Error::new(
            ErrorKind::Setup,
            "the first engine of native plugins can't be made while the thread panics",
        ));
    }
    ONCE.call_once(|| {
        let _ = PREVIOUS.set(std::panic::take_hook());
        std::panic::set_hook(Box::new(hook));
    });
    Ok(())
}

/// Puts the hook back after a plugin may have replaced it, as the SDK's `set_log_level` does.
pub(crate) fn reinstall() {
    if PREVIOUS.get().is_some() && !LOCKED.load(Ordering::Relaxed) && !std::thread::panicking() {
        std::panic::set_hook(Box::new(hook));
    }
}

/// Says that the hook can't be replaced any more.
#[cfg_attr(not(all(leaves_frames, panic = "unwind")), expect(dead_code))]
pub(super) fn locked() {
    LOCKED.store(true, Ordering::Relaxed);
}

/// What a panic means for the call it happens in.
enum Kind {
    /// Unwinds: to a `catch_unwind`, or to a function that can't.
    Unwinds,
    /// Has arrived at a function that can't unwind.
    AtBoundary,
    /// Has arrived at a destructor that runs because of a panic.
    InCleanup,
    /// Ends the process where it is, such as a check of undefined behaviour.
    Ends,
}

impl Kind {
    fn of(info: &PanicHookInfo<'_>) -> Self {
        if cfg!(panic = "abort") {
            return Kind::Ends;
        }
        // There is no stable way to ask whether the panic unwinds. Where this one fails, the texts alone decide.
        let debug = format!("{info:?}");
        if debug.contains("can_unwind: true") {
            return Kind::Unwinds;
        }
        match info.payload_as_str() {
            Some("panic in a function that cannot unwind") => Kind::AtBoundary,
            Some("panic in a destructor during cleanup") => Kind::InCleanup,
            _ if debug.contains("can_unwind: false") => Kind::Ends,
            _ => Kind::Unwinds,
        }
    }
}

/// Nothing here may panic: a panic in the hook ends the process.
fn hook(info: &PanicHookInfo<'_>) {
    if repair::in_hook() {
        return;
    }
    active::with(|call| match call {
        Some(call) => in_plugin(call, info),
        None => previous(info),
    });
}

fn in_plugin(call: &Call<'_>, info: &PanicHookInfo<'_>) {
    match Kind::of(info) {
        Kind::Unwinds => return call.trouble().panics.note(info.to_string()),
        Kind::AtBoundary => call.stop(info),
        Kind::InCleanup => {
            call.trouble().panics.note_cleanup();
            call.stop(info);
        }
        Kind::Ends => {}
    }
    // Nothing can stop it, and the process ends when this returns. Then at least it is to be seen why.
    explain(call, info);
}

#[cold]
fn explain(call: &Call<'_>, info: &PanicHookInfo<'_>) {
    eprintln!(
        "a native plugin ends the process; before that: {}",
        call.trouble().panics.first()
    );
    previous(info);
}

fn previous(info: &PanicHookInfo<'_>) {
    if let Some(previous) = PREVIOUS.get() {
        previous(info);
    }
}
