//! The header map that guests see.

mod text;

use std::fmt;

use enginebay_abi::Status;
use enginebay_abi::pairs::PairsLimits;

use text::Text;

/// HTTP headers, trailers or metadata, in order, with repeated names: names in lower case, pseudo-headers
/// (`:path`) among them.
///
/// All names and values lie in one allocation, which [`HeaderMap::clear`] keeps: a map that is used again
/// allocates nothing. While nothing was changed out of order, the bytes are already those that a guest reads
/// with `proxy_get_header_map_pairs`.
#[derive(Clone)]
pub struct HeaderMap {
    /// `name\0value\0` of every entry, and what entries left behind that were changed.
    bytes: Text,
    entries: Vec<Entry>,
    /// How many bytes entries left behind. While there are none, `bytes` is exactly the entries, one after the other.
    dead: usize,
    modified: bool,
    /// So many entries are those that were there when the map was last taken as unmodified, and all that happened since is that
    /// others were added behind them. `None` if more happened.
    untouched: Option<usize>,
    limits: HeaderLimits,
    /// Counts the changes, so that a [`ValueRef`] from before one is not taken for a later one. What
    /// [`HeaderMap::push_valid`] adds is none: values stay where they are.
    changes: u32,
}

/// How large a map may become by [`HeaderMap::add`] and its neighbours, and so by what plugins do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderLimits {
    /// Headers. Default 1,024.
    pub entries: usize,
    /// Bytes of names and values. Default 1 MiB; more than [`HeaderLimits::MOST_BYTES`] is that.
    pub bytes: usize,
}

impl HeaderLimits {
    /// The default, as a constant.
    pub const DEFAULT: HeaderLimits = HeaderLimits {
        entries: 1024,
        bytes: 1 << 20,
    };

    /// What [`HeaderLimits::bytes`] can be at most: 256 MiB. Maps find their entries by 32-bit numbers, also while what
    /// changed is still there.
    pub const MOST_BYTES: usize = 256 << 20;

    /// The same for maps as plugins send them.
    pub(crate) fn pairs(self) -> PairsLimits {
        PairsLimits {
            max_pairs: self.entries,
            max_bytes: self.bytes,
        }
    }
}

impl Default for HeaderLimits {
    fn default() -> Self {
        HeaderLimits::DEFAULT
    }
}

#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    name_len: u32,
    value_len: u32,
}

impl Entry {
    /// Bytes the entry takes, with both terminators.
    fn stored_len(self) -> usize {
        self.name_len as usize + self.value_len as usize + 2
    }
}

/// Where a value is, for [`HeaderMap::value_at`], for as long as nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ValueRef {
    start: u32,
    pub(crate) len: u32,
    changes: u32,
}

/// Why a header was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The name is empty or has a character that no header name may have.
    #[error("not a header name")]
    InvalidName,
    /// The value has a line break or a NUL, which would end the header on the wire.
    #[error("not a header value")]
    InvalidValue,
    /// The map is as large as its [`HeaderLimits`] allow.
    #[error("too many headers")]
    TooLarge,
}

impl From<HeaderError> for Status {
    fn from(_: HeaderError) -> Self {
        Status::BadArgument
    }
}

impl HeaderMap {
    /// An empty map with the default limits.
    pub fn new() -> Self {
        HeaderMap {
            bytes: Text::new(),
            entries: Vec::new(),
            dead: 0,
            modified: false,
            untouched: Some(0),
            limits: HeaderLimits::DEFAULT,
            changes: 0,
        }
    }

    /// Sets how large the map may become from now on. What is in it stays.
    #[inline]
    pub fn set_limits(&mut self, limits: HeaderLimits) {
        self.limits = HeaderLimits {
            bytes: limits.bytes.min(HeaderLimits::MOST_BYTES),
            ..limits
        };
    }

    /// Number of headers, repeated names counted each time.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no headers.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Total length of all names and values in bytes: what `proxy_get_header_map_size` gives.
    #[inline]
    pub fn size(&self) -> usize {
        self.bytes.len() - self.dead - 2 * self.entries.len()
    }

    /// Whether a guest or anybody else changed the map since it was made or [`HeaderMap::set_unmodified`] was
    /// called.
    pub fn is_modified(&self) -> bool {
        self.modified
    }

    /// Takes what is there now as what it was before any change.
    pub fn set_unmodified(&mut self) {
        self.modified = false;
        self.untouched = Some(self.entries.len());
    }

    /// What was added since the map was made or [`HeaderMap::set_unmodified`] was called. `None` if anything else was changed
    /// since.
    pub fn added(&self) -> Option<impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone> {
        let added = self.entries.get(self.untouched?..)?;
        Some(added.iter().map(|entry| (self.name(*entry), self.value(*entry))))
    }

    /// Takes all headers out and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.dead = 0;
        self.changed();
        self.untouched = None;
    }

    /// The first value of this name, which may be in any case.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.find(name.as_ref()).and_then(|found| self.value_at(found))
    }

    /// All headers, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
        self.entries
            .iter()
            .map(|entry| (self.name(*entry), self.value(*entry)))
    }

    /// Adds a header after all others, also when there is one of that name.
    ///
    /// # Errors
    /// A name or value that can't be sent, or a map that is full.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), HeaderError> {
        let (name, value) = (name.as_ref(), value.as_ref());
        let case = check_name(name)?;
        check_value(value)?;
        self.check_room(self.entries.len(), self.size(), name.len() + value.len())?;
        self.push(case, name, value);
        Ok(())
    }

    /// Adds a header that is known to be one: from a parser of HTTP, or a constant. The name is in lower case.
    ///
    /// Spares what [`HeaderMap::add`] checks; what is wrong here goes to the plugin as it is.
    // Always: see `Text::push`.
    #[inline(always)]
    pub fn push_valid(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        self.entries.push(Entry {
            start: self.bytes.push(name, value),
            name_len: name.len() as u32,
            value_len: value.len() as u32,
        });
        self.modified = true;
    }

    /// Adds a header that is known to be one, as [`HeaderMap::push_valid`] does, if there is room for it.
    ///
    /// # Errors
    /// [`HeaderError::TooLarge`] where the map is as large as its limits allow; it stays as it is.
    #[inline]
    pub fn add_valid(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), HeaderError> {
        let (name, value) = (name.as_ref(), value.as_ref());
        self.check_room(self.entries.len(), self.size(), name.len() + value.len())?;
        self.push_valid(name, value);
        Ok(())
    }

    /// Gives the first header of this name this value and takes the others of that name out; adds one if there
    /// is none.
    ///
    /// # Errors
    /// As [`HeaderMap::add`].
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), HeaderError> {
        let (name, value) = (self.alias(name.as_ref()), value.as_ref());
        let Some(first) = self.position(name) else {
            return self.add(name, value);
        };
        check_value(value)?;
        let old = self.entries[first];
        self.check_room(0, self.size() - old.value_len as usize, value.len())?;
        self.entries[first] = Entry {
            start: self.bytes.push_lowercase(name, value),
            name_len: old.name_len,
            value_len: value.len() as u32,
        };
        self.dead += old.stored_len();
        let mut position = 0;
        self.retain(|entry_name| {
            position += 1;
            position <= first + 1 || !entry_name.eq_ignore_ascii_case(name)
        });
        self.changed();
        self.untouched = None;
        self.compact();
        Ok(())
    }

    /// Takes out all headers of this name. Says whether there was one.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> bool {
        let name = self.alias(name.as_ref());
        let before = self.entries.len();
        self.retain(|entry_name| !entry_name.eq_ignore_ascii_case(name));
        let removed = self.entries.len() != before;
        if removed {
            self.changed();
            self.untouched = None;
        }
        removed
    }

    /// Replaces all headers with these. On an error the map is as it was.
    ///
    /// # Errors
    /// As [`HeaderMap::add`], for the first header that can't be added.
    pub fn replace_all<'a>(
        &mut self,
        headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<(), HeaderError> {
        let mut new = HeaderMap::new();
        new.set_limits(self.limits);
        for (name, value) in headers {
            new.add(name, value)?;
        }
        new.changes = self.changes;
        new.changed();
        new.untouched = None;
        *self = new;
        Ok(())
    }

    /// Length of the map in the form `proxy_get_header_map_pairs` gives: see [`enginebay_abi::pairs`].
    pub(crate) fn encoded_len(&self) -> usize {
        4 + self.entries.len() * 8 + self.bytes.len() - self.dead
    }

    /// Writes that form. Says whether `out` has exactly the right length.
    pub(crate) fn encode_into(&self, out: &mut [u8]) -> bool {
        if out.len() != self.encoded_len() {
            return false;
        }
        let (head, body) = out.split_at_mut(4 + self.entries.len() * 8);
        head[..4].copy_from_slice(&(self.entries.len() as u32).to_le_bytes());
        for (sizes, entry) in std::iter::zip(head[4..].chunks_exact_mut(8), &self.entries) {
            sizes[..4].copy_from_slice(&entry.name_len.to_le_bytes());
            sizes[4..].copy_from_slice(&entry.value_len.to_le_bytes());
        }
        if self.dead == 0 {
            body.copy_from_slice(&self.bytes);
            return true;
        }
        let mut at = 0;
        for entry in &self.entries {
            let len = entry.stored_len();
            let start = entry.start as usize;
            body[at..at + len].copy_from_slice(&self.bytes[start..start + len]);
            at += len;
        }
        true
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<ValueRef> {
        self.position(self.alias(name)).map(|position| {
            let entry = self.entries[position];
            ValueRef {
                start: entry.start + entry.name_len + 1,
                len: entry.value_len,
                changes: self.changes,
            }
        })
    }

    pub(crate) fn value_at(&self, value: ValueRef) -> Option<&[u8]> {
        if value.changes != self.changes {
            return None;
        }
        let start = value.start as usize;
        self.bytes.get(start..start + value.len as usize)
    }

    /// `host` is another name of `:authority`, in a map that has that one, as on Envoy.
    #[inline]
    fn alias<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        match name.len() == 4 && name.eq_ignore_ascii_case(b"host") && self.position(b":authority").is_some()
        {
            true => b":authority",
            false => name,
        }
    }

    #[inline]
    fn position(&self, name: &[u8]) -> Option<usize> {
        self.entries.iter().position(|entry| {
            entry.name_len as usize == name.len() && self.name(*entry).eq_ignore_ascii_case(name)
        })
    }

    #[inline]
    fn name(&self, entry: Entry) -> &[u8] {
        let start = entry.start as usize;
        &self.bytes[start..start + entry.name_len as usize]
    }

    #[inline]
    fn value(&self, entry: Entry) -> &[u8] {
        let start = (entry.start + entry.name_len + 1) as usize;
        &self.bytes[start..start + entry.value_len as usize]
    }

    fn check_room(&self, entries: usize, size: usize, added: usize) -> Result<(), HeaderError> {
        // Comparing `added` first keeps the sum from overflowing.
        let HeaderLimits { entries: most, bytes } = self.limits;
        if entries >= most || added > bytes || size + added > bytes {
            return Err(HeaderError::TooLarge);
        }
        Ok(())
    }

    fn push(&mut self, case: Case, name: &[u8], value: &[u8]) {
        self.entries.push(Entry {
            start: match case {
                Case::Lower => self.bytes.push(name, value),
                Case::Mixed => self.bytes.push_lowercase(name, value),
            },
            name_len: name.len() as u32,
            value_len: value.len() as u32,
        });
        self.changed();
        self.compact();
    }

    #[inline]
    fn changed(&mut self) {
        self.modified = true;
        self.changes = self.changes.wrapping_add(1);
    }

    fn retain(&mut self, mut keep: impl FnMut(&[u8]) -> bool) {
        let (bytes, dead) = (&self.bytes, &mut self.dead);
        self.entries.retain(|entry| {
            let start = entry.start as usize;
            let kept = keep(&bytes[start..start + entry.name_len as usize]);
            if !kept {
                *dead += entry.stored_len();
            }
            kept
        });
    }

    /// Keeps what changed entries left behind from growing without end.
    fn compact(&mut self) {
        let live = self.bytes.len() - self.dead;
        if self.bytes.len() <= 4096 + 2 * live {
            return;
        }
        let mut bytes = Text::with_capacity(live);
        for index in 0..self.entries.len() {
            let entry = self.entries[index];
            self.entries[index].start = bytes.push(self.name(entry), self.value(entry));
        }
        self.bytes = bytes;
        self.dead = 0;
    }
}

/// A byte that HTTP's `token` doesn't have.
const NO_TOKEN: u8 = 1;
/// A letter that is not in lower case.
const UPPER: u8 = 2;

/// What there is to say of a byte in a name.
static BYTES: [u8; 256] = {
    let mut table = [NO_TOKEN; 256];
    let mut byte = 0;
    while byte < 256 {
        match byte as u8 {
            b'a'..=b'z' | b'0'..=b'9' => table[byte] = 0,
            b'A'..=b'Z' => table[byte] = UPPER,
            _ => {}
        }
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = 0;
        index += 1;
    }
    table
};

/// The letters of a name.
#[derive(Clone, Copy)]
enum Case {
    Lower,
    Mixed,
}

/// A name is a `token`, after a colon for a pseudo-header.
#[inline]
fn check_name(name: &[u8]) -> Result<Case, HeaderError> {
    let token = name.strip_prefix(b":").unwrap_or(name);
    // Without an early end: names are short.
    let seen = token
        .iter()
        .fold(0, |seen, byte| seen | BYTES[usize::from(*byte)]);
    match seen {
        _ if token.is_empty() || seen & NO_TOKEN != 0 => Err(HeaderError::InvalidName),
        0 => Ok(Case::Lower),
        _ => Ok(Case::Mixed),
    }
}

fn check_value(value: &[u8]) -> Result<(), HeaderError> {
    // Without an early end, so that the compiler looks at many bytes at a time.
    let bad = value
        .iter()
        .fold(false, |bad, byte| bad | matches!(byte, 0 | b'\r' | b'\n'));
    if bad {
        return Err(HeaderError::InvalidValue);
    }
    Ok(())
}

impl fmt::Debug for HeaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(
                self.iter()
                    .map(|(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value))),
            )
            .finish()
    }
}

impl Default for HeaderMap {
    fn default() -> Self {
        HeaderMap::new()
    }
}

impl PartialEq for HeaderMap {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for HeaderMap {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(headers: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.add(name, value).unwrap();
        }
        map
    }

    #[test]
    fn what_was_added_is_known_until_something_else_changes() {
        let fresh = || {
            let mut headers = map(&[("a", "1"), ("b", "2")]);
            headers.set_unmodified();
            headers
        };
        let added = |headers: &HeaderMap| {
            Some(
                headers
                    .added()?
                    .map(|(name, _)| name.to_vec())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(added(&fresh()), Some(vec![]));
        let mut headers = fresh();
        headers.add("C", "3").unwrap();
        // There is none of that name, so it is one more.
        headers.set("d", "4").unwrap();
        assert!(!headers.remove("e"));
        assert_eq!(added(&headers), Some(vec![b"c".to_vec(), b"d".to_vec()]));
        headers.set_unmodified();
        assert_eq!(added(&headers), Some(vec![]));
        let changes: [fn(&mut HeaderMap); 4] = [
            |headers| headers.set("a", "x").unwrap(),
            |headers| assert!(headers.remove("b")),
            |headers| headers.replace_all([(&b"a"[..], &b"1"[..])]).unwrap(),
            HeaderMap::clear,
        ];
        for change in changes {
            let mut headers = fresh();
            change(&mut headers);
            headers.add("c", "3").unwrap();
            assert_eq!(added(&headers), None);
        }
    }

    #[test]
    fn order_repetition_and_case() {
        let mut headers = map(&[(":path", "/"), ("Accept", "a"), ("x", "1"), ("accept", "b")]);
        assert_eq!(headers.get("ACCEPT"), Some(&b"a"[..]));
        assert_eq!(headers.len(), 4);
        headers.set("accept", "longer than before").unwrap();
        assert_eq!(
            headers,
            map(&[(":path", "/"), ("accept", "longer than before"), ("x", "1")])
        );
        assert!(headers.remove("X"));
        assert!(!headers.remove("x"));
        assert_eq!(headers, map(&[(":path", "/"), ("accept", "longer than before")]));
        assert_eq!(headers.size(), 5 + 1 + 6 + 18);
    }

    #[test]
    fn host_is_another_name_of_the_authority() {
        let mut headers = map(&[(":authority", "a"), ("x", "1")]);
        assert_eq!(headers.get("Host"), Some(&b"a"[..]));
        headers.set("host", "b").unwrap();
        assert_eq!(headers, map(&[(":authority", "b"), ("x", "1")]));
        assert!(headers.remove("host"));
        assert_eq!(headers.get("host"), None);
        headers.set("host", "c").unwrap();
        assert_eq!(headers, map(&[("x", "1"), ("host", "c")]));
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let mut headers = HeaderMap::new();
        for name in ["", ":", "a b", "a\n", "é", "a:b"] {
            assert_eq!(headers.add(name, "v"), Err(HeaderError::InvalidName), "{name:?}");
        }
        for value in ["a\r\nb: c", "\0", "\n"] {
            assert_eq!(
                headers.add("a", value),
                Err(HeaderError::InvalidValue),
                "{value:?}"
            );
        }
        assert!(headers.is_empty());
        assert!(!headers.is_modified());
    }

    #[test]
    fn entries_are_bounded() {
        let mut headers = HeaderMap::new();
        for _ in 0..HeaderLimits::DEFAULT.entries {
            headers.add("a", "b").unwrap();
        }
        assert_eq!(headers.add("a", "b"), Err(HeaderError::TooLarge));
        assert_eq!(headers.set("a", "c"), Ok(()));
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn no_limit_is_beyond_what_places_can_tell() {
        let mut headers = HeaderMap::new();
        headers.set_limits(HeaderLimits {
            entries: usize::MAX,
            bytes: usize::MAX,
        });
        let most = HeaderLimits::MOST_BYTES;
        assert_eq!(headers.check_room(usize::MAX - 1, most - 1, 1), Ok(()));
        assert_eq!(headers.check_room(0, most, 1), Err(HeaderError::TooLarge));
        // Each entry has a name of a byte at least and takes two bytes more. Before they are put together there may be
        // twice as many, and a new one.
        assert!(u32::try_from(4096 + 3 * 3 * most).is_ok());
    }

    #[test]
    fn bytes_are_bounded_also_when_one_header_changes_for_ever() {
        let mut headers = map(&[("a", "")]);
        let large = vec![b'x'; HeaderLimits::DEFAULT.bytes - 1];
        assert_eq!(headers.set("a", &large), Ok(()));
        assert_eq!(headers.add("b", ""), Err(HeaderError::TooLarge));
        assert_eq!(
            headers.set("a", vec![b'x'; HeaderLimits::DEFAULT.bytes]),
            Err(HeaderError::TooLarge)
        );
        for _ in 0..10_000 {
            headers.set("a", "short").unwrap();
        }
        assert!(headers.bytes.capacity() < 3 * HeaderLimits::DEFAULT.bytes);
        assert_eq!(headers.get("a"), Some(&b"short"[..]));
    }

    proptest! {
        #[test]
        fn behaves_as_a_list_of_pairs(
            steps in proptest::collection::vec((0..4u8, "[a-cA-C]", "[x-z]{0,40}"), 0..60)
        ) {
            let mut headers = HeaderMap::new();
            let mut model: Vec<(String, String)> = Vec::new();
            for (step, name, value) in steps {
                let lower = name.to_ascii_lowercase();
                match step {
                    0 => {
                        headers.add(&name, &value).unwrap();
                        model.push((lower, value));
                    }
                    1 => {
                        headers.set(&name, &value).unwrap();
                        match model.iter().position(|(n, _)| *n == lower) {
                            Some(first) => {
                                model[first].1 = value;
                                let mut position = 0;
                                model.retain(|(n, _)| {
                                    position += 1;
                                    position <= first + 1 || *n != lower
                                });
                            }
                            None => model.push((lower, value)),
                        }
                    }
                    2 => {
                        let removed = headers.remove(&name);
                        let before = model.len();
                        model.retain(|(n, _)| *n != lower);
                        prop_assert_eq!(removed, model.len() != before);
                    }
                    _ => {
                        let expected = model.iter().find(|(n, _)| *n == lower).map(|(_, v)| v.as_bytes());
                        prop_assert_eq!(headers.get(&name), expected);
                    }
                }
                let expected: Vec<_> = model.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
                prop_assert_eq!(headers.iter().collect::<Vec<_>>(), expected.clone());
                let mut encoded = vec![0; headers.encoded_len()];
                prop_assert!(headers.encode_into(&mut encoded));
                prop_assert_eq!(encoded, enginebay_abi::pairs::encode(expected.iter().copied()).unwrap());
            }
        }
    }
}
