//! The values of `run`'s flags.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use enginebay::HeaderMap;
use enginebay::abi::LogLevel;

use crate::error::Error;

/// Text on the command line, or the name of a file after `@`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Here(String),
    File(PathBuf),
}

impl Text {
    /// The bytes. `flag` is for the error message.
    pub(crate) fn read(&self, flag: &str) -> Result<Bytes, Error> {
        match self {
            Text::Here(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            Text::File(path) => std::fs::read(path)
                .map(Bytes::from)
                .map_err(|error| Error::about(format_args!("{flag} @{}", path.display()), error)),
        }
    }
}

/// A header: its name in lower case, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

pub(super) fn text(text: &str) -> Result<Text, String> {
    match text.strip_prefix('@') {
        None => Ok(Text::Here(text.to_owned())),
        Some("") => Err("there is no file name after the @".to_owned()),
        Some(path) => Ok(Text::File(PathBuf::from(path))),
    }
}

pub(super) fn header(text: &str) -> Result<Header, String> {
    // The colon that a pseudo-header starts with does not end its name.
    let colon = text
        .char_indices()
        .find(|(at, c)| *c == ':' && *at > 0)
        .map(|(at, _)| at)
        .ok_or("a header is written as 'name: value'")?;
    let name = text[..colon].trim().to_ascii_lowercase();
    let value = text[colon + 1..].trim();
    HeaderMap::new().add(&name, value).map_err(|e| e.to_string())?;
    // What a client sends as `host` is the authority by the time that a plugin sees it.
    let name = match name.as_str() {
        "host" => ":authority".to_owned(),
        _ => name,
    };
    Ok(Header {
        name,
        value: value.to_owned(),
    })
}

/// The value of a pseudo-header.
pub(super) fn pseudo(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("it can't be empty".to_owned());
    }
    HeaderMap::new()
        .add(":x", text)
        .map_err(|_| "it can't have a line break or a NUL".to_owned())?;
    Ok(text.to_owned())
}

pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !text.contains('\0') => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("a variable is written as NAME=VALUE".to_owned()),
    }
}

pub(super) fn log_level(text: &str) -> Result<LogLevel, String> {
    LogLevel::ALL
        .iter()
        .copied()
        .find(|level| level.name().eq_ignore_ascii_case(text))
        .ok_or_else(|| "the levels are trace, debug, info, warn, error and critical".to_owned())
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const HELP: &str = "a time is a number with a unit: us, ms or s";
    let (number, unit) = number_and_unit(text).ok_or(HELP)?;
    let microseconds = match unit {
        "us" | "µs" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        _ => return Err(HELP.to_owned()),
    };
    let total = number.checked_mul(microseconds).ok_or("that is too long")?;
    if total == 0 {
        return Err("a limit of nothing allows nothing".to_owned());
    }
    Ok(Duration::from_micros(total))
}

/// A time, or `none` for no limit.
pub(crate) fn time_limit(text: &str) -> Result<Duration, String> {
    match text {
        "none" => Ok(Duration::MAX),
        text => duration(text).map_err(|error| format!("{error}, or none")),
    }
}

pub(crate) fn size(text: &str) -> Result<u64, String> {
    const HELP: &str = "a size is a number of bytes, or one with a unit: KiB, MiB or GiB";
    let (number, unit) = number_and_unit(text).ok_or(HELP)?;
    let bytes = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err(HELP.to_owned()),
    };
    let total: u64 = number.checked_mul(bytes).ok_or("that is too large")?;
    if total == 0 {
        return Err("it can't be zero".to_owned());
    }
    Ok(total)
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(text: &str) -> Option<(String, String)> {
        header(text).ok().map(|h| (h.name, h.value))
    }

    #[test]
    fn headers() {
        let of = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(pair("X-User: a"), of("x-user", "a"));
        assert_eq!(pair("x:a:b"), of("x", "a:b"));
        assert_eq!(pair("x:"), of("x", ""));
        assert_eq!(pair(":path: /x"), of(":path", "/x"));
        assert_eq!(pair("Host: example.com"), of(":authority", "example.com"));
        for wrong in ["", "x", ":", ": a", "a b: c", "x: a\nb: c", "é: x"] {
            assert_eq!(pair(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn texts() {
        assert_eq!(text("abc"), Ok(Text::Here("abc".to_owned())));
        assert_eq!(text(""), Ok(Text::Here(String::new())));
        assert_eq!(text("@a b"), Ok(Text::File("a b".into())));
        assert!(text("@").is_err());
    }

    #[test]
    fn times() {
        assert_eq!(duration("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(duration("15 us"), Ok(Duration::from_micros(15)));
        for wrong in ["", "1", "s", "1h", "-1s", "1.5s", "0s", "99999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("128MiB"), Ok(128 << 20));
        assert_eq!(size("64k"), Ok(65536));
        assert_eq!(size("1"), Ok(1));
        for wrong in ["", "MiB", "1TB", "0", "-1", "99999999999GiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn levels_and_variables() {
        assert_eq!(log_level("Warn"), Ok(LogLevel::Warn));
        assert!(log_level("loud").is_err());
        assert_eq!(variable("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert_eq!(variable("A="), Ok(("A".to_owned(), String::new())));
        assert!(variable("=b").is_err());
        assert!(variable("A").is_err());
    }
}
