//! How often to say that a stream ended.

use std::time::Duration;

use enginebay::abi::GrpcStatus;
use tokio::time::Instant;
use tracing::Level;

/// The end of a stream.
#[derive(Debug)]
pub(super) struct End {
    pub(super) code: u32,
    pub(super) message: String,
}

/// The failures since a message came.
#[derive(Default)]
pub(super) struct Closes {
    last: Option<Last>,
}

struct Last {
    code: u32,
    message: String,
    /// When the first with this code was.
    since: Instant,
}

impl Closes {
    /// A message came: the next failure is a new one.
    pub(super) fn clear(&mut self) {
        self.last = None;
    }

    /// What Envoy logs, and how loud: a warning if it goes on for longer than `patience` or is nothing that goes away by
    /// itself.
    pub(super) fn line(
        &mut self,
        end: End,
        cluster: &str,
        now: Instant,
        patience: Duration,
    ) -> (Level, String) {
        let End { code, message } = end;
        let start = format!("StreamExtensionConfigs gRPC config stream to {cluster} closed");
        let plain = format!("{start}: {code}, {message}");
        if code == 0 {
            return (Level::DEBUG, plain);
        }
        let passing = [
            GrpcStatus::DeadlineExceeded,
            GrpcStatus::ResourceExhausted,
            GrpcStatus::Unavailable,
        ];
        if !passing.iter().any(|status| status.as_u32() == code) {
            return (Level::WARN, plain);
        }
        let Some(last) = &mut self.last else {
            self.last = Some(Last {
                code,
                message,
                since: now,
            });
            return (Level::DEBUG, plain);
        };
        let age = now.saturating_duration_since(last.since);
        let seconds = age.as_secs();
        if last.code != code {
            let line = format!(
                "{plain} (previously {}, {} since {seconds}s ago)",
                last.code, last.message
            );
            *last = Last {
                code,
                message,
                since: now,
            };
            return (Level::WARN, line);
        }
        let line = format!("{start} since {seconds}s ago: {code}, {message}");
        last.message = message;
        match age > patience {
            true => (Level::WARN, line),
            false => (Level::DEBUG, plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line for an end so many seconds after the first.
    struct Lines(Closes, Instant);

    impl Lines {
        fn after(&mut self, seconds: u64, code: u32) -> (Level, String) {
            let end = End {
                code,
                message: "m".to_owned(),
            };
            let now = self.1 + Duration::from_secs(seconds);
            self.0.line(end, "xds", now, Duration::from_secs(30))
        }
    }

    const PLAIN: &str = "StreamExtensionConfigs gRPC config stream to xds closed: 14, m";

    #[test]
    fn passing_failures_are_warned_of_when_they_last() {
        let mut lines = Lines(Closes::default(), Instant::now());
        assert_eq!(lines.after(0, 14), (Level::DEBUG, PLAIN.to_owned()));
        assert_eq!(lines.after(30, 14), (Level::DEBUG, PLAIN.to_owned()));
        let since = "StreamExtensionConfigs gRPC config stream to xds closed since 31s ago: 14, m";
        assert_eq!(lines.after(31, 14), (Level::WARN, since.to_owned()));
        lines.0.clear();
        assert_eq!(lines.after(32, 14), (Level::DEBUG, PLAIN.to_owned()));
    }

    #[test]
    fn others_are_warned_of_at_once() {
        let mut lines = Lines(Closes::default(), Instant::now());
        assert_eq!(lines.after(0, 0).0, Level::DEBUG);
        assert_eq!(lines.after(0, 12).0, Level::WARN);
        assert_eq!(lines.after(0, 14).0, Level::DEBUG);
        let other =
            "StreamExtensionConfigs gRPC config stream to xds closed: 8, m (previously 14, m since 2s ago)";
        assert_eq!(lines.after(2, 8), (Level::WARN, other.to_owned()));
    }
}
