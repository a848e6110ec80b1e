//! From text to a tree that can be evaluated.

use std::rc::Rc;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};
use cel::parser::{Expression, PrattParser};

use super::functions::Function;
use super::loops::Loop;
use super::value::{TYPES, Value};

/// How deep expressions may be nested. A chain of `+` counts as well; one of `&&` or `||` only with its logarithm.
pub(crate) const MAX_DEPTH: u16 = 96;

/// How many of `-` and `!`, of `?`, and of all marks with which parts can be nested, there may be in an expression, its
/// texts among it. The parser counts how deep parentheses are nested, but not what is nested in chains, of which each
/// link may take up to 1 KiB of the stack.
const MAX_SIGNS: usize = 512;
const MAX_CHOICES: usize = 128;
const MAX_MARKS: usize = 800;

/// A part of an expression.
#[derive(Debug)]
pub(crate) enum Node {
    Value(Value),
    /// A variable of a loop, by its place among those that there are.
    Local(usize),
    Variable(Rc<str>),
    Select(Box<Node>, Rc<[u8]>),
    /// `has(a.b)`
    Has(Box<Node>, Rc<[u8]>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    If(Box<[Node; 3]>),
    /// False if that is, true if it is anything else, an error even.
    NotFalse(Box<Node>),
    Call(Function, Vec<Node>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Loop(Box<Loop>),
    /// Adds an element to the list in a variable of a loop, and takes it from there.
    Append(usize, Box<Node>),
}

/// Reads an expression.
pub(crate) fn compile(text: &[u8]) -> Result<Node, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is no UTF-8".to_owned())?;
    let count = |of: &[u8]| text.bytes().filter(|byte| of.contains(byte)).count();
    if count(b"-!") > MAX_SIGNS || count(b"?") > MAX_CHOICES || count(b".([+*/%<>=-!") > MAX_MARKS {
        return Err("it has too many parts".to_owned());
    }
    let parser = PrattParser::new()
        .max_recursion_depth(MAX_DEPTH)
        .error_reporting_limit(1);
    let parsed = parser.parse(text).map_err(|errors| {
        let first = errors.errors.first();
        first.map_or_else(|| "it can't be parsed".to_owned(), |error| error.msg.clone())
    })?;
    Compiler {
        locals: Vec::new(),
        depth: 0,
    }
    .node(&parsed)
}

struct Compiler {
    /// The variables of the loops around, outermost first.
    locals: Vec<String>,
    depth: u16,
}

impl Compiler {
    fn node(&mut self, expression: &Expression) -> Result<Node, String> {
        if self.depth >= MAX_DEPTH {
            return Err(format!("it is nested deeper than {MAX_DEPTH}"));
        }
        self.depth += 1;
        let node = self.kind(&expression.expr);
        self.depth -= 1;
        node
    }

    fn boxed(&mut self, expression: &Expression) -> Result<Box<Node>, String> {
        self.node(expression).map(Box::new)
    }

    fn nodes(&mut self, expressions: &[Expression]) -> Result<Vec<Node>, String> {
        expressions
            .iter()
            .map(|expression| self.node(expression))
            .collect()
    }

    fn kind(&mut self, expr: &Expr) -> Result<Node, String> {
        Ok(match expr {
            Expr::Literal(literal) => Node::Value(value(literal)),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => {
                if let Some(name) = type_name(expr) {
                    return Ok(Node::Value(Value::Type(name)));
                }
                let operand = self.boxed(&select.operand)?;
                let field = select.field.as_bytes().into();
                match select.test {
                    true => Node::Has(operand, field),
                    false => Node::Select(operand, field),
                }
            }
            Expr::Call(call) => self.call(call)?,
            Expr::List(list) if list.optional_indices.is_empty() => Node::List(self.nodes(&list.elements)?),
            Expr::Map(map) => {
                let mut entries = Vec::with_capacity(map.entries.len());
                for entry in &map.entries {
                    match &entry.expr {
                        EntryExpr::MapEntry(entry) if !entry.optional => {
                            entries.push((self.node(&entry.key)?, self.node(&entry.value)?));
                        }
                        _ => return Err("it has an entry that is none of a map".to_owned()),
                    }
                }
                Node::Map(entries)
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension)?,
            Expr::Struct(of) => return Err(format!("there is no message type {:?}", of.type_name)),
            Expr::Unspecified | Expr::List(_) => return Err("it has a part that is not known".to_owned()),
        })
    }

    fn name(&self, name: &str) -> Node {
        if let Some(at) = self.locals.iter().rposition(|local| local == name) {
            return Node::Local(at);
        }
        let name = name.strip_prefix('.').unwrap_or(name);
        match TYPES.iter().find(|ty| **ty == name) {
            Some(ty) => Node::Value(Value::Type(ty)),
            None => Node::Variable(name.into()),
        }
    }

    fn call(&mut self, call: &CallExpr) -> Result<Node, String> {
        let name = call.func_name.as_str();
        match (name, call.args.as_slice()) {
            (operators::LOGICAL_AND, [a, b]) => {
                return Ok(Node::And(Box::new([self.node(a)?, self.node(b)?])));
            }
            (operators::LOGICAL_OR, [a, b]) => return Ok(Node::Or(Box::new([self.node(a)?, self.node(b)?]))),
            (operators::CONDITIONAL, [condition, a, b]) => {
                let parts = [self.node(condition)?, self.node(a)?, self.node(b)?];
                return Ok(Node::If(Box::new(parts)));
            }
            (operators::NOT_STRICTLY_FALSE, [a]) => return Ok(Node::NotFalse(self.boxed(a)?)),
            _ => {}
        }
        let mut args = Vec::with_capacity(call.args.len() + 1);
        if let Some(target) = &call.target {
            args.push(self.node(target)?);
        }
        args.extend(self.nodes(&call.args)?);
        let function = Function::find(name, call.target.is_some(), args.len());
        let function = function.ok_or_else(|| format!("there is no function {name:?} for such arguments"))?;
        Ok(Node::Call(function, args))
    }

    /// What the macros `all`, `exists`, `exists_one`, `filter` and `map` become.
    fn comprehension(&mut self, of: &ComprehensionExpr) -> Result<Node, String> {
        if of.iter_var2.is_some() {
            return Err("it has a loop of two variables".to_owned());
        }
        let range = self.node(&of.iter_range)?;
        let init = self.node(&of.accu_init)?;
        let first = self.locals.len();
        self.locals.push(of.accu_var.clone());
        let result = self.node(&of.result);
        self.locals.push(of.iter_var.clone());
        let condition = self.node(&of.loop_cond);
        let step = self.node(&of.loop_step);
        self.locals.truncate(first);
        Ok(Node::Loop(Box::new(Loop {
            range,
            init,
            condition: condition?,
            step: appending(step?, first),
            result: result?,
        })))
    }
}

/// `result + [x]` as something that does not copy the result, where it is what the loop makes of itself.
fn appending(step: Node, result: usize) -> Node {
    match step {
        Node::Call(Function::Add, mut args) => match args.as_mut_slice() {
            [Node::Local(local), Node::List(elements)] if *local == result && elements.len() == 1 => {
                match elements.pop() {
                    Some(element) => Node::Append(result, Box::new(element)),
                    None => Node::Call(Function::Add, args),
                }
            }
            _ => Node::Call(Function::Add, args),
        },
        Node::If(parts) => {
            let [condition, a, b] = *parts;
            Node::If(Box::new([condition, appending(a, result), b]))
        }
        step => step,
    }
}

fn value(literal: &LiteralValue) -> Value {
    match literal {
        LiteralValue::Boolean(value) => Value::Bool(*value.inner()),
        LiteralValue::Bytes(value) => Value::Bytes(value.inner().into()),
        LiteralValue::Double(value) => Value::Double(*value.inner()),
        LiteralValue::Int(value) => Value::Int(*value.inner()),
        LiteralValue::Null => Value::Null,
        LiteralValue::String(value) => Value::string(value.inner()),
        LiteralValue::UInt(value) => Value::Uint(*value.inner()),
    }
}

/// The types whose names have dots.
fn type_name(expr: &Expr) -> Option<&'static str> {
    let Expr::Select(last) = expr else { return None };
    let Expr::Select(middle) = &last.operand.expr else {
        return None;
    };
    let Expr::Ident(first) = &middle.operand.expr else {
        return None;
    };
    let is_type = |ty: &&&str| {
        let mut parts = ty.split('.');
        !last.test
            && parts.next() == Some(first)
            && parts.next() == Some(&middle.field)
            && parts.next() == Some(&last.field)
    };
    TYPES.iter().find(is_type).copied()
}
