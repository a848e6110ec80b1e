//! Time on processors: what a process used, and what others did meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The kernel counts in hundredths of a second in `/proc/stat` and `/proc/PID/stat`, on every machine.
const TICK: Duration = Duration::from_millis(10);

/// What each thread of a process has used, by the scheduler's own account, in nanoseconds.
pub(super) struct Used(BTreeMap<u32, u64>);

impl Used {
    pub(super) fn read(process: u32) -> Result<Self> {
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{process}/task"))? {
            let entry = entry?;
            // A thread may end in between.
            let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else {
                continue;
            };
            let id = entry.file_name().to_string_lossy().parse();
            let used = text
                .split_ascii_whitespace()
                .next()
                .and_then(|ns| ns.parse().ok());
            if let (Ok(id), Some(used)) = (id, used) {
                threads.insert(id, used);
            }
        }
        anyhow::ensure!(
            !threads.is_empty(),
            "the system doesn't say what process {process} used"
        );
        Ok(Used(threads))
    }

    pub(super) fn since(&self, earlier: &Used) -> Duration {
        let used = self
            .0
            .iter()
            .map(|(id, now)| now.saturating_sub(earlier.0.get(id).copied().unwrap_or(0)));
        Duration::from_nanos(used.sum())
    }
}

/// What the machine did: all processes together, and those that this one has waited for.
pub(super) struct Busy {
    at: Instant,
    all: Duration,
    children: Duration,
}

impl Busy {
    pub(super) fn read() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let own = fs::read_to_string("/proc/self/stat")?;
        Ok(Busy {
            at: Instant::now(),
            all: ticks(all(&stat).context("/proc/stat is not as it should be")?),
            children: ticks(children(&own).context("/proc/self/stat is not as it should be")?),
        })
    }

    /// How many processors were kept busy since then by others than the server and the processes waited for.
    pub(super) fn others_since(&self, earlier: &Busy, server: Duration) -> f64 {
        let children = self.children.saturating_sub(earlier.children);
        let others = self.all.saturating_sub(earlier.all).as_secs_f64() - (server + children).as_secs_f64();
        others.max(0.0) / self.at.duration_since(earlier.at).as_secs_f64()
    }
}

fn ticks(count: u64) -> Duration {
    TICK * u32::try_from(count).unwrap_or(u32::MAX)
}

/// What processes had, and what the machine's own host took. Not the time of interrupts, which is the load's as well, and
/// no process's.
fn all(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let columns: Vec<u64> = line
        .split_ascii_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    let [user, nice, system, _idle, _wait, _irq, _softirq, steal, ..] = columns[..] else {
        return None;
    };
    Some(user + nice + system + steal)
}

/// User and system time of children that ended, and of this process.
fn children(stat: &str) -> Option<u64> {
    // The name may have spaces and brackets in it.
    let (_, rest) = stat.rsplit_once(')')?;
    let columns: Vec<&str> = rest.split_ascii_whitespace().collect();
    let times = columns.get(11..15)?;
    times.iter().map(|word| word.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_the_right_ones() {
        let stat = "cpu  1 20 300 4000 50000 600000 7000000 80000000 0 0\ncpu0 1 1 1 1 1 1 1 1\n";
        assert_eq!(all(stat), Some(80_000_321));
        let own = "7 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 11 22 33 44 55 66";
        // utime stime cutime cstime
        assert_eq!(children(own), Some(11 + 22 + 33 + 44));
        assert_eq!(all("intr 5"), None);
        assert_eq!(children("7 (a) S"), None);
    }

    #[test]
    fn this_process_has_used_something_and_others_are_told_from_the_server() {
        let earlier = Used(BTreeMap::from([(1, 5)]));
        let later = Used(BTreeMap::from([(1, 8), (2, 4)]));
        assert_eq!(later.since(&earlier), Duration::from_nanos(7));
        let at = Instant::now();
        let of = |at, all, children| Busy {
            at,
            all: Duration::from_millis(all),
            children: Duration::from_millis(children),
        };
        let (before, after) = (of(at, 1000, 100), of(at + Duration::from_secs(1), 3000, 900));
        let others = after.others_since(&before, Duration::from_millis(1000));
        assert!((others - 0.2).abs() < 1e-9, "{others}");
        assert!(after.others_since(&before, Duration::from_secs(9)) < f64::EPSILON);
    }
}
