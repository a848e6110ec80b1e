//! What a server did, as lines of text by aspect.

use std::fmt;

use anyhow::{Context, Result};

/// Lines by aspect, such as `response 1`, in the order in which they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer(Vec<(String, Vec<String>)>);

impl Answer {
    /// Adds an aspect. One without lines is none.
    pub fn add(&mut self, aspect: impl Into<String>, lines: Vec<String>) {
        let lines: Vec<String> = lines.iter().map(|line| one_line(line)).collect();
        if !lines.is_empty() {
            self.0.push((aspect.into(), lines));
        }
    }

    /// Takes an aspect away.
    pub fn remove(&mut self, aspect: &str) {
        self.0.retain(|(name, _)| name != aspect);
    }

    /// The lines of an aspect.
    pub fn lines(&self, aspect: &str) -> &[String] {
        let found = self.0.iter().find(|(name, _)| name == aspect);
        found.map_or(&[], |(_, lines)| lines)
    }

    /// The aspects of both, each once.
    pub fn aspects<'a>(&'a self, other: &'a Answer) -> Vec<&'a str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        for (name, _) in &other.0 {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// An answer as it is written.
    ///
    /// # Errors
    ///
    /// There are lines before the first aspect.
    pub fn parse(text: &str) -> Result<Self> {
        let mut answer = Answer::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            match line.strip_prefix("# ") {
                Some(aspect) => answer.0.push((aspect.to_owned(), Vec::new())),
                None => {
                    let (_, lines) = answer.0.last_mut().context("a line before all aspects")?;
                    lines.push(line.to_owned());
                }
            }
        }
        Ok(answer)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (aspect, lines)) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            writeln!(out, "# {aspect}")?;
            for line in lines {
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }
}

/// Text without control characters, so that it stays one line and its own when it is written to a file.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for c in text.trim_end().chars() {
        match c {
            '\n' => line.push_str("\\n"),
            c if c.is_control() => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    line
}

/// Bytes of a body: as text if they are few, else how many and what they add up to.
pub(crate) fn body_line(bytes: &[u8]) -> String {
    const SHOWN: usize = 400;
    if bytes.len() <= SHOWN {
        return format!("body {}", String::from_utf8_lossy(bytes));
    }
    // FNV-1a: only to see whether two are the same.
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("body of {} bytes, {hash:016x}", bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut answer = Answer::default();
        answer.add("log", vec!["two\nlines".to_owned(), "bell \u{7}".to_owned()]);
        answer.add("nothing", vec![]);
        answer.add("response 1", vec!["status 200".to_owned()]);
        let text = answer.to_string();
        assert_eq!(
            text,
            "# log\ntwo\\nlines\nbell \\u{7}\n\n# response 1\nstatus 200\n"
        );
        assert_eq!(Answer::parse(&text).unwrap(), answer);
    }

    #[test]
    fn long_bodies_are_the_same_or_not() {
        assert_eq!(body_line(b"short"), "body short");
        let one = body_line(&[b'a'; 1000]);
        assert!(one.starts_with("body of 1000 bytes, "), "{one}");
        assert_ne!(one, body_line(&[b'b'; 1000]));
    }
}
