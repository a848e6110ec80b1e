//! Writing for people and for programs.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::io::{self, IsTerminal, Write as _};

use crate::error::Error;

/// Writes to standard output.
///
/// # Errors
/// When it can't be written. A reader that went away (`| head`) wanted no more: that is no error.
pub(crate) fn write(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::about("standard output", error))
        }
        _ => Ok(()),
    }
}

/// Writes a value as one line of JSON.
pub(crate) fn write_json(value: &impl serde::Serialize) -> Result<(), Error> {
    let mut line = serde_json::to_string(value).map_err(|error| Error::about("JSON", error))?;
    line.push('\n');
    write(&line)
}

/// Writes `error: …` to standard error.
pub(crate) fn error(error: &Error) {
    stderr("error", &error.to_string());
}

/// Writes `note: …` to standard error.
pub(crate) fn note(message: &str) {
    stderr("note", message);
}

/// Tells people about something that is not as they meant it.
pub(crate) fn warning(message: &str) {
    stderr("warning", message);
}

fn stderr(kind: &str, message: &str) {
    // There is nowhere left to say that this failed.
    let _ = writeln!(io::stderr(), "{kind}: {}", escape(message));
}

/// Whether and how to colour text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    colour: bool,
}

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Added,
    Removed,
    Changed,
    Heading,
    Dim,
}

impl Style {
    /// No colours.
    #[cfg(test)]
    pub(crate) const PLAIN: Style = Style { colour: false };

    /// Colours if standard output is a terminal and `NO_COLOR` is unset or empty.
    pub(crate) fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Style {
            colour: !refused && io::stdout().is_terminal(),
        }
    }

    /// The text, coloured.
    pub(crate) fn paint<T: Display>(self, tone: Tone, text: T) -> Painted<T> {
        let code = match tone {
            Tone::Added => "32",
            Tone::Removed => "31",
            Tone::Changed => "33",
            Tone::Heading => "1",
            Tone::Dim => "2",
        };
        Painted {
            code: self.colour.then_some(code),
            text,
        }
    }
}

/// Text that writes itself coloured.
pub(crate) struct Painted<T> {
    code: Option<&'static str>,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "\x1b[{code}m{}\x1b[0m", self.text),
            None => self.text.fmt(f),
        }
    }
}

/// Text with control characters spelled out: what a plugin or a module says must not steer the terminal.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match is_unsafe(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Bytes as text: what is no UTF-8 as `\xNN`, control characters spelled out.
pub(crate) fn escape_bytes(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out += &escape(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string can't fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

fn is_unsafe(c: char) -> bool {
    // Direction overrides make text look like other text.
    c != '\t' && (c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(escape("plain é\t"), "plain é\t");
        assert_eq!(escape("a\x1b[31m\n"), "a\\u{1b}[31m\\n");
        assert_eq!(escape_bytes(b"ok\xff\x00"), "ok\\xff\\u{0}");
        assert_eq!(escape("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn only_a_coloured_style_adds_anything() {
        assert_eq!(Style::PLAIN.paint(Tone::Added, "x").to_string(), "x");
        let colour = Style { colour: true };
        assert_eq!(colour.paint(Tone::Added, "x").to_string(), "\x1b[32mx\x1b[0m");
    }
}
