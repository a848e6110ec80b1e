//! The server as a process.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Long enough for a busy machine; only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that the server's threads do.
pub(crate) async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(started.elapsed() < PATIENCE, "never {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
}

/// How a server ended that was not to start.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

impl Ended {
    /// The lines that are not log messages.
    pub(crate) fn errors(&self) -> Vec<&str> {
        self.stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect()
    }
}

fn command(folder: &TempDir, config: &str, args: &[&str]) -> Command {
    let file = folder.path().join("server.yaml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_enginebay"));
    command
        .args(["serve", "-c", "server.yaml", "--admin-address-path", "admin"])
        .args(args)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(folder.path().join("log")).unwrap());
    if !args.contains(&"--concurrency") {
        command.args(["--concurrency", "2"]);
    }
    command
}

/// Runs a server that can't start, to its end.
pub(crate) fn refused(config: &str) -> Ended {
    refused_with(config, &[])
}

/// Likewise, with these options.
pub(crate) fn refused_with(config: &str, args: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let status = wait(&mut command(&folder, config, args).spawn().unwrap());
    Ended {
        code: status.code(),
        stderr: fs::read_to_string(folder.path().join("log")).unwrap(),
    }
}

fn wait(child: &mut Child) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if started.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("the server does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Server {
    pub(crate) fn start(config: &str) -> Self {
        Server::start_with(config, &[])
    }

    pub(crate) fn start_with(config: &str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = command(&folder, config, args).spawn().unwrap();
        let nowhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut server = Server {
            child,
            folder,
            address: nowhere,
            admin: nowhere,
        };
        let started = Instant::now();
        while !server.look() {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("the server ended ({status}):\n{}", server.log());
            }
            assert!(started.elapsed() < PATIENCE, "not ready:\n{}", server.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// Whether it is ready; learns its addresses.
    fn look(&mut self) -> bool {
        let Ok(admin) = fs::read_to_string(self.folder.path().join("admin")) else {
            return false;
        };
        let Ok(admin) = admin.parse() else { return false };
        self.admin = admin;
        if !matches!(self.try_admin("/ready"), Some((200, _))) {
            return false;
        }
        let (_, listeners) = self.admin("/listeners");
        let first = listeners.lines().next().unwrap();
        let (_, address) = first.split_once("::").unwrap();
        self.address = address.parse().unwrap();
        true
    }

    /// The address of a listener, of which [`Server::address`] is the first one's.
    pub(crate) fn at(&self, listener: &str) -> SocketAddr {
        let (_, listeners) = self.admin("/listeners");
        let named = |line: &str| line.strip_prefix(listener)?.strip_prefix("::")?.parse().ok();
        let address = listeners.lines().find_map(named);
        address.unwrap_or_else(|| panic!("no {listener} in\n{listeners}"))
    }

    /// An answer of the admin interface: status and body.
    pub(crate) fn admin(&self, path: &str) -> (u16, String) {
        self.try_admin(path).expect("the admin interface answers")
    }

    fn try_admin(&self, path: &str) -> Option<(u16, String)> {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(self.admin).ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n"
        )
        .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    /// One number of `/stats`.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        let (_, text) = self.admin("/stats");
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .unwrap_or_else(|| panic!("no {name} in\n{text}"))
            .parse()
            .unwrap()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.admin("/ready") == (200, "LIVE\n".to_owned())
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The log, once it has this in it: the server's own threads write it.
    pub(crate) async fn log_with(&self, part: &str) -> String {
        until(part, || self.log().contains(part)).await;
        self.log()
    }

    /// Nothing went wrong, and plugins called no function that is not there.
    #[track_caller]
    pub(crate) fn has_no_complaints(&self) {
        let log = self.log();
        let complaint = log
            .lines()
            .find(|line| line.contains("[warning]") || line.contains("[error]"));
        assert_eq!(complaint, None);
    }

    /// Resident memory, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Asks it to read its configuration again.
    pub(crate) fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Puts another configuration in the place of its own, as one should: by a move.
    pub(crate) fn set_config(&self, config: &str) {
        let new = self.folder.path().join("new.yaml");
        fs::write(&new, config).unwrap();
        fs::rename(new, self.folder.path().join("server.yaml")).unwrap();
    }

    /// Serves another configuration, or refuses it.
    pub(crate) async fn change_to(&self, config: &str) -> Result<(), ()> {
        const SERVED: &str = "the new configuration is served";
        const REFUSED: &str = "refused; the old configuration stays";
        let count = |log: &str| (log.matches(SERVED).count(), log.matches(REFUSED).count());
        let before = count(&self.log());
        self.set_config(config);
        self.hang_up();
        until("read again", || count(&self.log()) != before).await;
        match count(&self.log()).0 > before.0 {
            true => Ok(()),
            false => Err(()),
        }
    }

    pub(crate) fn ended(&mut self) -> Option<i32> {
        wait(&mut self.child).code()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
