//! A few hundred cases of each kind, the same ones every time.

use enginebay_differential::{Kind, Lab};

/// All runtimes that are linked in; `None` with fewer than two, when there is nothing to compare.
fn lab() -> Option<Lab> {
    let registry = enginebay::registry().unwrap();
    let count = registry
        .iter()
        .filter(|runtime| runtime.capabilities.word_size == 4)
        .count();
    (count > 1).then(|| Lab::of(&registry, &[]).unwrap())
}

fn all_do_the_same(kind: Kind, seeds: std::ops::Range<u64>) {
    let Some(lab) = lab() else {
        return;
    };
    for seed in seeds {
        if let Some(difference) = lab.check(kind, seed) {
            panic!("{difference}");
        }
    }
}

#[test]
fn scripts() {
    all_do_the_same(Kind::Scripts, 0..300);
}

#[test]
fn modules() {
    all_do_the_same(Kind::Modules, 0..200);
}

/// What went wrong before.
#[test]
fn found_once() {
    // wasmi took a wrong condition for a select.
    for seed in [513, 517, 562, 838, 857] {
        all_do_the_same(Kind::Modules, seed..seed + 1);
    }
}

/// A seed is worth nothing if it gives another case tomorrow.
#[test]
fn a_seed_gives_the_same_case_every_time() {
    let Some(lab) = lab() else {
        return;
    };
    for kind in Kind::ALL {
        for seed in 0..20 {
            assert_eq!(lab.trace(kind, seed), lab.trace(kind, seed), "{kind} {seed}");
        }
    }
}

/// Cases that end before anything happens find nothing.
#[test]
fn much_happens_in_the_cases() {
    let Some(lab) = lab() else {
        return;
    };
    let lines = |kind| -> Vec<String> {
        let traces = (0..250).flat_map(|seed| lab.trace(kind, seed).lines);
        traces.map(|line| line.text).collect()
    };
    let count = |lines: &[String], part: &str| lines.iter().filter(|line| line.contains(part)).count();
    let scripts = lines(Kind::Scripts);
    for part in [
        "enter proxy_on_request_headers(",
        "enter proxy_on_http_call_response(",
        "enter proxy_on_grpc_receive(",
        "enter proxy_on_queue_ready(",
        "enter proxy_on_tick(",
        "enter proxy_on_new_connection(",
        "enter proxy_on_foreign_function(",
        "enter proxy_on_log(",
        "enter proxy_on_delete(",
        "proxy_get_header_map_pairs(",
        "proxy_define_metric(",
        "inside: ",
        "trapped: out of bounds memory access",
        "trapped: arithmetic error",
        "trapped: stack overflow",
        "trapped: bad table access",
        "trapped: unreachable",
        "log (",
        "callout ",
    ] {
        assert!(count(&scripts, part) > 0, "{part}");
    }
    let most = count(&scripts, "nothing to do for ");
    assert!(most < count(&scripts, "result "), "{most}");
    let modules = lines(Kind::Modules);
    for part in ["returned ", "trapped: ", "inside: ", "single("] {
        assert!(count(&modules, part) > 5, "{part}");
    }
}
