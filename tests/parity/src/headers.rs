//! Headers as lines, without those that servers add for themselves.

use http::HeaderMap;

/// Headers that are not compared: the time, who answers, and what Envoy tells the servers around it.
pub const NOT_COMPARED: [&str; 4] = ["date", "server", "x-request-id", "x-envoy-"];

fn is_compared(name: &str) -> bool {
    !NOT_COMPARED.iter().any(|not| match not.ends_with('-') {
        true => name.starts_with(not),
        false => name == *not,
    })
}

/// A line for each, sorted by name. Those of one name stay in their order.
pub(crate) fn lines(kind: &str, headers: &HeaderMap) -> Vec<String> {
    let mut all: Vec<_> = headers
        .iter()
        .filter(|(name, _)| is_compared(name.as_str()))
        .collect();
    all.sort_by_key(|(name, _)| name.as_str());
    all.into_iter()
        .map(|(name, value)| format!("{kind} {name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect()
}

/// `name: value` lines as headers. What is none is left out.
pub(crate) fn parsed(lines: &[String]) -> HeaderMap {
    lines
        .iter()
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            let name: http::HeaderName = name.trim().parse().ok()?;
            Some((name, http::HeaderValue::from_bytes(value.trim().as_bytes()).ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_add_is_left_out() {
        let headers = parsed(&[
            "x-b: 2".to_owned(),
            "date: today".to_owned(),
            "x-envoy-upstream-service-time: 1".to_owned(),
            "x-a: 1".to_owned(),
            "x-b: 1".to_owned(),
        ]);
        assert_eq!(
            lines("header", &headers),
            ["header x-a: 1", "header x-b: 2", "header x-b: 1"]
        );
    }
}
