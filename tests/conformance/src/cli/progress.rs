//! How far the hosts are, while somebody waits.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::report::{CaseOutcome, CaseReport};

/// A bar for each host, on a standard error that is a terminal; nothing otherwise.
pub(super) struct Progress {
    bars: MultiProgress,
    width: usize,
}

impl Progress {
    pub(super) fn new<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        Progress {
            bars: MultiProgress::new(),
            width: names.map(|name| name.chars().count()).max().unwrap_or(0),
        }
    }

    /// The bar of a host that begins.
    pub(super) fn bar(&self, name: &str) -> Bar {
        let bar = self.bars.add(ProgressBar::new(0));
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}{msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(format!("{name:width$}", width = self.width));
        Bar {
            bar,
            failed: 0.into(),
        }
    }
}

/// The bar of one host.
pub(super) struct Bar {
    bar: ProgressBar,
    failed: std::cell::Cell<usize>,
}

impl Bar {
    /// A case is over, of so many.
    pub(super) fn told(&self, case: &CaseReport, count: usize) {
        self.bar.set_length(count as u64);
        self.bar.inc(1);
        if matches!(case.outcome, CaseOutcome::Failed { .. }) {
            self.failed.set(self.failed.get() + 1);
            self.bar.set_message(format!(", {} failed", self.failed.get()));
        }
    }

    /// The host is through. The report says the rest.
    pub(super) fn done(&self) {
        self.bar.finish_and_clear();
    }
}
