//! Evaluating a tree.

use std::rc::Rc;

use enginebay_abi::pairs;
use enginebay_abi::values;
use enginebay_host::ForeignCall;

use super::Error;
use super::attribute::no_such_key;
use super::budget::Budget;
use super::compile::Node;
use super::value::{Value, entry};
use crate::Limits;

/// The bytes of a value, if it has some.
type Written = Option<Vec<u8>>;

/// One evaluation.
pub(crate) struct Evaluator<'e, 'a> {
    pub(crate) call: &'e mut ForeignCall<'a>,
    pub(crate) budget: Budget,
    /// The variables of the loops that run, outermost first.
    pub(crate) locals: Vec<Value>,
}

/// The bytes of an expression's value, as property values are written; `None` for a value that has none.
pub(crate) fn evaluate(
    call: &mut ForeignCall<'_>,
    limits: &Limits,
    node: &Node,
) -> Result<Option<Vec<u8>>, Error> {
    let mut evaluator = Evaluator {
        call,
        budget: Budget::new(limits),
        locals: Vec::new(),
    };
    let value = evaluator.eval(node)?;
    evaluator.write(&value)
}

impl Evaluator<'_, '_> {
    // Each kind in a function of its own, so that the frames of what is nested are small.
    pub(crate) fn eval(&mut self, node: &Node) -> Result<Value, Error> {
        self.budget.steps(1)?;
        match node {
            Node::Value(value) => Ok(value.clone()),
            Node::Local(at) => self
                .locals
                .get(*at)
                .cloned()
                .ok_or_else(|| Error::new("no such variable")),
            Node::Variable(name) => self.variable(name),
            Node::Select(operand, field) => self.select(operand, field),
            Node::Has(operand, field) => self.has(operand, field),
            Node::And(parts) => self.logic(parts, false),
            Node::Or(parts) => self.logic(parts, true),
            Node::If(parts) => {
                let chosen = if self.truth(&parts[0])? { 1 } else { 2 };
                self.eval(&parts[chosen])
            }
            Node::NotFalse(part) => match self.truth(part) {
                Err(Error::Exhausted) => Err(Error::Exhausted),
                truth => Ok(Value::Bool(truth.unwrap_or(true))),
            },
            Node::Call(function, args) => self.function(*function, args),
            Node::List(elements) => self.list(elements),
            Node::Map(entries) => self.map(entries),
            Node::Loop(of) => self.run(of),
            Node::Append(local, element) => self.append(*local, element),
        }
    }

    /// Likewise, and a property as a whole where one is left.
    pub(crate) fn settled(&mut self, node: &Node) -> Result<Value, Error> {
        match self.eval(node)? {
            Value::Attribute(attribute) => self.whole(&attribute),
            value => Ok(value),
        }
    }

    pub(crate) fn truth(&mut self, node: &Node) -> Result<bool, Error> {
        match self.eval(node)? {
            Value::Bool(value) => Ok(value),
            other => Err(Error::new(format!(
                "no matching overload: {} is no truth value",
                other.type_name()
            ))),
        }
    }

    /// `&&` and `||`: either side can settle it, even if the other is an error.
    fn logic(&mut self, parts: &[Node; 2], settles: bool) -> Result<Value, Error> {
        let first = match self.truth(&parts[0]) {
            Err(Error::Exhausted) => return Err(Error::Exhausted),
            Ok(value) if value == settles => return Ok(Value::Bool(settles)),
            first => first,
        };
        let second = self.truth(&parts[1]);
        match (first, second) {
            (_, Err(Error::Exhausted)) => Err(Error::Exhausted),
            (_, Ok(value)) if value == settles => Ok(Value::Bool(settles)),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(_), Ok(_)) => Ok(Value::Bool(!settles)),
        }
    }

    fn select(&mut self, operand: &Node, field: &Rc<[u8]>) -> Result<Value, Error> {
        match self.eval(operand)? {
            Value::Attribute(attribute) => self.field(&attribute, field),
            Value::Map(map) => {
                let key = Value::String(field.clone());
                let found = entry(&map, &key, &mut self.budget)?;
                found.cloned().ok_or_else(|| no_such_key(field))
            }
            other => Err(Error::new(format!("{} has no fields", other.type_name()))),
        }
    }

    fn has(&mut self, operand: &Node, field: &Rc<[u8]>) -> Result<Value, Error> {
        let found = match self.eval(operand)? {
            Value::Attribute(attribute) => self.has_field(&attribute, field)?,
            Value::Map(map) => entry(&map, &Value::String(field.clone()), &mut self.budget)?.is_some(),
            other => return Err(Error::new(format!("{} has no fields", other.type_name()))),
        };
        Ok(Value::Bool(found))
    }

    fn list(&mut self, elements: &[Node]) -> Result<Value, Error> {
        self.budget.make(size_of_val(elements))?;
        let mut list = Vec::with_capacity(elements.len());
        for element in elements {
            list.push(self.eval(element)?);
        }
        Ok(Value::List(Rc::new(list)))
    }

    fn map(&mut self, entries: &[(Node, Node)]) -> Result<Value, Error> {
        self.budget.make(size_of_val(entries))?;
        let mut map: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.settled(key)?;
            if !matches!(
                key,
                Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::String(_)
            ) {
                return Err(Error::new(format!("{} is no key of a map", key.type_name())));
            }
            if entry(&map, &key, &mut self.budget)?.is_some() {
                return Err(Error::new("a key is in a map twice"));
            }
            let value = self.eval(value)?;
            map.push((key, value));
        }
        Ok(Value::Map(Rc::new(map)))
    }

    /// The bytes of a value.
    fn write(&mut self, value: &Value) -> Result<Option<Vec<u8>>, Error> {
        self.budget.steps(1)?;
        let scalar = match value {
            Value::Null | Value::Type(_) => return Ok(None),
            Value::Attribute(attribute) => return self.bytes(attribute),
            Value::List(list) => {
                let mut elements = Vec::with_capacity(list.len());
                for element in list.iter() {
                    elements.push((self.write(element)?, Some(Vec::new())));
                }
                return self.write_pairs(elements);
            }
            Value::Map(map) => {
                let mut entries = Vec::with_capacity(map.len());
                for (key, value) in map.iter() {
                    entries.push((self.write(key)?, self.write(value)?));
                }
                return self.write_pairs(entries);
            }
            Value::Bool(value) => values::Value::Bool(*value),
            Value::Int(value) => values::Value::Int(*value),
            Value::Uint(value) => values::Value::Uint(*value),
            Value::Double(value) => values::Value::Double(*value),
            Value::String(value) | Value::Bytes(value) => values::Value::Bytes(value),
            // What is longer than the number holds becomes the longest it does, as on Envoy.
            Value::Duration(nanos) | Value::Timestamp(nanos) => {
                let end = if *nanos < 0 { i64::MIN } else { i64::MAX };
                values::Value::Int(i64::try_from(*nanos).unwrap_or(end))
            }
        };
        let bytes = scalar.encode();
        self.budget.make(bytes.len())?;
        Ok(Some(bytes.to_vec()))
    }

    fn write_pairs(&mut self, entries: Vec<(Written, Written)>) -> Result<Option<Vec<u8>>, Error> {
        let entries = entries.into_iter().map(|(key, value)| Some((key?, value?)));
        let Some(entries) = entries.collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let size = |(key, value): &(Vec<u8>, Vec<u8>)| key.len() + value.len() + 16;
        self.budget.make(entries.iter().map(size).sum())?;
        let entries = entries.iter().map(|(key, value)| (key, value));
        Ok(pairs::encode(entries).ok())
    }
}
