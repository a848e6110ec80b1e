//! One server as a process: Envoy or enginebay, which are asked in the same way.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// Long enough for a busy machine; only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a server is started.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub path: PathBuf,
    /// What goes before `-c`, such as `serve`.
    pub first: Vec<String>,
    /// What else is passed.
    pub more: Vec<String>,
    /// What stands before the program: the processor it is kept on.
    pub wrapper: Vec<String>,
}

/// A running server.
pub(super) struct Server {
    child: Child,
    _folder: TempDir,
    /// Where it answers.
    pub address: SocketAddr,
    /// From its start to its first answer.
    pub ready: Duration,
}

/// An answer to a request.
pub(super) struct Answer {
    pub head: String,
    pub body: String,
}

impl Server {
    /// Starts it with this configuration and waits for its first answer.
    pub(super) fn start(program: &Program, config: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (file, admin, log) = (
            folder.path().join("server.yaml"),
            folder.path().join("admin"),
            folder.path().join("log"),
        );
        fs::write(&file, config)?;
        let mut words = program
            .wrapper
            .iter()
            .map(Path::new)
            .chain([program.path.as_path()]);
        let mut command = Command::new(words.next().unwrap_or(&program.path));
        command
            .args(words)
            .args(&program.first)
            .arg("-c")
            .arg(&file)
            .arg("--admin-address-path")
            .arg(&admin)
            .args(["--concurrency", "1"])
            .args(&program.more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        let started = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", program.path.display()))?;
        let mut server = Server {
            child,
            _folder: folder,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            ready: Duration::ZERO,
        };
        loop {
            if let Some(address) = listener(&admin) {
                server.address = address;
                if server.get().is_ok() {
                    server.ready = started.elapsed();
                    return Ok(server);
                }
            }
            let log = || String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
            if let Some(status) = server.child.try_wait()? {
                bail!("{} ended ({status}):\n{}", program.path.display(), log());
            }
            if started.elapsed() > PATIENCE {
                bail!("{} does not get ready:\n{}", program.path.display(), log());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// One request, as a client makes it.
    pub(super) fn get(&self) -> Result<Answer> {
        get(self.address, "/")
    }

    /// Resident memory in KiB.
    pub(super) fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok())
            .context("no VmRSS")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address of the one listener, once the server is ready to say it.
fn listener(admin: &Path) -> Option<SocketAddr> {
    let admin: SocketAddr = fs::read_to_string(admin).ok()?.trim().parse().ok()?;
    get(admin, "/ready").ok()?;
    let listeners = get(admin, "/listeners").ok()?.body;
    let line = listeners.lines().find_map(|line| line.strip_prefix("main::"))?;
    line.trim().parse().ok()
}

fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )?;
    // Not to the end of the connection: Envoy closes it a second later.
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    let (head, body) = loop {
        let count = stream.read(&mut buffer)?;
        bytes.extend_from_slice(&buffer[..count]);
        if let Some(answer) = whole(&String::from_utf8_lossy(&bytes)) {
            break answer;
        }
        if count == 0 {
            bail!("{path}: half an answer");
        }
    };
    if !head.starts_with("http/1.1 200") {
        bail!("{path}: {head}");
    }
    Ok(Answer { head, body })
}

/// The head in lower case, and the body, once all of it is there.
fn whole(text: &str) -> Option<(String, String)> {
    let (head, mut rest) = text.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    if let Some(length) = head.lines().find_map(|line| line.strip_prefix("content-length:")) {
        let body = rest.get(..length.trim().parse().ok()?)?;
        return Some((head.clone(), body.to_owned()));
    }
    let mut body = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        body.push_str(after.get(..size)?);
        rest = after.get(size..)?.strip_prefix("\r\n")?;
        if size == 0 {
            return Some((head, body));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let (head, body) = whole(plain).unwrap();
        assert!(head.starts_with("http/1.1 200 ok\r\n"));
        assert_eq!(body, "ok");
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(whole(chunked).unwrap().1, "abc");
        for text in [plain, chunked] {
            assert_eq!(whole(&text[..text.len() - 1]), None);
        }
    }
}
