//! Arithmetic, indexes and `in`.

use std::rc::Rc;

use super::Error;
use super::attribute::no_such_key;
use super::eval::Evaluator;
use super::functions::{Function, no_overload};
use super::value::{Value, entry, equal};

impl Evaluator<'_, '_> {
    pub(crate) fn add(&mut self, a: Value, b: Value) -> Result<Value, Error> {
        match (&a, &b) {
            (Value::String(a), Value::String(b)) => Ok(Value::String(self.joined(a, b)?)),
            (Value::Bytes(a), Value::Bytes(b)) => Ok(Value::Bytes(self.joined(a, b)?)),
            (Value::List(a), Value::List(b)) => {
                self.budget.make((a.len() + b.len()) * size_of::<Value>())?;
                Ok(Value::List(Rc::new(a.iter().chain(b.iter()).cloned().collect())))
            }
            (Value::Timestamp(a), Value::Duration(b)) | (Value::Duration(b), Value::Timestamp(a)) => {
                Value::timestamp(a + b)
            }
            (Value::Duration(a), Value::Duration(b)) => Value::duration(a + b),
            _ => numbers(Function::Add, &a, &b),
        }
    }

    fn joined(&mut self, a: &[u8], b: &[u8]) -> Result<Rc<[u8]>, Error> {
        self.budget.make(a.len() + b.len())?;
        Ok([a, b].concat().into())
    }

    /// `of[key]`, where `of` may be a property that nobody has asked for.
    pub(crate) fn index(&mut self, of: Value, key: Value) -> Result<Value, Error> {
        match (&of, &key) {
            (Value::Attribute(attribute), Value::String(key)) => self.field(attribute, key),
            (Value::Map(map), key) => {
                let found = entry(map, key, &mut self.budget)?;
                found.cloned().ok_or_else(|| match key {
                    Value::String(key) => no_such_key(key),
                    _ => Error::new("no such key"),
                })
            }
            (Value::List(list), key) => {
                let at = match key {
                    Value::Int(at) => usize::try_from(*at).ok(),
                    Value::Uint(at) => usize::try_from(*at).ok(),
                    Value::Double(at) if at.trunc() == *at && *at >= 0.0 => Some(*at as usize),
                    _ => return Err(no_overload(Function::Index, &of, key)),
                };
                let element = at.and_then(|at| list.get(at));
                element.cloned().ok_or_else(|| Error::new("index out of bounds"))
            }
            _ => Err(no_overload(Function::Index, &of, &key)),
        }
    }

    /// `key in of`, likewise.
    pub(crate) fn is_in(&mut self, key: Value, of: Value) -> Result<Value, Error> {
        let found = match (&of, &key) {
            (Value::Attribute(attribute), Value::String(key)) => {
                !key.contains(&0) && self.has_field(attribute, key)?
            }
            // All its keys are texts.
            (Value::Attribute(_), _) => false,
            (Value::Map(map), key) => entry(map, key, &mut self.budget)?.is_some(),
            (Value::List(list), key) => {
                let mut found = false;
                for element in list.iter() {
                    let element = match element {
                        Value::Attribute(attribute) => self.whole(attribute)?,
                        element => element.clone(),
                    };
                    if equal(&element, key, &mut self.budget)? {
                        found = true;
                        break;
                    }
                }
                found
            }
            _ => return Err(no_overload(Function::In, &key, &of)),
        };
        Ok(Value::Bool(found))
    }
}

/// `-`, `*`, `/`, `%`, and `+` of numbers; `-` of times too.
pub(crate) fn numbers(function: Function, a: &Value, b: &Value) -> Result<Value, Error> {
    use Function::{Add, Div, Mod, Mul, Sub};
    let overflow = || Error::new("integer overflow");
    let is_zero = matches!(b, Value::Int(0) | Value::Uint(0));
    match (a, b, function) {
        (Value::Int(_) | Value::Uint(_), _, Div) if is_zero => Err(Error::new("divide by zero")),
        (Value::Int(_) | Value::Uint(_), _, Mod) if is_zero => Err(Error::new("modulus by zero")),
        (Value::Int(a), Value::Int(b), _) => {
            let result = match function {
                Add => a.checked_add(*b),
                Sub => a.checked_sub(*b),
                Mul => a.checked_mul(*b),
                Div => a.checked_div(*b),
                Mod => a.checked_rem(*b),
                _ => None,
            };
            result.map(Value::Int).ok_or_else(overflow)
        }
        (Value::Uint(a), Value::Uint(b), _) => {
            let result = match function {
                Add => a.checked_add(*b),
                Sub => a.checked_sub(*b),
                Mul => a.checked_mul(*b),
                Div => a.checked_div(*b),
                Mod => a.checked_rem(*b),
                _ => None,
            };
            result.map(Value::Uint).ok_or_else(overflow)
        }
        (Value::Double(a), Value::Double(b), Add) => Ok(Value::Double(a + b)),
        (Value::Double(a), Value::Double(b), Sub) => Ok(Value::Double(a - b)),
        (Value::Double(a), Value::Double(b), Mul) => Ok(Value::Double(a * b)),
        (Value::Double(a), Value::Double(b), Div) => Ok(Value::Double(a / b)),
        (Value::Timestamp(a), Value::Timestamp(b), Sub) => Value::duration(a - b),
        (Value::Timestamp(a), Value::Duration(b), Sub) => Value::timestamp(a - b),
        (Value::Duration(a), Value::Duration(b), Sub) => Value::duration(a - b),
        _ => Err(no_overload(function, a, b)),
    }
}

/// `-a`
pub(crate) fn negated(a: &Value) -> Result<Value, Error> {
    match a {
        Value::Int(a) => {
            let negated = a.checked_neg().ok_or_else(|| Error::new("integer overflow"));
            negated.map(Value::Int)
        }
        Value::Double(a) => Ok(Value::Double(-a)),
        other => Err(Error::new(format!(
            "no matching overload: -{}",
            other.type_name()
        ))),
    }
}
