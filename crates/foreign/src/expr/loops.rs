//! Loops: what macros over lists and maps become.

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

use super::Error;
use super::compile::Node;
use super::eval::Evaluator;
use super::value::Value;

/// A loop over a list, or over the keys of a map, which makes one value of it.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) range: Node,
    /// What the value is at first.
    pub(crate) init: Node,
    /// Whether to go on.
    pub(crate) condition: Node,
    /// What the value becomes with each element.
    pub(crate) step: Node,
    /// What is made of it in the end.
    pub(crate) result: Node,
}

impl Evaluator<'_, '_> {
    pub(crate) fn run(&mut self, of: &Loop) -> Result<Value, Error> {
        let first = self.locals.len();
        let result = self.run_from(of, first);
        self.locals.truncate(first);
        result
    }

    fn run_from(&mut self, of: &Loop, first: usize) -> Result<Value, Error> {
        let range = self.settled(&of.range)?;
        let len = match &range {
            Value::List(list) => list.len(),
            Value::Map(map) => map.len(),
            other => {
                return Err(Error::new(format!("there is no loop over {}", other.type_name())));
            }
        };
        let init = self.eval(&of.init)?;
        self.locals.push(init);
        for at in 0..len {
            self.next(first, &range, at)?;
            if !self.truth(&of.condition)? {
                break;
            }
            match self.eval(&of.step) {
                Ok(value) => self.set(first, value),
                Err(Error::Exhausted) => return Err(Error::Exhausted),
                // Carried on by what `all` and `exists` do: a later element may settle the matter.
                Err(Error::Value(error)) => {
                    return self.run_with_error(of, first, (&range, at + 1..len), error);
                }
            }
        }
        self.locals.truncate(first + 1);
        self.eval(&of.result)
    }

    /// The value is an error now. `false && error` is false and `true || error` true, so the loop may still come to a
    /// value; what is no `&&` or `||` fails with the error.
    fn run_with_error(
        &mut self,
        of: &Loop,
        first: usize,
        (range, rest): (&Value, Range<usize>),
        error: Cow<'static, str>,
    ) -> Result<Value, Error> {
        let (settles, part) = match &of.step {
            Node::And(parts) => (false, &parts[1]),
            Node::Or(parts) => (true, &parts[1]),
            _ => return Err(Error::Value(error)),
        };
        for at in rest {
            self.next(first, range, at)?;
            match self.truth(part) {
                Ok(truth) if truth == settles => return Ok(Value::Bool(settles)),
                Err(Error::Exhausted) => return Err(Error::Exhausted),
                _ => {}
            }
        }
        Err(Error::Value(error))
    }

    /// The loop's variable becomes this element of the range.
    fn next(&mut self, first: usize, range: &Value, at: usize) -> Result<(), Error> {
        let element = match range {
            Value::List(list) => list.get(at),
            Value::Map(map) => map.get(at).map(|(key, _)| key),
            _ => None,
        };
        self.budget.steps(1)?;
        self.locals.truncate(first + 1);
        self.locals.push(element.cloned().unwrap_or(Value::Null));
        Ok(())
    }

    /// Adds an element to the list in a variable, which is left without it: the loop puts the list back.
    pub(crate) fn append(&mut self, local: usize, element: &Node) -> Result<Value, Error> {
        let element = self.eval(element)?;
        self.budget.make(size_of::<Value>())?;
        let list = match self.locals.get_mut(local) {
            Some(list) => std::mem::replace(list, Value::Null),
            None => Value::Null,
        };
        match list {
            Value::List(mut list) => {
                // The only one that has it, so nothing is copied.
                Rc::make_mut(&mut list).push(element);
                Ok(Value::List(list))
            }
            other => Err(Error::new(format!(
                "no matching overload: {} + list",
                other.type_name()
            ))),
        }
    }

    fn set(&mut self, local: usize, value: Value) {
        if let Some(local) = self.locals.get_mut(local) {
            *local = value;
        }
    }
}
