//! What streams are made of. Also part of the crate beside this one, which has no enginebay in it.

/// A browser's request.
pub const REQUEST: &[(&str, &str)] = &[
    (":authority", "www.example.com"),
    (":path", "/products/12345?color=blue&size=m"),
    (":method", "GET"),
    (":scheme", "https"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
    ),
    (
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br"),
    ("cookie", "session=0123456789abcdef; theme=dark"),
    ("x-forwarded-for", "203.0.113.7"),
];

/// A small response.
pub const RESPONSE: &[(&str, &str)] = &[
    (":status", "200"),
    ("content-type", "text/html; charset=utf-8"),
    ("content-length", "5120"),
    ("cache-control", "max-age=60"),
    ("date", "Mon, 01 Jan 2024 00:00:00 GMT"),
    ("server", "example"),
];

/// A body, in lower case.
pub static BODY: [u8; 64 << 10] = [b'a'; 64 << 10];
