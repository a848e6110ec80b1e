//! Values of expressions.

use std::cmp::Ordering;
use std::rc::Rc;

use super::attribute::Attribute;
use super::budget::Budget;
use super::{Error, time};

/// A value. Cloning one copies nothing that is large.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    /// Text. Plugins and clients decide what is in it, so it need not be UTF-8.
    String(Rc<[u8]>),
    Bytes(Rc<[u8]>),
    /// Nanoseconds.
    Duration(i128),
    /// Nanoseconds since 1970.
    Timestamp(i128),
    List(Rc<Vec<Value>>),
    Map(Rc<Vec<(Value, Value)>>),
    /// A type, by its name.
    Type(&'static str),
    /// A property that nobody has asked for yet.
    Attribute(Rc<Attribute>),
}

impl Value {
    pub(crate) fn string(text: impl AsRef<[u8]>) -> Value {
        Value::String(text.as_ref().into())
    }

    /// The name of the value's type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::Duration(_) => "google.protobuf.Duration",
            Value::Timestamp(_) => "google.protobuf.Timestamp",
            Value::List(_) => "list",
            Value::Map(_) | Value::Attribute(_) => "map",
            Value::Type(_) => "type",
        }
    }

    /// A duration, if it is one that CEL has.
    pub(crate) fn duration(nanos: i128) -> Result<Value, Error> {
        match time::is_duration(nanos) {
            true => Ok(Value::Duration(nanos)),
            false => Err(Error::new("duration out of range")),
        }
    }

    /// A timestamp, if it is one that CEL has.
    pub(crate) fn timestamp(nanos: i128) -> Result<Value, Error> {
        match time::is_timestamp(nanos) {
            true => Ok(Value::Timestamp(nanos)),
            false => Err(Error::new("timestamp out of range")),
        }
    }
}

/// The names that stand for types.
pub(crate) const TYPES: [&str; 12] = [
    "bool",
    "bytes",
    "double",
    "google.protobuf.Duration",
    "google.protobuf.Timestamp",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
];

/// `a == b`. Numbers of different types are equal if they are the same number; other values of different types are not.
pub(crate) fn equal(a: &Value, b: &Value, budget: &mut Budget) -> Result<bool, Error> {
    budget.steps(1)?;
    if let Some(order) = number_order(a, b) {
        return Ok(order == Some(Ordering::Equal));
    }
    Ok(match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::String(a), Value::String(b)) | (Value::Bytes(a), Value::Bytes(b)) => {
            budget.look(a.len().min(b.len()))?;
            a == b
        }
        (Value::Duration(a), Value::Duration(b)) | (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in std::iter::zip(a.iter(), b.iter()) {
                if !equal(a, b, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (key, value) in a.iter() {
                match entry(b, key, budget)? {
                    Some(other) if equal(value, other, budget)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        _ => false,
    })
}

/// The value of a key in a map.
pub(crate) fn entry<'a>(
    map: &'a [(Value, Value)],
    key: &Value,
    budget: &mut Budget,
) -> Result<Option<&'a Value>, Error> {
    for (known, value) in map {
        if equal(known, key, budget)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// How two values compare; `None` for numbers that don't, since one is NaN.
pub(crate) fn order(a: &Value, b: &Value, budget: &mut Budget) -> Result<Option<Ordering>, Error> {
    if let Some(order) = number_order(a, b) {
        return Ok(order);
    }
    Ok(Some(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) | (Value::Bytes(a), Value::Bytes(b)) => {
            budget.look(a.len().min(b.len()))?;
            a.cmp(b)
        }
        (Value::Duration(a), Value::Duration(b)) | (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        _ => {
            return Err(Error::new(format!(
                "no matching overload: {} can't be compared with {}",
                a.type_name(),
                b.type_name()
            )));
        }
    }))
}

/// How two numbers compare; `None` for what are not two numbers.
fn number_order(a: &Value, b: &Value) -> Option<Option<Ordering>> {
    let whole = |value: &Value| match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    };
    Some(match (a, b) {
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Double(a), b) => whole_order(whole(b)?, *a).map(Ordering::reverse),
        (a, Value::Double(b)) => whole_order(whole(a)?, *b),
        (a, b) => Some(whole(a)?.cmp(&whole(b)?)),
    })
}

fn whole_order(a: i128, b: f64) -> Option<Ordering> {
    if b.is_nan() {
        return None;
    }
    // What is beyond the type becomes its end, which no number of 64 bits reaches.
    let down = b.floor() as i128;
    Some(a.cmp(&down).then(match b > b.floor() {
        true => Ordering::Less,
        false => Ordering::Equal,
    }))
}
