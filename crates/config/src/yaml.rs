//! Reads YAML as Envoy does: what a file means to one it must mean to the other.
//!
//! That makes plain scalars differ from the YAML 1.2 core schema. A plain scalar is a boolean as in YAML 1.1 (`yes`,
//! `On`, `y`), an integer where it fits 32 bits (a leading `0` is octal, `0x` hexadecimal), and text otherwise. So `0.5`
//! and `3000000000` are text: harmless in a field of a number type, where proto3 JSON takes a number as text too, and
//! visible in a `Struct`, where the plugin reads `"0.5"`. JSON has no such rule.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};

use crate::error::{Position, Problem};
use crate::node::{MAX_DEPTH, Node, Value, quote};

/// How many values and bytes of text aliases may add: a few lines of YAML can otherwise stand for gigabytes.
const MAX_COPIED: usize = 1 << 20;

/// The one document of `text`; `Null` if there is none.
pub(crate) fn read(text: &str) -> Result<Node, Problem> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        copied: 0,
    };
    let mut document = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if document.is_some() => {
                return Err(refuse(
                    "there is a second document after `---`; one is allowed",
                    &span.start,
                ));
            }
            event => document = Some(reader.node(event, span, 0)?),
        }
    }
    Ok(document.unwrap_or(Node::new(Value::Null, None)))
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    copied: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Problem> {
        match self.parser.next_event() {
            Some(Ok(found)) => Ok(found),
            Some(Err(error)) => Err(refuse(error.info(), error.marker())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err(refuse(&format!("nested more than {MAX_DEPTH} deep"), &span.start));
        }
        let (value, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, &span, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !is_text(tag.as_deref());
                check_tag(tag.as_deref(), &span)?;
                (
                    if plain {
                        plain_scalar(&text)
                    } else {
                        Value::Text(text.into_owned())
                    },
                    anchor,
                )
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), &span)?;
                (self.list(depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), &span)?;
                (self.map(depth)?, anchor)
            }
            _ => return Err(refuse("the text ends too early", &span.start)),
        };
        let node = Node::new(value, Some(position(&span.start)));
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut nodes = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(nodes)),
                (event, span) => nodes.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut entries = Vec::new();
        let mut seen = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(Value::Map(entries)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(refuse("a key must be plain text", &span.start)),
            };
            match seen.entry(key.clone()) {
                Entry::Occupied(first) => {
                    let message = format!(
                        "the key {} is there twice, first in line {}",
                        quote(&key),
                        first.get()
                    );
                    return Err(refuse(&message, &span.start));
                }
                Entry::Vacant(vacant) => vacant.insert(span.start.line()),
            };
            let (event, value_span) = self.next()?;
            let mut node = self.node(event, value_span, depth + 1)?;
            // A person looks for the field, and where its value begins says less: a list's is a line further down.
            node.position = Some(position(&span.start));
            entries.push((key, node));
        }
    }

    fn alias(&mut self, anchor: usize, span: &Span, depth: usize) -> Result<Node, Problem> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(refuse(
                "an alias stands inside the value it stands for",
                &span.start,
            ));
        };
        if depth + height(node) > MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} deep by way of this alias");
            return Err(refuse(&message, &span.start));
        }
        self.copied = self.copied.saturating_add(weight(node));
        if self.copied > MAX_COPIED {
            return Err(refuse("the aliases stand for too much", &span.start));
        }
        Ok(Node::new(node.value.clone(), Some(position(&span.start))))
    }
}

fn weight(node: &Node) -> usize {
    match &node.value {
        Value::Text(text) => 1 + text.len(),
        Value::List(nodes) => 1 + nodes.iter().map(weight).sum::<usize>(),
        Value::Map(entries) => {
            1 + entries
                .iter()
                .map(|(key, node)| key.len() + weight(node))
                .sum::<usize>()
        }
        _ => 1,
    }
}

/// How many levels are below a node.
fn height(node: &Node) -> usize {
    let below = match &node.value {
        Value::List(nodes) => nodes.iter().map(height).max(),
        Value::Map(entries) => entries.iter().map(|(_, node)| height(node)).max(),
        _ => None,
    };
    below.map_or(0, |below| below + 1)
}

/// `!`, by which a plain scalar says that it is text. Envoy looks at no other tag.
fn is_text(tag: Option<&Tag>) -> bool {
    tag.is_some_and(|tag| {
        tag.handle.is_empty() && tag.suffix == "!" || tag.handle == "!" && tag.suffix.is_empty()
    })
}

fn check_tag(tag: Option<&Tag>, span: &Span) -> Result<(), Problem> {
    match tag {
        Some(tag) if !is_text(Some(tag)) => {
            let name = if tag.is_yaml_core_schema() {
                format!("!!{}", tag.suffix)
            } else {
                tag.to_string()
            };
            Err(refuse(
                &format!("the tag {} has no meaning here; remove it", quote(&name)),
                &span.start,
            ))
        }
        _ => Ok(()),
    }
}

fn plain_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        _ => {}
    }
    if let Some(value) = boolean(text) {
        return Value::Bool(value);
    }
    match integer(text) {
        Some(value) if i32::try_from(value).is_ok() => Value::Integer(value.into()),
        Some(value) => Value::Text(value.to_string()),
        None => Value::Text(text.to_owned()),
    }
}

fn boolean(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    let value = match lower.as_str() {
        "y" | "yes" | "true" | "on" => true,
        "n" | "no" | "false" | "off" => false,
        _ => return None,
    };
    let rest = text.get(1..)?;
    let one_case = text == lower || text == lower.to_ascii_uppercase() || rest == lower.get(1..)?;
    one_case.then_some(value)
}

fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
        None => (digits, 10),
    };
    // `from_str_radix` takes a second sign.
    if !digits.bytes().next()?.is_ascii_alphanumeric() {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -value } else { value }).ok()
}

fn position(marker: &Marker) -> Position {
    Position {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

fn refuse(message: &str, marker: &Marker) -> Problem {
    Problem::new("", format!("not valid YAML: {message}")).at(Some(position(marker)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(text: &str) -> Value {
        match read(&format!("a: {text}")).unwrap().value {
            Value::Map(mut entries) => entries.remove(0).1.value,
            other => panic!("{other:?}"),
        }
    }

    /// The values that Envoy 1.40 shows for these in the `node.metadata` of its configuration dump.
    #[test]
    fn plain_scalars_mean_what_they_mean_to_envoy() {
        for (text, number) in [("010", 8), ("0x10", 16), ("5", 5), ("-7", -7), ("+7", 7)] {
            assert_eq!(scalar(text), Value::Integer(number), "{text}");
        }
        for text in ["yes", "On", "y", "TRUE"] {
            assert_eq!(scalar(text), Value::Bool(true), "{text}");
        }
        for text in ["~", "null", ""] {
            assert_eq!(scalar(text), Value::Null, "{text}");
        }
        for text in [
            "0.5",
            "3000000000",
            "1e3",
            ".5",
            "0o17",
            "1_000",
            ".inf",
            "tRue",
            "1.0",
            "09",
            "0x",
            "--1",
        ] {
            assert_eq!(scalar(&format!("{text} # comment")), Value::Text(text.to_owned()));
        }
        assert_eq!(scalar("'5'"), Value::Text("5".to_owned()));
        assert_eq!(scalar("! 5"), Value::Text("5".to_owned()));
        assert_eq!(
            scalar("9223372036854775808"),
            Value::Text("9223372036854775808".to_owned())
        );
    }

    #[test]
    fn places_are_counted_from_one() {
        let Value::Map(entries) = read("a:\n  - b: 1\n").unwrap().value else {
            panic!()
        };
        assert_eq!(entries[0].1.position, Some(Position { line: 1, column: 1 }));
        let Value::List(nodes) = &entries[0].1.value else {
            panic!()
        };
        let Value::Map(inner) = &nodes[0].value else {
            panic!()
        };
        assert_eq!(inner[0].1.position, Some(Position { line: 2, column: 5 }));
    }

    #[test]
    fn refusals() {
        for (text, message, line, column) in [
            (
                "a: 1\nb: 2\na: 3\n",
                "the key `a` is there twice, first in line 1",
                3,
                1,
            ),
            (
                "a: 1\n---\nb: 1\n",
                "there is a second document after `---`; one is allowed",
                3,
                1,
            ),
            (
                "a: &x [*x]",
                "an alias stands inside the value it stands for",
                1,
                8,
            ),
            (
                "a: !!str 5",
                "the tag `!!str` has no meaning here; remove it",
                1,
                4,
            ),
            ("? [a]\n: 1", "a key must be plain text", 1, 3),
        ] {
            let problem = read(text).unwrap_err();
            assert_eq!(problem.message, format!("not valid YAML: {message}"), "{text}");
            assert_eq!(problem.position, Some(Position { line, column }), "{text}");
        }
        for text in ["a: [1", "a: 'b", "a: b: c", "*x", "a: \"\\q\""] {
            let problem = read(text).unwrap_err();
            assert!(problem.position.is_some(), "{text}");
        }
    }

    #[test]
    fn aliases_are_copied_up_to_a_bound() {
        let node = read("a: &x {b: 1}\nc: *x\n").unwrap();
        let Value::Map(entries) = node.value else { panic!() };
        assert_eq!(entries[0].1.value, entries[1].1.value);

        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert_eq!(
            read(&bomb).unwrap_err().message,
            "not valid YAML: the aliases stand for too much"
        );
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&deep(MAX_DEPTH)).is_ok());
        assert!(
            read(&deep(MAX_DEPTH + 2))
                .unwrap_err()
                .message
                .contains("nested more than 100 deep")
        );
        let aliased = |levels: usize| format!("[&a {}, {{a: *a}}]", deep(levels));
        assert!(read(&aliased(MAX_DEPTH - 1)).is_ok());
        let error = read(&aliased(MAX_DEPTH)).unwrap_err();
        assert_eq!(
            error.message,
            "not valid YAML: nested more than 100 deep by way of this alias"
        );
        assert!(read(&deep(100_000)).is_err());
        assert!(read(&"- ".repeat(100_000)).is_err());
        assert!(read(&"{a: ".repeat(100_000)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]{}:,\\-?&*!|>'\"%@`#a-c0-9 \n\t~.]{0,60}") {
            let _ = read(&text);
        }
    }
}
