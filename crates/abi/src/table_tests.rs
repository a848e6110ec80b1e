//! The tables agree with themselves, and with the specification where it is spelled out here.

use std::collections::HashSet;

use enginebay_engine::Signature;

use crate::functions::{functions_of, lookup, lookup_in};
use crate::{AbiVersion, Callback, HostFunction, Integration, Namespace, Param, Phase};

#[test]
fn rows_are_dense_and_in_order() {
    assert_eq!(HostFunction::TABLE.len(), HostFunction::COUNT);
    for (i, def) in HostFunction::TABLE.iter().enumerate() {
        assert_eq!(def.function.index(), i);
        assert_eq!(HostFunction::from_index(i), Some(def.function));
        assert_eq!(def.function.def(), def);
    }
    assert_eq!(HostFunction::from_index(HostFunction::COUNT), None);
    for (i, callback) in Callback::ALL.iter().enumerate() {
        assert_eq!(callback.index(), i);
    }
    for (i, export) in Integration::ALL.iter().enumerate() {
        assert_eq!(export.index(), i);
    }
}

#[test]
fn variants_are_named_after_their_functions() {
    let camel = |name: &str| -> String {
        name.split('_')
            .filter(|word| !word.is_empty())
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect()
    };
    for def in HostFunction::TABLE {
        let prefix = match def.namespace {
            Namespace::Wasi => "Wasi",
            Namespace::Env if def.name.starts_with("proxy_") => "",
            Namespace::Env => "Env",
        };
        assert_eq!(
            format!("{:?}", def.function),
            format!("{prefix}{}", camel(def.name))
        );
    }
    for callback in Callback::ALL {
        assert_eq!(format!("{callback:?}"), camel(callback.name()));
    }
    for export in Integration::ALL {
        assert_eq!(format!("{export:?}"), camel(export.name()));
    }
}

#[test]
fn names_are_unique_in_each_namespace_and_version() {
    for &version in AbiVersion::ALL {
        let mut seen = HashSet::new();
        for def in functions_of(version) {
            assert!(seen.insert((def.namespace, def.name)), "{}", def.name);
        }
    }
    let exports: HashSet<_> = Callback::ALL
        .iter()
        .map(|c| c.name())
        .chain(Integration::ALL.iter().map(|i| i.name()))
        .collect();
    assert_eq!(exports.len(), Callback::COUNT + Integration::COUNT);
}

#[test]
fn every_row_is_found_under_every_module_name() {
    for def in HostFunction::TABLE {
        for module in def.namespace.modules() {
            assert_eq!(lookup(module, def.name), Some(def));
        }
        for &version in AbiVersion::ALL {
            assert_eq!(
                lookup_in(version, def.namespace.modules()[0], def.name).is_some(),
                def.versions.contains(version)
            );
        }
        assert!(def.versions.iter().count() > 0);
    }
    for callback in Callback::ALL {
        assert_eq!(Callback::from_name(callback.name()), Some(*callback));
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    assert!(lookup("env", "fd_write").is_none());
    assert!(lookup("wasi_snapshot_preview1", "proxy_log").is_none());
    assert!(lookup("wasi_snapshot_preview2", "fd_write").is_none());
    assert!(lookup("env", "proxy_").is_none());
    assert!(lookup("", "").is_none());
    assert_eq!(Callback::from_name("proxy_on_memory_allocate"), None);
}

#[test]
fn signatures_follow_from_kinds() {
    let check = |params: &[Param], result: Option<Param>, signature: Signature| {
        assert!(
            params
                .iter()
                .map(|kind| kind.val_type())
                .eq(signature.params.iter().copied())
        );
        assert_eq!(result.map(Param::val_type), signature.result);
        assert!(params.len() <= Signature::MAX_PARAMS);
    };
    for def in HostFunction::TABLE {
        check(def.params, def.result, def.signature);
        assert_eq!(def.param_names.len(), def.params.len());
    }
    for shape in Callback::ALL
        .iter()
        .flat_map(|c| c.shapes())
        .chain(Integration::ALL.iter().flat_map(|i| i.shapes()))
        .map(|(_, shape)| shape)
    {
        check(shape.params, shape.result, shape.signature);
        assert_eq!(shape.param_names.len(), shape.params.len());
    }
}

#[test]
fn no_version_has_two_shapes() {
    for &version in AbiVersion::ALL {
        for callback in Callback::ALL {
            let shapes = callback
                .shapes()
                .iter()
                .filter(|(versions, _)| versions.contains(version));
            assert!(shapes.count() <= 1, "{callback}");
        }
        for export in Integration::ALL {
            assert!(export.signature(version).is_some());
        }
    }
}

/// A name that ends in `_size` is a size, one in `_data` an address, and so on.
#[test]
fn kinds_match_parameter_names() {
    for def in HostFunction::TABLE {
        for (&name, &kind) in def.param_names.iter().zip(def.params) {
            let expected = match name {
                _ if name.starts_with("return_") => Some(Param::Ptr),
                _ if name.ends_with("_data") || matches!(name, "iovs" | "path" | "buf") => Some(Param::Ptr),
                _ if name.ends_with("_size") || name.ends_with("_len") => Some(Param::Size),
                _ if name.ends_with("_id") || matches!(name, "fd" | "flags" | "timeout") => Some(Param::U32),
                _ if name.starts_with("fs_rights") || name == "offset" => Some(Param::U64),
                _ => None,
            };
            if let Some(expected) = expected {
                assert_eq!(kind, expected, "{}: {name}", def.name);
            }
        }
    }
}

#[test]
fn host_functions_as_the_specification_spells_them() {
    let expected = [
        ("proxy_log", "(i32, i32, i32) -> i32"),
        ("proxy_get_log_level", "(i32) -> i32"),
        ("proxy_done", "() -> i32"),
        ("proxy_set_effective_context", "(i32) -> i32"),
        ("proxy_get_configuration", "(i32, i32) -> i32"),
        ("proxy_get_buffer_bytes", "(i32, i32, i32, i32, i32) -> i32"),
        ("proxy_get_buffer_status", "(i32, i32, i32) -> i32"),
        ("proxy_set_buffer_bytes", "(i32, i32, i32, i32, i32) -> i32"),
        ("proxy_get_header_map_size", "(i32, i32) -> i32"),
        ("proxy_get_header_map_pairs", "(i32, i32, i32) -> i32"),
        ("proxy_get_header_map_value", "(i32, i32, i32, i32, i32) -> i32"),
        ("proxy_remove_header_map_value", "(i32, i32, i32) -> i32"),
        ("proxy_continue_request", "() -> i32"),
        ("proxy_close_stream", "(i32) -> i32"),
        (
            "proxy_send_local_response",
            "(i32, i32, i32, i32, i32, i32, i32, i32) -> i32",
        ),
        (
            "proxy_http_call",
            "(i32, i32, i32, i32, i32, i32, i32, i32, i32, i32) -> i32",
        ),
        (
            "proxy_grpc_call",
            "(i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32) -> i32",
        ),
        (
            "proxy_grpc_stream",
            "(i32, i32, i32, i32, i32, i32, i32, i32, i32) -> i32",
        ),
        ("proxy_grpc_send", "(i32, i32, i32, i32) -> i32"),
        ("proxy_get_status", "(i32, i32, i32) -> i32"),
        ("proxy_get_shared_data", "(i32, i32, i32, i32, i32) -> i32"),
        ("proxy_resolve_shared_queue", "(i32, i32, i32, i32, i32) -> i32"),
        ("proxy_define_metric", "(i32, i32, i32, i32) -> i32"),
        ("proxy_record_metric", "(i32, i64) -> i32"),
        ("proxy_increment_metric", "(i32, i64) -> i32"),
        ("proxy_get_metric", "(i32, i32) -> i32"),
        ("proxy_get_property", "(i32, i32, i32, i32) -> i32"),
        (
            "proxy_call_foreign_function",
            "(i32, i32, i32, i32, i32, i32) -> i32",
        ),
        ("emscripten_notify_memory_growth", "(i32)"),
        ("pthread_equal", "(i32, i32) -> i32"),
    ];
    for (name, signature) in expected {
        let def = lookup("env", name).unwrap();
        assert_eq!(def.signature.to_string(), signature, "{name}");
    }
}

#[test]
fn wasi_functions_as_preview_1_spells_them() {
    let expected = [
        ("clock_time_get", "(i32, i64, i32) -> i32"),
        ("fd_advise", "(i32, i64, i64, i32) -> i32"),
        ("fd_allocate", "(i32, i64, i64) -> i32"),
        ("fd_fdstat_set_rights", "(i32, i64, i64) -> i32"),
        ("fd_filestat_set_size", "(i32, i64) -> i32"),
        ("fd_filestat_set_times", "(i32, i64, i64, i32) -> i32"),
        ("fd_pread", "(i32, i32, i32, i64, i32) -> i32"),
        ("fd_pwrite", "(i32, i32, i32, i64, i32) -> i32"),
        ("fd_readdir", "(i32, i32, i32, i64, i32) -> i32"),
        ("fd_seek", "(i32, i64, i32, i32) -> i32"),
        ("fd_write", "(i32, i32, i32, i32) -> i32"),
        (
            "path_filestat_set_times",
            "(i32, i32, i32, i32, i64, i64, i32) -> i32",
        ),
        ("path_link", "(i32, i32, i32, i32, i32, i32, i32) -> i32"),
        (
            "path_open",
            "(i32, i32, i32, i32, i32, i64, i64, i32, i32) -> i32",
        ),
        ("path_symlink", "(i32, i32, i32, i32, i32) -> i32"),
        ("poll_oneoff", "(i32, i32, i32, i32) -> i32"),
        ("proc_exit", "(i32)"),
        ("sched_yield", "() -> i32"),
        ("sock_accept", "(i32, i32, i32) -> i32"),
        ("sock_recv", "(i32, i32, i32, i32, i32, i32) -> i32"),
    ];
    for (name, signature) in expected {
        for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
            let def = lookup(module, name).unwrap();
            assert_eq!(def.signature.to_string(), signature, "{name}");
        }
    }
    // Only the functions above take 64-bit integers.
    for def in HostFunction::TABLE {
        let wide = def.params.contains(&Param::U64);
        let listed = expected
            .iter()
            .any(|(name, signature)| *name == def.name && signature.contains("i64"));
        if def.namespace == Namespace::Wasi {
            assert_eq!(wide, listed, "{}", def.name);
        }
    }
    let count = HostFunction::TABLE
        .iter()
        .filter(|def| def.namespace == Namespace::Wasi);
    assert_eq!(count.count(), 46);
}

#[test]
fn callbacks_as_the_specification_spells_them() {
    use AbiVersion::{V0_1_0, V0_2_0, V0_2_1};
    let expected = [
        ("proxy_on_context_create", V0_2_1, "(i32, i32)"),
        ("proxy_on_vm_start", V0_2_1, "(i32, i32) -> i32"),
        ("proxy_on_configure", V0_1_0, "(i32, i32) -> i32"),
        ("proxy_on_tick", V0_2_0, "(i32)"),
        ("proxy_on_queue_ready", V0_2_1, "(i32, i32)"),
        ("proxy_on_foreign_function", V0_2_0, "(i32, i32, i32)"),
        ("proxy_on_new_connection", V0_1_0, "(i32) -> i32"),
        ("proxy_on_downstream_data", V0_2_1, "(i32, i32, i32) -> i32"),
        ("proxy_on_upstream_connection_close", V0_2_1, "(i32, i32)"),
        ("proxy_on_request_headers", V0_1_0, "(i32, i32) -> i32"),
        ("proxy_on_request_headers", V0_2_0, "(i32, i32, i32) -> i32"),
        ("proxy_on_response_headers", V0_1_0, "(i32, i32) -> i32"),
        ("proxy_on_response_headers", V0_2_1, "(i32, i32, i32) -> i32"),
        ("proxy_on_request_body", V0_1_0, "(i32, i32, i32) -> i32"),
        ("proxy_on_request_trailers", V0_2_1, "(i32, i32) -> i32"),
        ("proxy_on_request_metadata", V0_2_1, "(i32, i32) -> i32"),
        ("proxy_on_http_call_response", V0_2_1, "(i32, i32, i32, i32, i32)"),
        ("proxy_on_grpc_close", V0_2_1, "(i32, i32, i32)"),
        ("proxy_on_done", V0_2_1, "(i32) -> i32"),
        ("proxy_on_log", V0_2_1, "(i32)"),
        ("proxy_on_delete", V0_2_1, "(i32)"),
        ("envoy_on_stats_update", V0_1_0, "(i32, i32)"),
    ];
    for (name, version, signature) in expected {
        let callback = Callback::from_name(name).unwrap();
        let found = callback.signature(version).unwrap();
        assert_eq!(found.to_string(), signature, "{name} {version}");
    }
    assert_eq!(Callback::ProxyOnForeignFunction.signature(V0_1_0), None);

    let integration = [
        (Integration::Initialize, "()"),
        (Integration::Start, "()"),
        (Integration::Main, "(i32, i32) -> i32"),
        (Integration::ProxyOnMemoryAllocate, "(i32) -> i32"),
        (Integration::Malloc, "(i32) -> i32"),
    ];
    for (export, signature) in integration {
        assert_eq!(export.signature(V0_2_1).unwrap().to_string(), signature);
    }
}

#[test]
fn versions_have_the_functions_that_envoy_links() {
    use AbiVersion::{V0_1_0, V0_2_0, V0_2_1};
    let only = |version: AbiVersion| -> Vec<&str> {
        functions_of(version)
            .filter(|def| def.versions != crate::VersionSet::ALL)
            .map(|def| def.name)
            .collect()
    };
    assert_eq!(
        only(V0_1_0),
        [
            "proxy_get_configuration",
            "proxy_continue_request",
            "proxy_continue_response",
            "proxy_clear_route_cache"
        ]
    );
    assert_eq!(only(V0_2_0), ["proxy_continue_stream", "proxy_close_stream"]);
    assert_eq!(
        only(V0_2_1),
        [
            "proxy_get_log_level",
            "proxy_continue_stream",
            "proxy_close_stream"
        ]
    );
}

#[test]
fn the_start_function_may_only_call_what_needs_no_context() {
    for def in HostFunction::TABLE {
        let early = match def.namespace {
            Namespace::Env => matches!(def.name, "proxy_log" | "emscripten_notify_memory_growth"),
            Namespace::Wasi => !matches!(
                def.name,
                "fd_close" | "fd_read" | "fd_seek" | "path_open" | "proc_exit" | "proc_raise" | "sched_yield"
            ),
        };
        assert_eq!(def.phase == Phase::Any, early, "{}", def.name);
    }
}

#[test]
fn capabilities_have_envoys_names() {
    let capability = |module, name| lookup(module, name).unwrap().capability();
    assert_eq!(capability("env", "proxy_log"), Some("proxy_log"));
    assert_eq!(capability("wasi_unstable", "fd_write"), Some("fd_write"));
    assert_eq!(capability("env", "emscripten_notify_memory_growth"), None);
    assert_eq!(capability("env", "pthread_equal"), None);
}
