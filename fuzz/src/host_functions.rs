//! Host functions with any arguments, from real guests on every engine.

use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use enginebay::abi::{AbiVersion, FunctionDef, PeerType};
use enginebay::engine::TrapKind;
use enginebay::host::{HttpCallResponse, Program};
use enginebay::{Body, ContextId, Failure, HeaderMap, Limits, PluginConfig, Vm, VmConfig};

use crate::embedder::{Stream, World, note};
use crate::engines;
use crate::guest;
use crate::script::{CONSTANT, Script};

/// The input is a script for a guest and for its embedder. It is run on every engine,
/// and all must tell the same of it.
pub fn run(input: &[u8]) {
    let script = Script::read(input);
    let mut first: Option<(&str, Vec<String>)> = None;
    for (name, programs) in PROGRAMS.iter() {
        let trace = trace(&script, &programs[script.version.index()]);
        check(&trace, script.version, name);
        match &first {
            None => first = Some((name, trace)),
            Some((other, expected)) => same(other, expected, name, &trace),
        }
    }
}

/// The guest of each version on an engine with this name.
type Programs = (&'static str, Vec<Arc<Program>>);

static PROGRAMS: LazyLock<Vec<Programs>> = LazyLock::new(|| {
    let limits = Limits {
        memory: Some(MEMORY),
        // Only an endless loop takes so long, and there is none.
        call_time: Some(std::time::Duration::from_secs(10)),
        ..Limits::default()
    };
    let program = |engine: &engines::Named, version: AbiVersion| {
        let wasm = wat::parse_str(guest::module(version, &CONSTANT.bytes)).expect("the guest is right");
        let program = Program::load(&*engine.engine, &wasm);
        Arc::new(program.unwrap_or_else(|failure| panic!("{}: {failure}", engine.name)))
    };
    let programs = |engine: engines::Named| {
        let versions = AbiVersion::ALL.iter();
        (
            engine.name,
            versions.map(|version| program(&engine, *version)).collect(),
        )
    };
    engines::all(limits).into_iter().map(programs).collect()
});

const MEMORY: u64 = 8 << 20;

/// Everything that can be seen of one run.
fn trace(script: &Script, program: &Arc<Program>) -> Vec<String> {
    let world = Rc::new(World::new());
    let config = VmConfig {
        vm_id: "fuzz".to_owned(),
        configuration: script.configuration.clone(),
        environment: vec![("KEY".to_owned(), "value".to_owned())],
    };
    let result = Vm::new(program, &Arc::new(config), world.clone()).and_then(|vm| {
        let result = Drive::new(&vm, &world).and_then(|mut drive| drive.all(&script.steps));
        let memory = vm.memory_size();
        assert!(memory <= MEMORY, "{memory} bytes of memory");
        let left = format!(
            "memory {memory}, contexts {}, callouts {}",
            vm.context_count(),
            vm.callout_count()
        );
        note(&world.trace, left);
        result
    });
    if let Err(failure) = result {
        note(&world.trace, describe(&failure));
    }
    world.trace.take()
}

fn describe(failure: &Failure) -> String {
    let trap = failure.trap().map(|trap| trap.kind());
    // A panic in the host's own code becomes a trap. The fuzzer's hook sees it too; the tests have none.
    assert!(
        !failure.to_string().contains("a host function panicked"),
        "{failure}"
    );
    assert_ne!(trap, Some(TrapKind::Interrupted), "a call did not end");
    format!("failed: {} {:?} {trap:?}", failure.state(), failure.function())
}

/// Every function returns what the table says.
fn check(trace: &[String], version: AbiVersion, engine: &str) {
    let functions = guest::callable(version);
    for line in trace {
        let Some((function, value)) = report(line) else {
            continue;
        };
        let Some(def) = functions.get(function).copied() else {
            continue;
        };
        let fits = |def: &FunctionDef| {
            let value = u32::try_from(value).ok();
            value.is_some_and(|value| def.function.answer().allows(version, value))
        };
        assert!(
            def.result.is_none() || fits(def),
            "{} returned {value} on {engine}, which is not in the table of {version}",
            def.name
        );
    }
}

/// The number of a function and what it returned, from a line that the guest logged.
fn report(line: &str) -> Option<(usize, u64)> {
    let digits = line
        .strip_prefix("Critical @s")
        .filter(|digits| digits.len() == 24)?;
    let (function, value) = digits.split_at_checked(8)?;
    Some((
        usize::from_str_radix(function, 16).ok()?,
        u64::from_str_radix(value, 16).ok()?,
    ))
}

fn same(first: &str, expected: &[String], second: &str, found: &[String]) {
    if expected == found {
        return;
    }
    let longest = expected.len().max(found.len());
    let line = |lines: &[String], at: usize| lines.get(at).cloned().unwrap_or_default();
    let at = (0..longest).find(|at| line(expected, *at) != line(found, *at));
    let at = at.unwrap_or(longest);
    panic!(
        "line {at} differs\n{first}: {}\n{second}: {}\nbefore: {:?}",
        line(expected, at),
        line(found, at),
        &expected[..at.min(expected.len())]
    );
}

/// The embedder.
struct Drive<'a> {
    vm: &'a Vm<Stream>,
    world: &'a World,
    root: ContextId,
    streams: Vec<ContextId>,
}

/// What is done when an input says nothing of it.
const USUAL: [u8; 14] = [1, 2, 3, 4, 5, 6, 13, 14, 15, 12, 10, 7, 11, 8];

impl<'a> Drive<'a> {
    fn new(vm: &'a Vm<Stream>, world: &'a World) -> Result<Self, Failure> {
        let root = vm.start_plugin(PluginConfig {
            name: "plugin".to_owned(),
            root_id: "root".to_owned(),
            configuration: b"configuration".to_vec(),
            ..PluginConfig::default()
        })?;
        let mut drive = Drive {
            vm,
            world,
            root,
            streams: Vec::new(),
        };
        drive.create()?;
        Ok(drive)
    }

    fn create(&mut self) -> Result<(), Failure> {
        let stream = Stream::new(&self.world.trace);
        self.streams.push(self.vm.create_stream(self.root, stream)?);
        Ok(())
    }

    fn all(&mut self, steps: &[u8]) -> Result<(), Failure> {
        for step in if steps.is_empty() { &USUAL } else { steps } {
            self.step(*step)?;
        }
        for id in std::mem::take(&mut self.streams) {
            let state = self.vm.stream(id).map(|stream| stream.describe());
            note(&self.world.trace, format!("{id:?} {state:?}"));
            self.vm.finish(id)?;
        }
        self.vm.finish(self.root)
    }

    /// The higher bits say which stream.
    fn step(&mut self, step: u8) -> Result<(), Failure> {
        let (vm, root) = (self.vm, self.root);
        let chosen = usize::from(step >> 5) % self.streams.len().max(1);
        let Some(id) = self.streams.get(chosen).copied() else {
            return Ok(());
        };
        let result = match step & 31 {
            0 if self.streams.len() < 4 => return self.create(),
            1 => format!("{:?}", vm.on_request_headers(id, 4, false)?),
            2 => format!("{:?}", vm.on_request_body(id, 11, false)?),
            3 => format!("{:?}", vm.on_request_trailers(id, 4)?),
            4 => format!("{:?}", vm.on_response_headers(id, 4, true)?),
            5 => format!("{:?}", vm.on_response_body(id, 11, true)?),
            6 => format!("{:?}", vm.on_response_trailers(id, 4)?),
            7 => format!("{:?}", vm.on_tick(root)?),
            8 => format!("{:?}", vm.on_log(id)?),
            9 => format!("{:?}", vm.finish(id)?),
            10 => format!("{:?}", vm.deliver()?),
            11 => format!("{:?}", vm.on_foreign_function(root, 3, b"arguments")?),
            12 => return self.answer(true),
            13 => format!("{:?}", vm.on_new_connection(id)?),
            14 => format!("{:?}", vm.on_downstream_data(id, 11, false)?),
            15 => format!("{:?}", vm.on_upstream_data(id, 11, true)?),
            16 => format!("{:?}", vm.on_downstream_connection_close(id, PeerType::Remote)?),
            17 => format!("{:?}", vm.on_upstream_connection_close(id, PeerType::Local)?),
            18 => format!("{:?}", vm.on_request_metadata(id, 3)?),
            19 => format!("{:?}", vm.on_response_metadata(id, 3)?),
            20 => format!("{:?}", vm.finish_connection(id)?),
            21 => format!("{:?}", vm.log(root, Stream::new(&self.world.trace))?),
            22 => format!("{:?}", vm.finish(root)?),
            23 => return self.answer(false),
            24 => {
                vm.abandon(id);
                String::new()
            }
            _ => return Ok(()),
        };
        note(&self.world.trace, format!("step {step}: {result}"));
        Ok(())
    }

    /// Answers the callouts; each in every way that one of some kind is, as an embedder that mixes them up would.
    fn answer(&self, well: bool) -> Result<(), Failure> {
        let mut headers = HeaderMap::new();
        headers.push_valid(":status", "200");
        for id in self.world.started() {
            if !well {
                self.vm.on_http_call_response(id, None)?;
                self.vm.on_grpc_close(id, 14, b"down")?;
                continue;
            }
            let response = HttpCallResponse {
                headers: headers.clone(),
                body: Body::from(Bytes::from_static(b"reply")),
                trailers: headers.clone(),
            };
            self.vm.on_grpc_receive_initial_metadata(id, headers.clone())?;
            self.vm.on_grpc_receive(id, Bytes::from_static(b"message"))?;
            self.vm.on_grpc_receive_trailing_metadata(id, headers.clone())?;
            self.vm.on_grpc_close(id, 0, b"")?;
            self.vm.on_http_call_response(id, Some(response))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 0.2.1; one group for each of the first callbacks, of one call each: `proxy_log` of a constant.
    const SCRIPT: &[u8] = &[
        2, 0, 1, 0, 0, 0, 3, 1, 0, 1, 0, 0, 0, 3, 1, 0, 1, 0, 0, 0, 3, 1, 0,
    ];

    #[test]
    fn what_the_guest_does_is_seen() {
        let script = Script::read(SCRIPT);
        for (name, programs) in PROGRAMS.iter() {
            let trace = trace(&script, &programs[script.version.index()]);
            let reports: Vec<_> = trace.iter().filter_map(|line| report(line)).collect();
            assert!(reports.contains(&(0, 0)), "{name}: {trace:?}");
            assert!(trace.iter().any(|line| line == "Warn hello"), "{name}: {trace:?}");
        }
    }

    #[test]
    #[should_panic(expected = "proxy_log returned 11 on an engine")]
    fn a_status_that_is_not_in_the_table_is_found() {
        let line = format!("Critical @s{:08x}{:016x}", 0, 11);
        check(&[line], AbiVersion::V0_2_1, "an engine");
    }

    #[test]
    #[should_panic(expected = "line 1 differs\na: y\nb: z")]
    fn a_difference_is_found() {
        let lines = |last: &str| vec!["x".to_owned(), last.to_owned()];
        same("a", &lines("y"), "b", &lines("z"));
    }
}
