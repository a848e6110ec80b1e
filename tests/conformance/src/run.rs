//! Runs cases.

use std::rc::Rc;
use std::sync::Arc;

use enginebay::abi::{AbiVersion, Callback, HostFunction, PeerType};
use enginebay::engine::Engine;
use enginebay::host::Program;
use enginebay::{Failure, HeaderMap, PluginConfig, Vm, VmConfig};

use crate::case::{Area, Case, Effect, Step};
use crate::embedder::{Seen, Stream, World};
use crate::guest::{self, Flavor, VM_CONFIGURATION};

/// What the plugin's configuration is.
pub(crate) const PLUGIN_CONFIGURATION: &str = "plugin configuration";

/// A case that did not do what it must.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The case's whole name, such as `abi/0.2.1/proxy_log/ok`.
    pub case: String,
    /// What was wrong.
    pub why: String,
}

/// Cases of one area, version and name of WASI: they share guests.
pub struct Group {
    flavor: Flavor,
    area: Area,
    cases: Vec<Case>,
}

impl Group {
    pub(crate) fn new(area: Area, flavor: Flavor, cases: &[Case]) -> Self {
        let of_group = |case: &&Case| case.area == area && case.versions.contains(flavor.version);
        Group {
            flavor,
            area,
            cases: cases.iter().filter(of_group).cloned().collect(),
        }
    }

    /// The start of the names of all its cases, such as `abi/0.2.1`.
    pub fn name(&self) -> String {
        match self.area {
            Area::Abi => format!("abi/{}", self.flavor.version),
            Area::Wasi => format!("wasi/{}", self.flavor.wasi),
            Area::Start => format!("start/{}", self.flavor.version),
        }
    }

    /// The version of the ABI that the guests speak.
    pub fn version(&self) -> AbiVersion {
        self.flavor.version
    }

    /// The cases.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Runs every case on this engine.
    ///
    /// # Errors
    /// Those that failed.
    pub fn run(&self, engine: &dyn Engine) -> Result<(), Vec<Failed>> {
        let mut failed = Vec::new();
        let mut fail = |case: &Case, why: String| {
            failed.push(Failed {
                case: format!("{}/{}", self.name(), case.name),
                why,
            });
        };
        let all: Vec<&Case> = self.cases.iter().collect();
        match self.area {
            Area::Start => {
                for case in all {
                    let result = self
                        .load(engine, &[case])
                        .and_then(|program| Run::new(case, self, program, 0).check());
                    result.unwrap_or_else(|why| fail(case, why));
                }
            }
            Area::Abi | Area::Wasi => match self.load(engine, &all) {
                Ok(program) => {
                    for (number, case) in all.into_iter().enumerate() {
                        let result = Run::new(case, self, program.clone(), number).check();
                        result.unwrap_or_else(|why| fail(case, why));
                    }
                }
                Err(why) => all.into_iter().for_each(|case| fail(case, why.clone())),
            },
        }
        match failed.is_empty() {
            true => Ok(()),
            false => Err(failed),
        }
    }

    fn load(&self, engine: &dyn Engine, cases: &[&Case]) -> Result<Arc<Program>, String> {
        let wat = guest::module(self.flavor, cases, self.area == Area::Start);
        let wasm = wat::parse_str(wat).map_err(|error| error.to_string())?;
        let program = Program::load(engine, &wasm).map_err(|failure| failure.to_string())?;
        Ok(Arc::new(program))
    }
}

struct Run<'a> {
    case: &'a Case,
    version: AbiVersion,
    program: Arc<Program>,
    number: usize,
    world: Rc<World>,
    /// What is left of the stream, and how many contexts, when everything is over.
    stream: Option<Stream>,
    contexts: usize,
}

impl<'a> Run<'a> {
    fn new(case: &'a Case, group: &Group, program: Arc<Program>, number: usize) -> Self {
        Run {
            case,
            version: group.flavor.version,
            program,
            number,
            world: Rc::new(World::new(&case.given)),
            stream: None,
            contexts: 0,
        }
    }

    fn vm_configuration(&self) -> String {
        format!("{VM_CONFIGURATION}{}", ".".repeat(self.number))
    }

    fn check(mut self) -> Result<(), String> {
        let result = self.drive();
        match (self.case.fails, result) {
            (None, Err(failure)) => return Err(format!("the VM failed: {failure}")),
            (Some(part), Err(failure)) if !failure.to_string().contains(part) => {
                return Err(format!("the VM failed with {failure:?}, not with {part:?}"));
            }
            (Some(part), Ok(())) => return Err(format!("the VM did not fail with {part:?}")),
            _ => {}
        }
        let seen = self.world.seen.take();
        self.check_reports(&seen)?;
        for effect in &self.case.effects {
            self.check_effect(effect, &seen)?;
        }
        Ok(())
    }

    /// Everything that happens to a plugin and a stream.
    fn drive(&mut self) -> Result<(), Failure> {
        let given = &self.case.given;
        let text = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let config = VmConfig {
            vm_id: "my_vm".to_owned(),
            configuration: self.vm_configuration().into_bytes(),
            environment: given.environment.iter().map(text).collect(),
        };
        let vm = Vm::<Stream>::new(&self.program, &Arc::new(config), self.world.clone())?;
        let result = self.drive_vm(&vm);
        self.contexts = vm.context_count();
        result
    }

    fn drive_vm(&mut self, vm: &Vm<Stream>) -> Result<(), Failure> {
        let root = vm.start_plugin(PluginConfig {
            name: "my_plugin".to_owned(),
            root_id: "my_root".to_owned(),
            configuration: PLUGIN_CONFIGURATION.as_bytes().to_vec(),
            ..PluginConfig::default()
        })?;
        let seen = self.world.seen.clone();
        let id = vm.create_stream(root, Stream::new(&self.case.given, seen.clone()))?;
        vm.on_new_connection(id)?;
        vm.on_downstream_data(id, 7, false)?;
        vm.on_upstream_data(id, 6, true)?;
        vm.on_request_headers(id, 4, false)?;
        vm.on_request_metadata(id, 3)?;
        vm.on_request_body(id, 5, false)?;
        vm.on_request_trailers(id, 2)?;
        vm.on_response_headers(id, 1, false)?;
        vm.on_response_body(id, 3, true)?;
        vm.on_response_trailers(id, 1)?;
        vm.on_response_metadata(id, 9)?;
        vm.on_downstream_connection_close(id, PeerType::Remote)?;
        vm.on_upstream_connection_close(id, PeerType::Local)?;
        for callout in self.world.started() {
            callout.answer(vm, self.case.given.unanswered)?;
        }
        vm.deliver()?;
        vm.on_foreign_function(root, 3, b"arguments")?;
        vm.on_log(id)?;
        if let Some(mut stream) = vm.stream(id) {
            // Taken out before the context goes, and with it the stream.
            let bare = Stream::new(&self.case.given, seen);
            self.stream = Some(std::mem::replace(&mut *stream, bare));
        }
        vm.finish(id)?;
        vm.on_tick(root)
    }

    /// Compares what the guest reported with what the script says.
    fn check_reports(&self, seen: &Seen) -> Result<(), String> {
        let mut callback: Option<(Callback, std::slice::Iter<'_, Step>)> = None;
        let mut called = Vec::new();
        let complete = |callback: &mut Option<(Callback, std::slice::Iter<'_, Step>)>| match callback {
            // The call that ends the VM reports nothing.
            Some((of, steps)) if self.case.fails.is_none() => match steps.find(|step| reports(step)) {
                Some(step) => Err(format!("{of} ended before {step:x?}")),
                None => Ok(()),
            },
            _ => Ok(()),
        };
        for report in seen.reports() {
            let mut chars = report.chars();
            let (kind, value) = (chars.next(), chars.as_str());
            let number = u32::from_str_radix(value, 16).unwrap_or(u32::MAX);
            if kind == Some('c') {
                complete(&mut callback)?;
                let now = Callback::ALL
                    .get(number as usize)
                    .ok_or("the guest made no sense")?;
                let script = self.case.script.iter().find(|(of, _)| of == now);
                let (now, steps) = script.ok_or_else(|| format!("{now} was called"))?;
                called.push(*now);
                callback = Some((*now, steps.iter()));
                continue;
            }
            let steps = &mut callback.as_mut().ok_or("a report before a callback")?.1;
            let step = steps
                .find(|step| reports(step))
                .ok_or("more reports than steps")?;
            self.check_report(step, kind, value, number)?;
        }
        complete(&mut callback)?;
        match self.case.script.iter().find(|(of, _)| !called.contains(of)) {
            Some((of, _)) => Err(format!("{of} was not called")),
            None => Ok(()),
        }
    }

    fn check_report(&self, step: &Step, kind: Option<char>, value: &str, number: u32) -> Result<(), String> {
        let bytes = || -> Vec<u8> {
            let digits = value.as_bytes().chunks(2);
            let byte = |pair: &[u8]| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).ok();
            digits.filter_map(byte).collect()
        };
        match (step, kind) {
            (
                Step::Call {
                    function, returns, ..
                },
                Some('s'),
            ) => {
                let expected = returns.unwrap_or(0);
                if number != expected {
                    return Err(format!("{function} returned {number}, not {expected}"));
                }
                if returns.is_some() && !function.answer().allows(self.version, number) {
                    return Err(format!("{function} returned {number}, which is not in the table"));
                }
                Ok(())
            }
            (Step::Param(at, expected), Some('p')) if number != *expected => Err(format!(
                "parameter {at} of the callback was {number}, not {expected}"
            )),
            (Step::Memory(at, expected), Some('m')) if bytes() != *expected => {
                Err(format!("at {at} was {:x?}, not {expected:x?}", bytes()))
            }
            (Step::Out(expected), Some('m')) if bytes() != *expected => Err(format!(
                "what was returned was {:?}, not {:?}",
                String::from_utf8_lossy(&bytes()),
                String::from_utf8_lossy(expected)
            )),
            (Step::OutStarts(expected), Some('m')) if !bytes().starts_with(expected) => Err(format!(
                "what was returned was {:?}, which does not start with {:?}",
                String::from_utf8_lossy(&bytes()),
                String::from_utf8_lossy(expected)
            )),
            (Step::Param(..), Some('p')) => Ok(()),
            (Step::Memory(..) | Step::Out(_) | Step::OutStarts(_), Some('m')) => Ok(()),
            (step, kind) => Err(format!("report {kind:?} for {step:?}")),
        }
    }

    fn check_effect(&self, effect: &Effect, seen: &Seen) -> Result<(), String> {
        let stream = self.stream.as_ref().ok_or("there was no stream");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pairs = |headers: &HeaderMap| -> Vec<(String, String)> {
            headers
                .iter()
                .map(|(name, value)| (text(name), text(value)))
                .collect()
        };
        let owned = |headers: &[(&str, &str)]| -> Vec<(String, String)> {
            headers
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        };
        match effect {
            Effect::Logged(level, message) => same("log", &seen.logged(), &vec![(*level, *message)]),
            Effect::Silent => same("log", &seen.logged(), &vec![]),
            Effect::Headers(map, expected) => {
                let found = stream?.maps.get(&map.as_u32()).map(pairs);
                same(map.name(), &found, &Some(owned(expected)))
            }
            Effect::Buffer(buffer, expected) => {
                let found = stream?.buffers.get(&buffer.as_u32());
                let found = found.map(|body| text(&body.to_bytes()));
                same(buffer.name(), &found, &Some((*expected).to_owned()))
            }
            Effect::Property(path, expected) => {
                let found = stream?.properties.get(path.as_bytes()).map(|value| text(value));
                same(path, &found, &Some((*expected).to_owned()))
            }
            Effect::Untouched => {
                let stream = stream?;
                let fresh = Stream::new(&self.case.given, Default::default());
                let maps = |stream: &Stream| -> Vec<_> { stream.maps.values().map(pairs).collect() };
                same("maps", &maps(stream), &maps(&fresh))?;
                let bodies = |stream: &Stream| -> Vec<_> {
                    stream
                        .buffers
                        .values()
                        .map(|body| text(&body.to_bytes()))
                        .collect()
                };
                same("buffers", &bodies(stream), &bodies(&fresh))?;
                same("properties", &stream.properties, &fresh.properties)?;
                let asked = seen.local.len() + seen.continued.len() + seen.closed.len();
                same("requests to the stream", &asked, &0)?;
                same("cleared routes", &seen.routes_cleared, &0)
            }
            Effect::Local(status, details, body, headers, grpc) => {
                let found: Vec<_> = seen
                    .local
                    .iter()
                    .map(|local| {
                        (
                            local.status,
                            text(&local.details),
                            text(&local.body),
                            pairs(&local.headers),
                            local.grpc_status,
                        )
                    })
                    .collect();
                let expected = (
                    *status,
                    (*details).to_owned(),
                    (*body).to_owned(),
                    owned(headers),
                    *grpc,
                );
                same("local responses", &found, &vec![expected])
            }
            Effect::Continued(expected) => same("continued", &seen.continued, expected),
            Effect::Closed(expected) => same("closed", &seen.closed, expected),
            Effect::RouteCleared => same("cleared routes", &seen.routes_cleared, &1),
            Effect::Ticks(expected) => same("ticks", &seen.ticks, expected),
            Effect::Called(expected) => {
                let found: Vec<&str> = seen.called.iter().map(String::as_str).collect();
                same("callouts", &found, expected)
            }
            Effect::Contexts(expected) => same("contexts", &self.contexts, expected),
        }
    }
}

/// Whether a step reports something.
fn reports(step: &Step) -> bool {
    !matches!(step, Step::Store(..) | Step::Allocator(_) | Step::Return(_))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found:?}, not {expected:?}")),
    }
}

/// What a function returned in a case, for the check that all of the table is produced.
pub(crate) fn produced(group: &Group) -> impl Iterator<Item = (HostFunction, u32)> {
    let calls = group.cases.iter().flat_map(|case| case.calls());
    calls.filter_map(|(function, returns)| Some((function, returns?)))
}
