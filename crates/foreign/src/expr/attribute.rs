//! Variables: Envoy's attributes, and what plugins set. Each is asked for when an expression comes to it.

use std::rc::Rc;

use enginebay_abi::attributes::{AttributeType, attribute_type};
use enginebay_abi::{PropertyPath, pairs, values};

use super::Error;
use super::eval::Evaluator;
use super::value::Value;
use crate::stream::Texts;

/// A property that may have fields.
#[derive(Debug)]
pub(crate) struct Attribute {
    path: Vec<u8>,
    /// `None` where the table of attributes knows nothing.
    ty: Option<AttributeType>,
}

impl Attribute {
    /// Whether it is known to be one of which fields can be asked for.
    pub(crate) fn is_map(&self) -> bool {
        use AttributeType::{BytesMap, Object, StringMap};
        matches!(self.ty, Some(Object | StringMap | BytesMap))
    }
}

/// What asking for a property costs, in steps.
const LOOKUP: u64 = 16;

impl Evaluator<'_, '_> {
    /// The variable of this name.
    pub(crate) fn variable(&mut self, name: &str) -> Result<Value, Error> {
        let path = name.as_bytes().to_vec();
        let ty = PropertyPath::parse(&path).ok().and_then(attribute_type);
        if ty.is_some() {
            return self.attribute(path, ty);
        }
        // Something that a plugin has set. What it is, it may have declared.
        let Some(value) = self.property(&path)? else {
            return Err(Error::new(format!("no value with name {name:?}")));
        };
        let root = self.call.root_id();
        let is_text = root.is_some_and(|root| self.call.vm_data::<Texts>().contains(root, &path));
        Ok(match is_text {
            true => Value::String(value.into()),
            false => Value::Bytes(value.into()),
        })
    }

    /// A field of an attribute, or an entry of one that is a map.
    pub(crate) fn field(&mut self, of: &Attribute, key: &[u8]) -> Result<Value, Error> {
        let path = self.path(of, key)?;
        let ty = PropertyPath::parse(&path).ok().and_then(attribute_type);
        self.attribute(path, ty)
    }

    /// Whether an attribute has a field or an entry of this name.
    pub(crate) fn has_field(&mut self, of: &Attribute, key: &[u8]) -> Result<bool, Error> {
        let path = self.path(of, key)?;
        let ty = PropertyPath::parse(&path).ok().and_then(attribute_type);
        use AttributeType::{BytesMap, Object, StringMap};
        if matches!(ty, Some(Object | StringMap | BytesMap)) {
            return Ok(true);
        }
        Ok(self.property(&path)?.is_some())
    }

    fn path(&mut self, of: &Attribute, key: &[u8]) -> Result<Vec<u8>, Error> {
        // It would be the name of something else.
        if key.contains(&0) {
            return Err(no_such_key(key));
        }
        self.budget.make(of.path.len() + key.len() + 2)?;
        let mut path = of.path.clone();
        path.push(0);
        path.extend_from_slice(key);
        if key.is_empty() {
            path.push(0);
        }
        Ok(path)
    }

    fn attribute(&mut self, path: Vec<u8>, ty: Option<AttributeType>) -> Result<Value, Error> {
        use AttributeType as T;
        let ty = match ty {
            Some(T::Object | T::Message | T::StringMap | T::BytesMap) | None => {
                return Ok(Value::Attribute(Rc::new(Attribute { path, ty })));
            }
            Some(ty) => ty,
        };
        let Some(value) = self.property(&path)? else {
            return Err(no_such_key(&path));
        };
        let int = || values::decode_int(&value);
        let decoded = match ty {
            T::Int => int().map(Value::Int),
            T::Uint => values::decode_uint(&value).map(Value::Uint),
            T::Bool => values::decode_bool(&value).map(Value::Bool),
            T::Timestamp => int().map(|nanos| Value::Timestamp(nanos.into())),
            T::Duration => int().map(|nanos| Value::Duration(nanos.into())),
            T::Bytes => Some(Value::Bytes(value.as_slice().into())),
            _ => Some(Value::String(value.as_slice().into())),
        };
        decoded.ok_or_else(|| Error::new(format!("{}: not of its type", path.escape_ascii())))
    }

    /// The value of an attribute as a whole: a map, or what a property is that no table knows, text if it can be.
    pub(crate) fn whole(&mut self, of: &Attribute) -> Result<Value, Error> {
        let Some(value) = self.property(&of.path)? else {
            return Err(no_such_key(&of.path));
        };
        let of_entry: fn(&[u8]) -> Value = match of.ty {
            Some(AttributeType::StringMap) => |value| Value::string(value),
            Some(AttributeType::BytesMap) => |value| Value::Bytes(value.into()),
            _ => {
                return Ok(match std::str::from_utf8(&value) {
                    Ok(_) => Value::String(value.into()),
                    Err(_) => Value::Bytes(value.into()),
                });
            }
        };
        let entries = pairs::decode(&value).map_err(|error| Error::new(error.to_string()))?;
        let mut map = Vec::new();
        for (key, value) in entries {
            self.budget
                .make(2 * size_of::<Value>() + key.len() + value.len())?;
            map.push((Value::string(key), of_entry(value)));
        }
        Ok(Value::Map(Rc::new(map)))
    }

    /// The bytes of an attribute, as a plugin gets them. One that has only fields has none.
    pub(crate) fn bytes(&mut self, of: &Attribute) -> Result<Option<Vec<u8>>, Error> {
        match self.property(&of.path)? {
            None if of.ty != Some(AttributeType::Object) => Err(no_such_key(&of.path)),
            bytes => Ok(bytes),
        }
    }

    fn property(&mut self, path: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.budget.steps(LOOKUP)?;
        let Ok(path) = PropertyPath::parse(path) else {
            return Ok(None);
        };
        let mut value = Vec::new();
        if !self.call.property_at(path, &mut value) {
            return Ok(None);
        }
        self.budget.make(value.len())?;
        Ok(Some(value))
    }
}

pub(crate) fn no_such_key(key: &[u8]) -> Error {
    let shown = &key[..key.len().min(100)];
    Error::new(format!("no such key: {}", shown.escape_ascii()))
}
