//! A message, written as JSON by `prost-reflect`, reads back as the same message.

use std::collections::BTreeMap;

use enginebay_config::proto::envoy::config::core::v3 as core;
use enginebay_config::proto::envoy::extensions::wasm::v3 as wasm;
use enginebay_config::read_plugin_config;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use prost_types::{Any, Duration, ListValue, Struct, Value, value::Kind};

/// The descriptors, compiled from the same files as those in the crate.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_]{0,8}",
        any::<String>(),
        Just("yes".to_owned()),
        Just("5".to_owned()),
        Just("~".to_owned())
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Kind::NullValue(0)),
        any::<bool>().prop_map(Kind::BoolValue),
        any::<i32>().prop_map(|number| Kind::NumberValue(number.into())),
        (-1e9..1e9).prop_map(Kind::NumberValue),
        text().prop_map(Kind::StringValue),
    ];
    let leaf = leaf.prop_map(|kind| Value { kind: Some(kind) });
    leaf.prop_recursive(4, 24, 4, |inner| {
        let list = vec(inner.clone(), 0..4).prop_map(|values| Kind::ListValue(ListValue { values }));
        let map = btree_map(text(), inner, 0..4).prop_map(|fields| Kind::StructValue(Struct { fields }));
        prop_oneof![list, map].prop_map(|kind| Value { kind: Some(kind) })
    })
}

fn configuration() -> BoxedStrategy<Any> {
    let of = |name: &str, value: Vec<u8>| Any {
        type_url: format!("type.googleapis.com/google.protobuf.{name}"),
        value,
    };
    prop_oneof![
        btree_map(text(), value(), 0..4)
            .prop_map(move |fields| of("Struct", Struct { fields }.encode_to_vec())),
        text().prop_map(move |text| of("StringValue", text.encode_to_vec())),
        vec(any::<u8>(), 0..20).prop_map(move |bytes| of("BytesValue", bytes.encode_to_vec())),
    ]
    .boxed()
}

fn duration() -> impl Strategy<Value = Duration> {
    (0..1_000_000_i64, 0..1_000_000_000).prop_map(|(seconds, nanos)| Duration { seconds, nanos })
}

fn back_off() -> impl Strategy<Value = core::BackoffStrategy> {
    (option::of(duration()), option::of(duration())).prop_map(|(base_interval, max_interval)| {
        core::BackoffStrategy {
            base_interval,
            max_interval,
        }
    })
}

fn retry() -> BoxedStrategy<core::RetryPolicy> {
    use core::retry_policy::{RetryHostPredicate, RetryPriority, retry_host_predicate, retry_priority};
    let priority = (text(), option::of(configuration()))
        .prop_map(|(name, any)| RetryPriority {
            name,
            config_type: any.map(retry_priority::ConfigType::TypedConfig),
        })
        .boxed();
    let predicate = (text(), option::of(configuration()))
        .prop_map(|(name, any)| RetryHostPredicate {
            name,
            config_type: any.map(retry_host_predicate::ConfigType::TypedConfig),
        })
        .boxed();
    let retry = (
        option::of(back_off()),
        option::of(any::<u32>()),
        text(),
        option::of(priority),
        vec(predicate, 0..3),
        any::<i64>(),
    );
    retry
        .prop_map(
            |(retry_back_off, num_retries, retry_on, priority, predicates, most)| core::RetryPolicy {
                retry_back_off,
                num_retries,
                retry_on,
                retry_priority: priority,
                retry_host_predicate: predicates,
                host_selection_retry_max_attempts: most,
            },
        )
        .boxed()
}

fn code() -> BoxedStrategy<core::AsyncDataSource> {
    use core::async_data_source::Specifier as Far;
    use core::data_source::Specifier as Near;
    let near = prop_oneof![
        text().prop_map(Near::Filename),
        vec(any::<u8>(), 0..20).prop_map(Near::InlineBytes),
        text().prop_map(Near::InlineString),
        text().prop_map(Near::EnvironmentVariable),
    ];
    let watched = (text(), any::<bool>())
        .prop_map(|(path, watch_modify)| core::WatchedDirectory { path, watch_modify });
    let near = (option::of(near), option::of(watched)).prop_map(|(specifier, watched_directory)| {
        Far::Local(core::DataSource {
            specifier,
            watched_directory,
        })
    });
    let uri = (text(), option::of(text()), option::of(duration())).prop_map(|(uri, cluster, timeout)| {
        core::HttpUri {
            uri,
            http_upstream_type: cluster.map(core::http_uri::HttpUpstreamType::Cluster),
            timeout,
        }
    });
    let far = (option::of(uri), text(), option::of(retry())).prop_map(|(http_uri, sha256, retry_policy)| {
        Far::Remote(core::RemoteDataSource {
            http_uri,
            sha256,
            retry_policy,
        })
    });
    option::of(prop_oneof![near.boxed(), far.boxed()])
        .prop_map(|specifier| core::AsyncDataSource { specifier })
        .boxed()
}

fn capabilities() -> impl Strategy<Value = wasm::CapabilityRestrictionConfig> {
    btree_map(text(), Just(wasm::SanitizationConfig {}), 0..3).prop_map(
        |allowed_capabilities: BTreeMap<_, _>| wasm::CapabilityRestrictionConfig { allowed_capabilities },
    )
}

fn vm() -> BoxedStrategy<wasm::VmConfig> {
    let environment =
        (vec(text(), 0..3), btree_map(text(), text(), 0..3)).prop_map(|(host_env_keys, key_values)| {
            wasm::EnvironmentVariables {
                host_env_keys,
                key_values,
            }
        });
    let parts = (
        text(),
        text(),
        option::of(code()),
        option::of(configuration()),
        any::<[bool; 2]>(),
    );
    (parts, option::of(environment), option::of(capabilities()))
        .prop_map(
            |((vm_id, runtime, code, configuration, flags), environment_variables, capabilities)| {
                wasm::VmConfig {
                    vm_id,
                    runtime,
                    code,
                    configuration,
                    allow_precompiled: flags[0],
                    nack_on_code_cache_miss: flags[1],
                    environment_variables,
                    capability_restriction_config: capabilities,
                }
            },
        )
        .boxed()
}

fn plugin() -> BoxedStrategy<wasm::PluginConfig> {
    let reload = option::of(back_off()).prop_map(|backoff| wasm::ReloadConfig { backoff });
    let head = (
        text(),
        text(),
        option::of(vm()),
        option::of(configuration()),
        any::<bool>(),
    );
    let tail = (
        0..4,
        option::of(reload),
        option::of(capabilities()),
        option::of(any::<bool>()),
    );
    (head, tail)
        .prop_map(
            |((name, root_id, vm, configuration, fail_open), tail)| wasm::PluginConfig {
                name,
                root_id,
                vm: vm.map(wasm::plugin_config::Vm::VmConfig),
                configuration,
                fail_open,
                failure_policy: tail.0,
                reload_config: tail.1,
                capability_restriction_config: tail.2,
                allow_on_headers_stop_iteration: tail.3,
            },
        )
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(message in plugin(), proto_names: bool, enum_numbers: bool) {
        let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
        let kind = pool.get_message_by_name("envoy.extensions.wasm.v3.PluginConfig").unwrap();
        let dynamic = DynamicMessage::decode(kind, message.encode_to_vec().as_slice()).unwrap();
        let options = SerializeOptions::new().use_proto_field_name(proto_names).use_enum_numbers(enum_numbers);
        let mut json = Vec::new();
        dynamic.serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options).unwrap();
        let json = String::from_utf8(json).unwrap();
        let read = read_plugin_config(&json, "plugin.json").map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(read, message, "{}", json);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(\\PC|[\\n\\t{}\\[\\]:,\"']){0,80}") {
        for file in ["plugin.yaml", "plugin.json"] {
            if let Err(error) = read_plugin_config(&text, file) {
                prop_assert!(!error.problems.is_empty());
            }
        }
    }

    #[test]
    fn a_damaged_configuration_is_read_or_refused(at in 0..6000_usize, with in "[\\x20-\\x7e\\n]{0,3}", cut in 0..3_usize) {
        let mut text = include_str!("data/envoy.yaml").to_owned();
        let end = (at + cut).min(text.len());
        if text.is_char_boundary(at.min(end)) && text.is_char_boundary(end) {
            text.replace_range(at.min(end)..end, &with);
        }
        let _ = enginebay_config::load_bootstrap(&text, "envoy.yaml", &enginebay_config::Process);
    }
}
