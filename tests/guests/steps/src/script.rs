//! What the configuration says.

/// One word of a line, with its escapes undone: `\s` is a space, `\n` a line's end, `\0` a zero byte, `\xHH` any byte,
/// and `""` no bytes at all.
pub(crate) fn word(text: &str) -> Vec<u8> {
    if text == "\"\"" {
        return Vec::new();
    }
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b's') => bytes.push(b' '),
            Some(b'n') => bytes.push(b'\n'),
            Some(b'0') => bytes.push(0),
            Some(b'x') => {
                let mut digit = || (rest.next()? as char).to_digit(16);
                let high = digit().unwrap_or(0);
                let low = digit().unwrap_or(0);
                bytes.push((high * 16 + low) as u8);
            }
            Some(other) => bytes.push(other),
            None => bytes.push(b'\\'),
        }
    }
    bytes
}

/// Bytes as they are logged: text, with `\n` and `\xHH` for what is none.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        match byte {
            b'\n' => text.push_str("\\n"),
            b' '..=b'~' => text.push(byte as char),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text + "\""
}

/// What is known of a call of a callback.
pub(crate) struct Call<'a> {
    pub(crate) name: &'a str,
    pub(crate) path: &'a str,
    pub(crate) end: bool,
    /// 1 for the first in this context.
    pub(crate) number: u32,
}

impl Call<'_> {
    /// Whether the line is the head of a section for this call.
    fn is_for(&self, head: &str) -> bool {
        let mut words = head.split_whitespace();
        words.next() == Some(self.name)
            && words.all(|word| match word {
                "end" => self.end,
                "more" => !self.end,
                path if path.starts_with('/') => path == self.path,
                number => number.parse() == Ok(self.number),
            })
    }

    /// The lines of all sections for this call.
    pub(crate) fn lines<'s>(&self, script: &'s str) -> Vec<&'s str> {
        let mut lines = Vec::new();
        let mut mine = false;
        for line in script.lines().filter(|line| !line.trim().is_empty()) {
            match line.strip_suffix(':').filter(|head| !head.starts_with(' ')) {
                Some(head) => mine = self.is_for(head),
                None if mine => lines.push(line.trim()),
                None => {}
            }
        }
        lines
    }
}

/// The number of a header map.
pub(crate) fn map(name: &str) -> u32 {
    match name {
        "request" => 0,
        "request-trailers" => 1,
        "response" => 2,
        "response-trailers" => 3,
        "grpc-initial" => 4,
        "grpc-trailing" => 5,
        "call" => 6,
        "call-trailers" => 7,
        other => other.parse().unwrap_or(99),
    }
}

/// The number of a buffer.
pub(crate) fn buffer(name: &str) -> u32 {
    match name {
        "request" => 0,
        "response" => 1,
        "downstream" => 2,
        "upstream" => 3,
        "call" => 4,
        "grpc" => 5,
        "vm" => 6,
        "plugin" => 7,
        "foreign" => 8,
        other => other.parse().unwrap_or(99),
    }
}

/// Headers such as `a=b,c=d` in the form of the ABI.
pub(crate) fn pairs(text: &str) -> Vec<u8> {
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = match text {
        "\"\"" => Vec::new(),
        text => text
            .split(',')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (word(name), word(value)))
            .collect(),
    };
    let mut bytes = (pairs.len() as u32).to_le_bytes().to_vec();
    for (name, value) in &pairs {
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
    }
    for (name, value) in pairs {
        bytes.extend(name);
        bytes.push(0);
        bytes.extend(value);
        bytes.push(0);
    }
    bytes
}

/// Headers in the form of the ABI, as they are logged.
pub(crate) fn shown_pairs(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let number = |at: usize| {
        let bytes = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let count = number(0)?;
    let mut at = 4 + count.checked_mul(8)?;
    let mut pairs = Vec::new();
    for index in 0..count {
        let name = number(4 + index * 8)?;
        let value = number(8 + index * 8)?;
        let text = |from: usize, len: usize| {
            Some(String::from_utf8_lossy(bytes.get(from..from + len)?).into_owned())
        };
        pairs.push((text(at, name)?, text(at + name + 1, value)?));
        at += name + value + 2;
    }
    Some(pairs)
}

/// The path of a property: parts with dots between them, or with slashes if it begins with one.
pub(crate) fn path(text: &str) -> Vec<u8> {
    match text.strip_prefix('/') {
        Some(rest) => word(rest)
            .iter()
            .map(|byte| if *byte == b'/' { 0 } else { *byte })
            .collect(),
        None => word(text)
            .iter()
            .map(|byte| if *byte == b'.' { 0 } else { *byte })
            .collect(),
    }
}

/// A status by the name that the specification has for it.
pub(crate) fn status(number: u32) -> String {
    const NAMES: [&str; 13] = [
        "OK",
        "NOT_FOUND",
        "BAD_ARGUMENT",
        "SERIALIZATION_FAILURE",
        "PARSE_FAILURE",
        "BAD_EXPRESSION",
        "INVALID_MEMORY_ACCESS",
        "EMPTY",
        "CAS_MISMATCH",
        "RESULT_MISMATCH",
        "INTERNAL_FAILURE",
        "BROKEN_CONNECTION",
        "UNIMPLEMENTED",
    ];
    match NAMES.get(number as usize) {
        Some(name) => (*name).to_owned(),
        None => format!("status {number}"),
    }
}
