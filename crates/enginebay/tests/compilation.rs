//! Compiled code that is kept, and code that gets better, with a made-up engine that says what it was asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use enginebay::engine::{
    Capabilities, Compiler, Engine, Error, ErrorKind, ExportId, Host, Instance, LoadRequest, Module,
    ModuleInfo, ResolvedLimits, Runtime,
};
use enginebay::{Compilation, EngineOptions, Engines, Registry};

const NAME: &str = "example.runtime.compiling";
/// Code that the quick compiler doesn't know.
const TOO_NEW: &[u8] = b"\0asm\x01\0\0\0\x00\x04\x03new";
const CODE: &[u8] = b"\0asm\x01\0\0\0";

/// What one test's engines were asked for. Tests run in threads of one process, so each has its own, by version.
#[derive(Default)]
struct Asked {
    compiled: usize,
    precompiled: usize,
    deserialized: usize,
    quick: usize,
    /// What the usual compiler waits for before it begins.
    gate: Option<Receiver<()>>,
}

type Shared = Arc<Mutex<Asked>>;

struct Fake {
    compiler: Compiler,
    asked: Shared,
}

/// A module that can't be made an instance of: the error says who compiled it.
struct FakeModule(&'static str);

impl Module for FakeModule {
    fn has_export(&self, _: ExportId) -> bool {
        false
    }

    fn instantiate(&self, _: Rc<dyn Host>) -> Result<Box<dyn Instance>, Error> {
        Err(Error::new(ErrorKind::Instantiate, self.0))
    }
}

impl Engine for Fake {
    fn limits(&self) -> &ResolvedLimits {
        static LIMITS: OnceLock<ResolvedLimits> = OnceLock::new();
        LIMITS.get_or_init(ResolvedLimits::default)
    }

    fn compile(&self, request: &LoadRequest<'_>, _: &ModuleInfo) -> Result<Arc<dyn Module>, Error> {
        if self.compiler == Compiler::Baseline {
            if request.code == TOO_NEW {
                return Err(Error::new(ErrorKind::Compile, "what is that?"));
            }
            self.asked.lock().unwrap().quick += 1;
            return Ok(Arc::new(FakeModule("quick")));
        }
        self.wait();
        self.asked.lock().unwrap().compiled += 1;
        Ok(Arc::new(FakeModule("compiled")))
    }

    fn precompiled_key(&self) -> Option<String> {
        Some(format!("fake {:?}", self.compiler))
    }

    fn precompile(&self, code: &[u8], _: &ModuleInfo) -> Result<Vec<u8>, Error> {
        self.wait();
        self.asked.lock().unwrap().precompiled += 1;
        Ok([b"compiled:", code].concat())
    }

    fn deserialize(
        &self,
        precompiled: &[u8],
        request: &LoadRequest<'_>,
        _: &ModuleInfo,
    ) -> Result<Arc<dyn Module>, Error> {
        assert_eq!(precompiled, [b"compiled:", request.code].concat());
        self.asked.lock().unwrap().deserialized += 1;
        Ok(Arc::new(FakeModule("deserialized")))
    }
}

impl Fake {
    fn wait(&self) {
        let gate = self.asked.lock().unwrap().gate.take();
        if let Some(gate) = gate {
            gate.recv().unwrap();
        }
    }
}

thread_local! {
    /// Where the engines that this test's thread makes write.
    static ASKED: Shared = Shared::default();
}

fn registry() -> Registry {
    let mut registry = Registry::empty();
    let runtime = Runtime {
        name: NAME,
        aliases: &[],
        engine: "fake 1.0",
        capabilities: Capabilities::WASM
            .with_precompiled(true)
            .with_baseline_compiler(true),
        factory: |options, _| {
            Ok(Arc::new(Fake {
                compiler: options.compiler,
                asked: ASKED.with(Arc::clone),
            }))
        },
    };
    registry.register(runtime).unwrap();
    registry
}

fn engine(compilation: &Compilation) -> Arc<dyn Engine> {
    let engines = Engines::with(registry(), EngineOptions::default());
    engines.with_compilation(compilation).unwrap().get(NAME).unwrap()
}

fn kept_in(directory: &Path) -> Compilation {
    let mut compilation = Compilation::default();
    compilation.directory = Some(directory.to_owned());
    compilation
}

fn baseline_first() -> Compilation {
    let mut compilation = Compilation::default();
    compilation.baseline_first = true;
    compilation.better_after = Duration::ZERO;
    compilation
}

fn load(engine: &Arc<dyn Engine>, code: &[u8]) -> Arc<dyn Module> {
    engine.load(&LoadRequest::new(code, &[], &[])).unwrap()
}

/// Compiled, precompiled, deserialized, quick.
fn asked() -> [usize; 4] {
    ASKED.with(|asked| {
        let asked = asked.lock().unwrap();
        [asked.compiled, asked.precompiled, asked.deserialized, asked.quick]
    })
}

/// Has the usual compiler wait until something is sent.
fn gate() -> Sender<()> {
    let (open, gate) = channel();
    ASKED.with(|asked| asked.lock().unwrap().gate = Some(gate));
    open
}

struct NoHost;

impl Host for NoHost {
    fn call(
        &self,
        _: usize,
        _: &mut dyn enginebay::engine::Guest,
        _: &[u64],
    ) -> Result<u64, enginebay::engine::HostError> {
        Ok(0)
    }
}

fn runs(module: &Arc<dyn Module>) -> String {
    module.instantiate(Rc::new(NoHost)).err().unwrap().to_string()
}

fn until_better(module: &Arc<dyn Module>) {
    let end = Instant::now() + Duration::from_secs(60);
    while module.generation() == 0 {
        assert!(Instant::now() < end, "the better code does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

#[test]
fn without_options_a_module_is_compiled() {
    let engine = engine(&Compilation::default());
    assert_eq!(runs(&load(&engine, CODE)), "compiled");
    assert_eq!(asked(), [1, 0, 0, 0]);
}

#[test]
fn what_was_compiled_once_is_not_compiled_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/when/needed");
    assert_eq!(runs(&load(&engine(&kept_in(&path)), CODE)), "deserialized");
    assert_eq!(asked(), [0, 1, 1, 0]);
    for _ in 0..2 {
        load(&engine(&kept_in(&path)), CODE);
    }
    assert_eq!(asked(), [0, 1, 3, 0]);
    // Other code has a file of its own.
    load(&engine(&kept_in(&path)), TOO_NEW);
    assert_eq!(asked(), [0, 2, 4, 0]);
    assert_eq!(files(&path).len(), 2);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert!(files(&path).iter().all(|file| mode(file) == 0o600));
}

#[test]
fn what_is_damaged_is_compiled_again() {
    let directory = tempfile::tempdir().unwrap();
    let kept = kept_in(directory.path());
    load(&engine(&kept), CODE);
    let file = files(directory.path()).remove(0);
    let good = fs::read(&file).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (count, bad) in [&flipped[..], &good[..good.len() - 1], &good[..31], b""]
        .into_iter()
        .enumerate()
    {
        fs::write(&file, bad).unwrap();
        assert_eq!(runs(&load(&engine(&kept), CODE)), "deserialized");
        assert_eq!(asked()[1], 2 + count);
        assert_eq!(fs::read(&file).unwrap(), good);
    }
}

#[test]
fn a_directory_has_a_limit() {
    let directory = tempfile::tempdir().unwrap();
    let mut kept = kept_in(directory.path());
    load(&engine(&kept), CODE);
    let size = fs::metadata(&files(directory.path())[0]).unwrap().len();
    // Room for the second, once the first has gone.
    kept.directory_bytes = size + 10;
    load(&engine(&kept), TOO_NEW);
    assert_eq!(files(directory.path()).len(), 1);
    load(&engine(&kept), CODE);
    assert_eq!(asked()[1], 3);
    // One that is too large is compiled each time.
    kept.directory_bytes = 1 << 20;
    kept.module_bytes = 1;
    load(&engine(&kept), CODE);
    load(&engine(&kept), CODE);
    assert_eq!(asked()[1], 5);
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for mode in [0o777, 0o720, 0o702] {
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        let engines = Engines::with(registry(), EngineOptions::default());
        let error = engines
            .with_compilation(&kept_in(directory.path()))
            .err()
            .unwrap();
        let start = format!(
            "{}: others can write to this directory",
            directory.path().display()
        );
        assert!(error.to_string().starts_with(&start), "{error}");
    }
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    load(&engine(&kept_in(directory.path())), CODE);
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    // Only root can give something away.
    if std::os::unix::fs::chown(directory.path(), Some(12345), None).is_err() {
        return;
    }
    let engines = Engines::with(registry(), EngineOptions::default());
    let refused = engines.with_compilation(&kept_in(directory.path()));
    let expected = format!(
        "{}: this directory belongs to somebody else",
        directory.path().display()
    );
    let error = refused.err().unwrap().to_string();
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn what_can_not_be_kept_is_used_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(
        runs(&load(&engine(&kept_in(&file.join("below"))), CODE)),
        "deserialized"
    );
}

#[test]
fn quick_code_is_there_until_better_code_is() {
    let engine = engine(&baseline_first());
    let open = gate();
    let module = load(&engine, CODE);
    assert_eq!((runs(&module), module.generation()), ("quick".to_owned(), 0));
    open.send(()).unwrap();
    until_better(&module);
    assert_eq!(runs(&module), "compiled");
    assert_eq!(asked(), [1, 0, 0, 1]);
}

#[test]
fn better_code_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = baseline_first();
    options.directory = Some(directory.path().to_owned());
    let module = load(&engine(&options), CODE);
    until_better(&module);
    assert_eq!(runs(&module), "deserialized");
    let again = load(&engine(&options), CODE);
    assert_eq!((runs(&again), again.generation()), ("deserialized".to_owned(), 0));
    assert_eq!(asked(), [0, 1, 2, 1]);
}

#[test]
fn what_the_quick_compiler_does_not_know_waits() {
    let module = load(&engine(&baseline_first()), TOO_NEW);
    assert_eq!((runs(&module), module.generation()), ("compiled".to_owned(), 0));
    assert_eq!(asked(), [1, 0, 0, 0]);
}

#[test]
fn whoever_asks_for_the_quick_compiler_gets_nothing_else() {
    let mut options = EngineOptions::default();
    options.compiler = Compiler::Baseline;
    let engines = Engines::with(registry(), options);
    let engines = engines.with_compilation(&baseline_first()).unwrap();
    let module = load(&engines.get(NAME).unwrap(), CODE);
    assert_eq!(runs(&module), "quick");
    assert_eq!(asked(), [0, 0, 0, 1]);
}
