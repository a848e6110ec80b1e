//! The functions of expressions: CEL's standard ones.

use std::cmp::Ordering;

use regex::bytes::RegexBuilder;

use super::Error;
use super::compile::Node;
use super::eval::Evaluator;
use super::operators::{negated, numbers};
use super::time::{self, Civil};
use super::value::{Value, equal, order};

/// A function or an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Neg,
    Not,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    Index,
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Bool,
    Dyn,
    Type,
    Timestamp,
    Duration,
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// `f(a, b)`
    Plain,
    /// `a.f(b)`
    Method,
    Either,
}

/// Name, style, and the least and most arguments, the one before the dot among them.
const FUNCTIONS: [(&str, Style, usize, usize, Function); 40] = {
    use Function as F;
    use Style::{Either, Method, Plain};
    [
        ("_+_", Plain, 2, 2, F::Add),
        ("_-_", Plain, 2, 2, F::Sub),
        ("_*_", Plain, 2, 2, F::Mul),
        ("_/_", Plain, 2, 2, F::Div),
        ("_%_", Plain, 2, 2, F::Mod),
        ("-_", Plain, 1, 1, F::Neg),
        ("!_", Plain, 1, 1, F::Not),
        ("_==_", Plain, 2, 2, F::Eq),
        ("_!=_", Plain, 2, 2, F::Ne),
        ("_<_", Plain, 2, 2, F::Lt),
        ("_<=_", Plain, 2, 2, F::Le),
        ("_>_", Plain, 2, 2, F::Gt),
        ("_>=_", Plain, 2, 2, F::Ge),
        ("@in", Plain, 2, 2, F::In),
        ("_[_]", Plain, 2, 2, F::Index),
        ("size", Either, 1, 1, F::Size),
        ("contains", Method, 2, 2, F::Contains),
        ("startsWith", Method, 2, 2, F::StartsWith),
        ("endsWith", Method, 2, 2, F::EndsWith),
        ("matches", Either, 2, 2, F::Matches),
        ("int", Plain, 1, 1, F::Int),
        ("uint", Plain, 1, 1, F::Uint),
        ("double", Plain, 1, 1, F::Double),
        ("string", Plain, 1, 1, F::String),
        ("bytes", Plain, 1, 1, F::Bytes),
        ("bool", Plain, 1, 1, F::Bool),
        ("dyn", Plain, 1, 1, F::Dyn),
        ("type", Plain, 1, 1, F::Type),
        ("timestamp", Plain, 1, 1, F::Timestamp),
        ("duration", Plain, 1, 1, F::Duration),
        ("getFullYear", Method, 1, 2, F::FullYear),
        ("getMonth", Method, 1, 2, F::Month),
        ("getDate", Method, 1, 2, F::Date),
        ("getDayOfMonth", Method, 1, 2, F::DayOfMonth),
        ("getDayOfWeek", Method, 1, 2, F::DayOfWeek),
        ("getDayOfYear", Method, 1, 2, F::DayOfYear),
        ("getHours", Method, 1, 2, F::Hours),
        ("getMinutes", Method, 1, 2, F::Minutes),
        ("getSeconds", Method, 1, 2, F::Seconds),
        ("getMilliseconds", Method, 1, 2, F::Milliseconds),
    ]
};

/// What it costs to get a pattern ready, in steps; and the most memory that it may take.
const PATTERN: u64 = 20_000;
const PATTERN_MEMORY: usize = 1 << 20;
/// The most memory of a pattern that takes one step for each byte of a text. A larger one takes as many more as it may be
/// larger.
const SMALL_PATTERN: usize = 64 << 10;

impl Function {
    pub(crate) fn find(name: &str, method: bool, args: usize) -> Option<Function> {
        let fits = |style: Style| style == Style::Either || (style == Style::Method) == method;
        FUNCTIONS
            .iter()
            .find(|(known, style, least, most, _)| {
                *known == name && fits(*style) && (*least..=*most).contains(&args)
            })
            .map(|(.., function)| *function)
    }

    fn name(self) -> &'static str {
        let known = FUNCTIONS.iter().find(|(.., function)| *function == self);
        known.map_or("", |(name, ..)| name)
    }
}

pub(crate) fn no_overload(function: Function, a: &Value, b: &Value) -> Error {
    Error::new(format!(
        "no matching overload: {} of {} and {}",
        function.name(),
        a.type_name(),
        b.type_name()
    ))
}

impl Evaluator<'_, '_> {
    pub(crate) fn function(&mut self, function: Function, args: &[Node]) -> Result<Value, Error> {
        match args {
            [a] => {
                let a = match (function, self.eval(a)?) {
                    // Which needs no more than its name.
                    (Function::Type, Value::Attribute(of)) if of.is_map() => return Ok(Value::Type("map")),
                    (_, Value::Attribute(of)) => self.whole(&of)?,
                    (_, a) => a,
                };
                self.of_one(function, a)
            }
            [a, b] => {
                // The keys of a property's map need not all be asked for.
                let a = match function {
                    Function::Index => self.eval(a)?,
                    _ => self.settled(a)?,
                };
                let b = match function {
                    Function::In => self.eval(b)?,
                    _ => self.settled(b)?,
                };
                self.of_two(function, a, b)
            }
            _ => Err(Error::new("no such function")),
        }
    }

    fn of_two(&mut self, function: Function, a: Value, b: Value) -> Result<Value, Error> {
        use Function as F;
        let compared =
            |order: Option<Ordering>, fits: fn(Ordering) -> bool| Value::Bool(order.is_some_and(fits));
        Ok(match function {
            F::Eq => Value::Bool(equal(&a, &b, &mut self.budget)?),
            F::Ne => Value::Bool(!equal(&a, &b, &mut self.budget)?),
            F::Lt => compared(order(&a, &b, &mut self.budget)?, Ordering::is_lt),
            F::Le => compared(order(&a, &b, &mut self.budget)?, Ordering::is_le),
            F::Gt => compared(order(&a, &b, &mut self.budget)?, Ordering::is_gt),
            F::Ge => compared(order(&a, &b, &mut self.budget)?, Ordering::is_ge),
            F::Add => self.add(a, b)?,
            F::Sub | F::Mul | F::Div | F::Mod => numbers(function, &a, &b)?,
            F::Index => self.index(a, b)?,
            F::In => self.is_in(a, b)?,
            F::Contains | F::StartsWith | F::EndsWith | F::Matches => self.text(function, &a, &b)?,
            _ => match &b {
                Value::String(zone) => {
                    self.budget.look(zone.len())?;
                    let zone = std::str::from_utf8(zone).ok().and_then(time::read_offset);
                    let zone = zone.ok_or_else(|| Error::new("time zones are UTC, or like +02:00"))?;
                    calendar(function, &a, Some(zone))?
                }
                _ => return Err(no_overload(function, &a, &b)),
            },
        })
    }

    fn text(&mut self, function: Function, a: &Value, b: &Value) -> Result<Value, Error> {
        let (Value::String(text), Value::String(part)) = (a, b) else {
            return Err(no_overload(function, a, b));
        };
        self.budget.look(text.len())?;
        let found = match function {
            Function::StartsWith => text.starts_with(part),
            Function::EndsWith => text.ends_with(part),
            Function::Matches => self.matches(text, part)?,
            _ => {
                self.budget.look(part.len())?;
                memchr::memmem::find(text, part).is_some()
            }
        };
        Ok(Value::Bool(found))
    }

    fn matches(&mut self, text: &[u8], pattern: &[u8]) -> Result<bool, Error> {
        self.budget.steps(PATTERN)?;
        self.budget.look(pattern.len().saturating_mul(64))?;
        let pattern = std::str::from_utf8(pattern).map_err(|_| Error::new("a pattern is no UTF-8"))?;
        let build = |memory: usize| {
            RegexBuilder::new(pattern)
                .size_limit(memory)
                .dfa_size_limit(PATTERN_MEMORY)
                .build()
        };
        // At worst, each byte of the text is looked at with all of the pattern.
        let (pattern, steps) = match build(SMALL_PATTERN) {
            Err(regex::Error::CompiledTooBig(_)) => {
                self.budget.steps(PATTERN)?;
                (build(PATTERN_MEMORY), PATTERN_MEMORY / SMALL_PATTERN)
            }
            small => (small, 1),
        };
        let pattern = pattern.map_err(|error| Error::new(format!("a pattern can't be used: {error}")))?;
        self.budget.steps(text.len() as u64 * steps as u64)?;
        Ok(pattern.is_match(text))
    }

    fn of_one(&mut self, function: Function, a: Value) -> Result<Value, Error> {
        use Function as F;
        let none = |a: &Value| {
            Error::new(format!(
                "no matching overload: {}({})",
                function.name(),
                a.type_name()
            ))
        };
        Ok(match (function, &a) {
            (F::Not, Value::Bool(a)) => Value::Bool(!a),
            (F::Neg, a) => negated(a)?,
            (F::Size, Value::String(text)) => {
                self.budget.look(text.len())?;
                let points = text
                    .utf8_chunks()
                    .map(|chunk| chunk.valid().chars().count() + usize::from(!chunk.invalid().is_empty()));
                Value::Int(points.sum::<usize>() as i64)
            }
            (F::Size, Value::Bytes(bytes)) => Value::Int(bytes.len() as i64),
            (F::Size, Value::List(list)) => Value::Int(list.len() as i64),
            (F::Size, Value::Map(map)) => Value::Int(map.len() as i64),
            (F::Dyn, _) => a,
            (F::Type, a) => Value::Type(a.type_name()),
            (F::String, a) => self.string_of(a)?.ok_or_else(|| none(a))?,
            (F::Int | F::Uint | F::Double | F::Bytes | F::Bool | F::Timestamp | F::Duration, a) => {
                if let Value::String(text) = a {
                    self.budget.look(text.len())?;
                }
                convert(function, a).ok_or_else(|| none(a))??
            }
            _ => calendar(function, &a, None)?,
        })
    }

    fn string_of(&mut self, a: &Value) -> Result<Option<Value>, Error> {
        let text = match a {
            Value::String(_) => return Ok(Some(a.clone())),
            Value::Bytes(bytes) => {
                self.budget.look(bytes.len())?;
                match std::str::from_utf8(bytes) {
                    Ok(_) => return Ok(Some(Value::String(bytes.clone()))),
                    Err(_) => return Err(Error::new("bytes that are no UTF-8 are no string")),
                }
            }
            Value::Int(value) => value.to_string(),
            Value::Uint(value) => value.to_string(),
            Value::Double(value) => write_double(*value),
            Value::Bool(value) => value.to_string(),
            Value::Timestamp(nanos) => time::write_timestamp(*nanos),
            Value::Duration(nanos) => time::write_duration(*nanos),
            _ => return Ok(None),
        };
        self.budget.make(text.len())?;
        Ok(Some(Value::string(text)))
    }
}

/// A conversion; `None` for a type that has none.
fn convert(function: Function, a: &Value) -> Option<Result<Value, Error>> {
    use Function as F;
    let text = match a {
        Value::String(text) => std::str::from_utf8(text).ok(),
        _ => None,
    };
    let number = text.map(str::trim_ascii);
    let range = || Error::new("out of range");
    let unreadable = || Error::new("text that can't be converted");
    let seconds = |nanos: &i128| i64::try_from(nanos.div_euclid(1_000_000_000)).map_err(|_| range());
    Some(match (function, a) {
        (F::Int, Value::Int(_))
        | (F::Uint, Value::Uint(_))
        | (F::Double, Value::Double(_))
        | (F::Bytes, Value::Bytes(_))
        | (F::Bool, Value::Bool(_))
        | (F::Timestamp, Value::Timestamp(_))
        | (F::Duration, Value::Duration(_)) => Ok(a.clone()),
        (F::Int, Value::Uint(value)) => i64::try_from(*value).map(Value::Int).map_err(|_| range()),
        (F::Int, Value::Double(value)) => whole(*value, i64::MIN.into(), i64::MAX.into())
            .and_then(|value| i64::try_from(value).ok())
            .map(Value::Int)
            .ok_or_else(range),
        (F::Int, Value::Timestamp(nanos)) => seconds(nanos).map(Value::Int),
        (F::Int, Value::String(_)) => number
            .and_then(|text| text.parse().ok())
            .map(Value::Int)
            .ok_or_else(unreadable),
        (F::Uint, Value::Int(value)) => u64::try_from(*value).map(Value::Uint).map_err(|_| range()),
        (F::Uint, Value::Double(value)) if *value < 0.0 => Err(range()),
        (F::Uint, Value::Double(value)) => whole(*value, 0, u64::MAX.into())
            .and_then(|value| u64::try_from(value).ok())
            .map(Value::Uint)
            .ok_or_else(range),
        (F::Uint, Value::String(_)) => number
            .and_then(|text| text.parse().ok())
            .map(Value::Uint)
            .ok_or_else(unreadable),
        (F::Double, Value::Int(value)) => Ok(Value::Double(*value as f64)),
        (F::Double, Value::Uint(value)) => Ok(Value::Double(*value as f64)),
        (F::Double, Value::String(_)) => number
            .and_then(|text| text.parse().ok())
            .map(Value::Double)
            .ok_or_else(unreadable),
        (F::Bytes, Value::String(text)) => Ok(Value::Bytes(text.clone())),
        (F::Bool, Value::String(_)) => match text {
            Some("true" | "True" | "TRUE" | "t" | "1") => Ok(Value::Bool(true)),
            Some("false" | "False" | "FALSE" | "f" | "0") => Ok(Value::Bool(false)),
            _ => Err(unreadable()),
        },
        (F::Timestamp, Value::Int(seconds)) => Value::timestamp(i128::from(*seconds) * 1_000_000_000),
        (F::Timestamp, Value::String(_)) => text
            .and_then(time::read_timestamp)
            .ok_or_else(unreadable)
            .and_then(Value::timestamp),
        (F::Duration, Value::String(_)) => text
            .and_then(time::read_duration)
            .ok_or_else(unreadable)
            .and_then(Value::duration),
        _ => return None,
    })
}

/// As few digits as tell the number from others, and with an exponent where Envoy has one.
fn write_double(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => match exponent.parse::<i32>() {
            Ok(-4..=5) | Err(_) => value.to_string(),
            Ok(exponent) => {
                let sign = if exponent < 0 { '-' } else { '+' };
                format!("{digits}e{sign}{:02}", exponent.abs())
            }
        },
        None => value.to_string(),
    }
}

/// A double without what is behind its point, between these.
fn whole(value: f64, least: i128, most: i128) -> Option<i128> {
    // One that is no number becomes 0, so it is left out first.
    let whole = value.trunc() as i128;
    (!value.is_nan() && (least..=most).contains(&whole)).then_some(whole)
}

/// What a moment is on the calendar of a zone so many seconds ahead of UTC, or how long a duration is.
fn calendar(function: Function, a: &Value, zone: Option<i64>) -> Result<Value, Error> {
    use Function as F;
    let value = match a {
        Value::Timestamp(nanos) => {
            let at = Civil::new(*nanos, zone.unwrap_or(0));
            match function {
                F::FullYear => Some(at.year),
                F::Month => Some(at.month - 1),
                F::Date => Some(at.day),
                F::DayOfMonth => Some(at.day - 1),
                F::DayOfWeek => Some(at.day_of_week),
                F::DayOfYear => Some(at.day_of_year),
                F::Hours => Some(at.hour),
                F::Minutes => Some(at.minute),
                F::Seconds => Some(at.second),
                F::Milliseconds => Some(at.nanos / 1_000_000),
                _ => None,
            }
        }
        Value::Duration(nanos) if zone.is_none() => {
            let milliseconds = i64::try_from(nanos / 1_000_000).unwrap_or_default();
            match function {
                F::Hours => Some(milliseconds / 3_600_000),
                F::Minutes => Some(milliseconds / 60_000),
                F::Seconds => Some(milliseconds / 1_000),
                // Of the second, as on Envoy.
                F::Milliseconds => Some(milliseconds % 1_000),
                _ => None,
            }
        }
        _ => None,
    };
    value.map(Value::Int).ok_or_else(|| {
        Error::new(format!(
            "no matching overload: {} of {}",
            function.name(),
            a.type_name()
        ))
    })
}
