//! The queries of the admin interface.

use regex::Regex;

use super::stats::{Kind, Selection};

/// The parameters of a request, by name.
pub(super) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub(super) fn new(query: Option<&'a str>) -> Self {
        Query(query.unwrap_or_default())
    }

    /// The value of the first of this name, decoded; empty if it has none.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.0
            .split('&')
            .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
            .find(|(there, _)| *there == name)
            .map(|(_, value)| percent_decode(value))
    }

    /// `filter=REGEX`, `usedonly` and `type=`, as Envoy has them.
    ///
    /// # Errors
    /// What to say of one that can't be understood.
    pub(super) fn selection(&self) -> Result<Selection, String> {
        let filter = self.get("filter").filter(|filter| !filter.is_empty());
        Ok(Selection {
            filter: filter.map(|filter| regex(&filter)).transpose()?,
            kind: match self.get("type").as_deref() {
                None | Some("All") => None,
                Some("Counters") => Some(Kind::Counter),
                Some("Gauges") => Some(Kind::Gauge),
                Some("Histograms") => Some(Kind::Histogram),
                Some(_) => return Err("invalid &type= param\n".to_owned()),
            },
            used_only: self.get("usedonly").is_some(),
        })
    }
}

fn regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        // The last line says what is wrong; the others point at it.
        let error = error.to_string();
        let reason = error.lines().last().unwrap_or_default();
        let reason = reason.strip_prefix("error: ").unwrap_or(reason);
        format!("Invalid regex: {reason}\n")
    })
}

/// Decodes `%41`; a percent sign without two digits behind it stays.
fn percent_decode(text: &str) -> String {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let pair = (*byte == b'%').then(|| (digit(bytes.get(at + 1)), digit(bytes.get(at + 2))));
        match pair {
            Some((Some(high), Some(low))) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_are_decoded() {
        assert_eq!(percent_decode("%5Ehttp%2e.*"), "^http..*");
        assert_eq!(percent_decode("100%"), "100%");
        assert_eq!(percent_decode("%zz%4"), "%zz%4");
        assert_eq!(percent_decode("%c3%a9"), "\u{e9}");
    }

    #[test]
    fn parameters_are_found_by_their_whole_name() {
        let query = Query::new(Some("usedonly&filter=a%2Eb&filter=c&type=Gauges"));
        assert_eq!(query.get("filter").as_deref(), Some("a.b"));
        assert_eq!(query.get("usedonly").as_deref(), Some(""));
        assert_eq!(query.get("used"), None);
        let selection = query.selection().unwrap();
        assert_eq!((selection.kind, selection.used_only), (Some(Kind::Gauge), true));
        assert!(Query::new(Some("type=Strings")).selection().is_err());
        assert!(Query::new(Some("filter=(")).selection().is_err());
        assert!(Query::new(None).selection().unwrap().filter.is_none());
    }
}
