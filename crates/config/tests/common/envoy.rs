//! Envoy's messages, from a list of their fields: descriptors that owe nothing to our `.proto` files.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::DescriptorPool;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, MessageOptions, OneofDescriptorProto,
};

const LIST: &str = include_str!("../data/envoy-1.40.txt");

/// A field of one of Envoy's messages.
pub struct Field {
    pub number: i32,
    pub name: String,
    /// `string`, `repeated a.b.C`, `map<string,a.b.C>`.
    pub kind: String,
    pub oneof: Option<String>,
}

pub struct Message {
    pub name: String,
    /// Whether all of Envoy's fields are there, and not only those that are known here.
    pub whole: bool,
    pub fields: Vec<Field>,
}

pub struct List {
    pub messages: Vec<Message>,
    pub enums: Vec<(String, Vec<(i32, String)>)>,
}

pub fn list() -> List {
    let mut list = List {
        messages: Vec::new(),
        enums: Vec::new(),
    };
    let mut whole = true;
    let mut in_enum = false;
    for line in LIST
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        if line == "part" {
            whole = false;
        } else if let Some(name) = line.strip_prefix("message ") {
            in_enum = false;
            list.messages.push(Message {
                name: name.to_owned(),
                whole,
                fields: Vec::new(),
            });
        } else if let Some(name) = line.strip_prefix("enum ") {
            in_enum = true;
            list.enums.push((name.to_owned(), Vec::new()));
        } else {
            let (number, rest) = line.trim_start().split_once(' ').unwrap();
            let number = number.parse().unwrap();
            if in_enum {
                list.enums.last_mut().unwrap().1.push((number, rest.to_owned()));
                continue;
            }
            let (name, rest) = rest.split_once(' ').unwrap();
            let (kind, oneof) = match rest.split_once(" oneof ") {
                Some((kind, oneof)) => (kind, Some(oneof.to_owned())),
                None => (rest, None),
            };
            list.messages.last_mut().unwrap().fields.push(Field {
                number,
                name: name.to_owned(),
                kind: kind.to_owned(),
                oneof,
            });
        }
    }
    list
}

/// The list as descriptors, without the fields whose type is not in it.
pub fn pool() -> DescriptorPool {
    let list = list();
    let enums: BTreeSet<&str> = list.enums.iter().map(|(name, _)| name.as_str()).collect();
    let messages: BTreeMap<&str, &Message> = list.messages.iter().map(|m| (m.name.as_str(), m)).collect();
    let mut files: BTreeMap<String, FileDescriptorProto> = BTreeMap::new();
    // In the order of their names, so what contains a message comes before it.
    for (name, message) in &messages {
        let mut built = DescriptorProto::default();
        let (package, path) = split(name);
        built.name = path.last().map(|last| (*last).to_owned());
        let file = file_of(&mut files, &package);
        for field in &message.fields {
            add(&mut built, name, field, &messages, &enums, file);
        }
        place(
            file,
            &path,
            |parent| &mut parent.nested_type,
            |file| &mut file.message_type,
        )
        .push(built);
    }
    for (name, values) in &list.enums {
        let (package, path) = split(name);
        let built = EnumDescriptorProto {
            name: path.last().map(|last| (*last).to_owned()),
            value: values
                .iter()
                .map(|(number, name)| EnumValueDescriptorProto {
                    name: Some(name.clone()),
                    number: Some(*number),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        let file = file_of(&mut files, &package);
        place(
            file,
            &path,
            |parent| &mut parent.enum_type,
            |file| &mut file.enum_type,
        )
        .push(built);
    }
    let mut pool = DescriptorPool::global();
    let file = files.into_values().collect();
    pool.add_file_descriptor_set(FileDescriptorSet { file }).unwrap();
    pool
}

/// The package of a full name, and the names of the messages it is in and its own.
fn split(name: &str) -> (String, Vec<&str>) {
    let parts: Vec<&str> = name.split('.').collect();
    let at = parts
        .iter()
        .position(|part| part.starts_with(|first: char| first.is_ascii_uppercase()));
    let (package, path) = parts.split_at(at.unwrap());
    (package.join("."), path.to_vec())
}

fn file_of<'f>(
    files: &'f mut BTreeMap<String, FileDescriptorProto>,
    package: &str,
) -> &'f mut FileDescriptorProto {
    files
        .entry(package.to_owned())
        .or_insert_with(|| FileDescriptorProto {
            name: Some(format!("{package}.proto")),
            package: Some(package.to_owned()),
            syntax: Some("proto3".to_owned()),
            dependency: ["any", "duration", "struct", "wrappers"]
                .map(|name| format!("google/protobuf/{name}.proto"))
                .to_vec(),
            ..Default::default()
        })
}

fn place<'f, T>(
    file: &'f mut FileDescriptorProto,
    path: &[&str],
    inner: fn(&mut DescriptorProto) -> &mut Vec<T>,
    outer: fn(&mut FileDescriptorProto) -> &mut Vec<T>,
) -> &'f mut Vec<T> {
    match path {
        [parent, _] => {
            let mut parents = file.message_type.iter_mut();
            inner(parents.find(|message| message.name() == *parent).unwrap())
        }
        [_] => outer(file),
        _ => panic!("{path:?} is nested too deep"),
    }
}

fn add(
    message: &mut DescriptorProto,
    parent: &str,
    field: &Field,
    messages: &BTreeMap<&str, &Message>,
    enums: &BTreeSet<&str>,
    file: &mut FileDescriptorProto,
) {
    let mut kind = |name: &str| {
        let scalar = match name {
            "bool" => Type::Bool,
            "bytes" => Type::Bytes,
            "double" => Type::Double,
            "int32" => Type::Int32,
            "int64" => Type::Int64,
            "string" => Type::String,
            "uint32" => Type::Uint32,
            name if enums.contains(name) => Type::Enum,
            name if messages.contains_key(name) || name.starts_with("google.protobuf.") => Type::Message,
            _ => return None,
        };
        let is_type = name.contains('.');
        if is_type && !name.starts_with("google.protobuf.") {
            let dependency = format!("{}.proto", split(name).0);
            if Some(&dependency) != file.name.as_ref() && !file.dependency.contains(&dependency) {
                file.dependency.push(dependency);
            }
        }
        Some((scalar, is_type.then(|| format!(".{name}"))))
    };
    let single = |name: &str, number: i32, (kind, type_name): (Type, Option<String>)| FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        type_name,
        ..Default::default()
    };
    let built = if let Some(pair) = field.kind.strip_prefix("map<") {
        let (key, value) = pair.trim_end_matches('>').split_once(',').unwrap();
        let words = field
            .name
            .split('_')
            .map(|word| word[..1].to_uppercase() + &word[1..]);
        let entry = format!("{}Entry", words.collect::<String>());
        let of_entry = (Type::Message, Some(format!(".{parent}.{entry}")));
        message.nested_type.push(DescriptorProto {
            name: Some(entry),
            field: vec![
                single("key", 1, kind(key).unwrap()),
                single("value", 2, kind(value).unwrap()),
            ],
            options: Some(MessageOptions {
                map_entry: Some(true),
                ..Default::default()
            }),
            ..Default::default()
        });
        FieldDescriptorProto {
            label: Some(Label::Repeated.into()),
            ..single(&field.name, field.number, of_entry)
        }
    } else {
        let repeated = field.kind.strip_prefix("repeated ");
        let Some(kind) = kind(repeated.unwrap_or(&field.kind)) else {
            return;
        };
        let mut built = single(&field.name, field.number, kind);
        if repeated.is_some() {
            built.label = Some(Label::Repeated.into());
        }
        built
    };
    let oneof_index = field.oneof.as_ref().map(|oneof| {
        let known = message.oneof_decl.iter().position(|decl| decl.name() == oneof);
        let at = known.unwrap_or_else(|| {
            message.oneof_decl.push(OneofDescriptorProto {
                name: Some(oneof.clone()),
                ..Default::default()
            });
            message.oneof_decl.len() - 1
        });
        i32::try_from(at).unwrap()
    });
    message.field.push(FieldDescriptorProto { oneof_index, ..built });
}
