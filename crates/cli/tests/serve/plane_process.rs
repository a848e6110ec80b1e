//! A control plane that is a process of its own: this program once more, with one test of it, which is the process.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use enginebay::config::proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use prost::Message;

use crate::control_plane::ControlPlane;

/// Where the process finds the port that it is to have. Any, if it is 0.
const PORT: &str = "CONTROL_PLANE_PORT";
const PATIENCE: Duration = Duration::from_secs(60);

/// The process. Dropped, it is killed.
pub(crate) struct PlaneProcess {
    child: Child,
    commands: ChildStdin,
    says: Receiver<String>,
    pub(crate) port: u16,
}

impl PlaneProcess {
    pub(crate) fn start(port: u16) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "plane_process::the_process",
                "--ignored",
                "--nocapture",
            ])
            .env(PORT, port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, says) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut process = PlaneProcess {
            child,
            commands,
            says,
            port,
        };
        process.port = process.hear("port ").parse().unwrap();
        process
    }

    /// The rest of the next line that begins so.
    fn hear(&self, begin: &str) -> String {
        loop {
            let line = self
                .says
                .recv_timeout(PATIENCE)
                .expect("the control plane speaks");
            if let Some(rest) = line.strip_prefix(begin) {
                return rest.to_owned();
            }
        }
    }

    /// The next request.
    pub(crate) fn request(&self) -> DiscoveryRequest {
        let bytes = BASE64_STANDARD.decode(self.hear("request ")).unwrap();
        DiscoveryRequest::decode(bytes.as_slice()).unwrap()
    }

    /// Sends a response, and hears what the server says to it: ACK or NACK.
    pub(crate) fn say(&mut self, response: &DiscoveryResponse) -> DiscoveryRequest {
        let line = BASE64_STANDARD.encode(response.encode_to_vec());
        writeln!(self.commands, "{line}").unwrap();
        let answer = self.request();
        assert_eq!(answer.response_nonce, response.nonce);
        answer
    }
}

impl Drop for PlaneProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says its port and what it is asked, and answers with what it is told to, until nobody tells it anything any more.
#[tokio::test]
#[ignore = "not a test: the process that tests start"]
async fn the_process() {
    let Ok(port) = std::env::var(PORT) else { return };
    let mut plane = ControlPlane::on(port.parse().unwrap()).await;
    let (sender, mut commands) = tokio::sync::mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    // What runs tests has begun a line.
    println!("\nport {}", plane.port);
    let mut stream = None;
    loop {
        tokio::select! {
            opened = plane.next_stream() => stream = Some(opened),
            request = asked(&mut stream) => println!("request {}", BASE64_STANDARD.encode(request.encode_to_vec())),
            command = commands.recv() => {
                let Some(command) = command else { return };
                let bytes = BASE64_STANDARD.decode(command).unwrap();
                let response = DiscoveryResponse::decode(bytes.as_slice()).unwrap();
                stream.as_ref().expect("somebody asked").send(response);
            }
        }
    }
}

async fn asked(stream: &mut Option<crate::control_plane::Stream>) -> DiscoveryRequest {
    let request = match stream {
        Some(open) => open.next_request().await,
        None => None,
    };
    match request {
        Some(request) => request,
        // It has ended, or there was none yet.
        None => std::future::pending().await,
    }
}
