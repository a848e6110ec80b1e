//! Messages as JSON, for people to read.

use prost::Message;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::Value;

use crate::descriptors;

/// Fields of which the values are not shown, whatever message they are in. Envoy has marked those of its own messages
/// (`udpa.annotations.sensitive`); of a plugin's configuration nobody has, so the names have to do.
const SENSITIVE: [&str; 6] = [
    "private_key",
    "password",
    "pkcs12",
    "session_ticket_keys",
    "generic_secret",
    "inline_secret",
];

const REDACTED: &str = "[redacted]";

/// A message as proto3 JSON, with the names of its `.proto` file and without fields that have their default value. Strings in
/// fields that hold secrets (`private_key`, `password` and the like) are `[redacted]`, as in Envoy's `/config_dump`; what else
/// the configuration says can be read, environment variables and plugins' configurations too.
///
/// `name` is the message's full name. What can't be shown, such as an `Any` of an unknown type, is an object with the field
/// `error` that says why.
pub fn redacted_json(message: &impl Message, name: &str) -> Value {
    match json(message, name) {
        Ok(mut value) => {
            redact(&mut value);
            value
        }
        Err(problem) => serde_json::json!({"error": problem}),
    }
}

fn json(message: &impl Message, name: &str) -> Result<Value, String> {
    let kind = descriptors::message(name).ok_or_else(|| format!("the message {name} is not known"))?;
    let message =
        DynamicMessage::decode(kind, &*message.encode_to_vec()).map_err(|error| error.to_string())?;
    let options = SerializeOptions::new().use_proto_field_name(true);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| error.to_string())
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match SENSITIVE.contains(&name.as_str()) {
                    true => hide(value),
                    false => redact(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(redact),
        _ => {}
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(hide),
        Value::Array(values) => values.iter_mut().for_each(hide),
        Value::Null => {}
        other => *other = REDACTED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_bootstrap;

    #[test]
    fn a_private_key_is_not_shown_and_the_rest_is() {
        let text = r#"
static_resources:
  clusters:
  - name: up
    connect_timeout: 1.5s
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        common_tls_context:
          tls_certificates:
          - certificate_chain: {inline_string: CERTIFICATE}
            private_key: {inline_string: SECRET}
"#;
        let bootstrap = read_bootstrap(text, "envoy.yaml").unwrap();
        let value = redacted_json(&bootstrap, "envoy.config.bootstrap.v3.Bootstrap");
        let cluster = &value["static_resources"]["clusters"][0];
        assert_eq!(cluster["connect_timeout"], "1.500s");
        let certificate =
            &cluster["transport_socket"]["typed_config"]["common_tls_context"]["tls_certificates"][0];
        assert_eq!(certificate["certificate_chain"]["inline_string"], "CERTIFICATE");
        assert_eq!(certificate["private_key"]["inline_string"], "[redacted]");
        assert!(!value.to_string().contains("SECRET"));
    }

    #[test]
    fn secrets_of_a_struct_are_hidden_whatever_they_are() {
        let mut value = serde_json::json!({
            "value": {"password": {"a": [1, "x", null]}, "name": "password"}
        });
        redact(&mut value);
        let hidden = serde_json::json!({
            "value": {"password": {"a": ["[redacted]", "[redacted]", null]}, "name": "password"}
        });
        assert_eq!(value, hidden);
    }

    #[test]
    fn what_is_not_known_is_said() {
        let any = prost_types::Any {
            type_url: "type.googleapis.com/no.Such".to_owned(),
            value: vec![1],
        };
        let value = redacted_json(&any, "google.protobuf.Any");
        assert!(
            value["error"]
                .as_str()
                .is_some_and(|error| error.contains("no.Such")),
            "{value}"
        );
    }
}
