//! What a run showed, and whether that is as it should be.

use std::fmt;

/// One thing that was looked at.
struct Row {
    what: String,
    found: String,
    /// What it had to be.
    bound: String,
    holds: bool,
}

/// A table of what was looked at.
#[derive(Default)]
pub struct Verdict(Vec<Row>);

/// KiB that the server's memory may grow by after the warm-up: a tenth of what it was, or 16 MiB if that is more. That is
/// what allocators keep; a leak of one small context per request is more in ten minutes.
pub(crate) fn growth_allowed(warm: u64) -> u64 {
    (warm / 10).max(16 << 10)
}

impl Verdict {
    pub(crate) fn at_most(&mut self, what: impl Into<String>, found: u64, most: u64) {
        self.0.push(Row {
            what: what.into(),
            found: found.to_string(),
            bound: if most == 0 {
                "0".to_owned()
            } else {
                format!("at most {most}")
            },
            holds: found <= most,
        });
    }

    pub(crate) fn same(&mut self, what: impl Into<String>, found: u64, expected: u64) {
        self.0.push(Row {
            what: what.into(),
            found: found.to_string(),
            bound: expected.to_string(),
            holds: found == expected,
        });
    }

    /// Something that is wrong only if it is there.
    pub(crate) fn none(&mut self, what: impl Into<String>, found: &[String]) {
        self.0.push(Row {
            what: what.into(),
            found: match found {
                [] => "none".to_owned(),
                found => found.join("\n       "),
            },
            bound: "none".to_owned(),
            holds: found.is_empty(),
        });
    }

    /// Whether everything is as it should be.
    pub fn is_ok(&self) -> bool {
        self.0.iter().all(|row| row.holds)
    }
}

/// The table, and `ok` or what is not.
impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.0 {
            let mark = if row.holds { "ok    " } else { "FAILED" };
            writeln!(formatter, "{mark} {}: {} ({})", row.what, row.found, row.bound)?;
        }
        let failed: Vec<&str> = self
            .0
            .iter()
            .filter(|row| !row.holds)
            .map(|row| row.what.as_str())
            .collect();
        match failed[..] {
            [] => formatter.write_str("ok"),
            _ => write!(formatter, "failed: {}", failed.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_that_is_wrong_is_enough() {
        let mut verdict = Verdict::default();
        verdict.at_most("memory", 5, 6);
        verdict.same("VMs", 4, 4);
        verdict.none("crashes", &[]);
        assert!(verdict.is_ok());
        assert!(verdict.to_string().ends_with("\nok"));
        verdict.same("streams", 1, 0);
        verdict.none("panics", &["panicked".to_owned()]);
        assert!(!verdict.is_ok());
        assert!(verdict.to_string().contains("FAILED streams: 1 (0)\n"));
        assert!(verdict.to_string().ends_with("\nfailed: streams, panics"));
    }

    #[test]
    fn small_servers_may_grow_by_more_than_a_tenth() {
        assert_eq!(growth_allowed(20 << 10), 16 << 10);
        assert_eq!(growth_allowed(400 << 10), 40 << 10);
    }
}
