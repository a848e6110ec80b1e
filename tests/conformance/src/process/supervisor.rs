//! The side that looks after the processes.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{FILTER, FROM, HOST, LIST, Listed, MARK, Message};
use crate::candidate::Candidate;
use crate::report::{CaseOutcome, CaseReport, HostReport};

/// How cases are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Patterns of names; a case must match one of them. All cases if there are none.
    pub filter: Vec<String>,
    /// How long one case may take. Default 60 s.
    pub time_limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            filter: Vec::new(),
            time_limit: Duration::from_secs(60),
        }
    }
}

/// Bytes of a worker's standard error that are shown when it ends before its time.
const SHOWN: usize = 2048;

/// Runs the cases of a host in a process of its own: this program, started again. A case that takes too long, or during
/// which the process ends, has failed; the next ones run in a new process.
///
/// `told` hears of each case as it ends, with how many there are.
pub fn run(candidate: &Candidate, options: &Options, mut told: impl FnMut(&CaseReport, usize)) -> HostReport {
    let mut report = HostReport::default();
    let mut state = State {
        next: 0,
        count: None,
        running: None,
    };
    while state.count.is_none_or(|count| state.next < count) {
        let before = state.next;
        let ended = one_process(candidate, options, &mut state, |case, count| {
            told(&case, count);
            report.push(case);
        });
        let Err(why) = ended else { break };
        let (name, seconds) = match state.running.take() {
            Some((name, since)) => {
                state.next += 1;
                (name, since.elapsed().as_secs_f64())
            }
            None => ("host".to_owned(), 0.0),
        };
        let stuck = state.next == before;
        let case = CaseReport {
            outcome: CaseOutcome::of(Err(why), candidate.expects(&name)),
            name,
            seconds,
        };
        told(&case, state.count.unwrap_or(0));
        report.push(case);
        if stuck {
            break;
        }
    }
    report
}

/// Every case there is for a host, in order, without running any. The host is made in a process of its own.
///
/// # Errors
/// The host can't be made, or not in time.
pub fn list(candidate: &Candidate, time_limit: Duration) -> Result<Vec<Listed>, String> {
    let mut worker = Worker::start(candidate, &[(LIST, String::new())])?;
    match worker.messages.recv_timeout(time_limit) {
        Ok(Message::Listed(cases)) => Ok(cases),
        Ok(Message::Broken(why)) => Err(why),
        Ok(_) => Err("the process does not know how to list the cases".to_owned()),
        Err(RecvTimeoutError::Timeout) => Err(late(time_limit)),
        Err(RecvTimeoutError::Disconnected) => {
            let (status, errors) = worker.end()?;
            Err(gone(status, &errors))
        }
    }
}

/// How far the cases of a host are.
struct State {
    /// The number of the next case.
    next: usize,
    /// How many there are, once that is known.
    count: Option<usize>,
    /// The case that runs, and since when.
    running: Option<(String, Instant)>,
}

/// Runs cases in one process, until all are done or it ends.
fn one_process(
    candidate: &Candidate,
    options: &Options,
    state: &mut State,
    mut ended: impl FnMut(CaseReport, usize),
) -> Result<(), String> {
    let what = [
        (FROM, state.next.to_string()),
        (FILTER, options.filter.join("\n")),
    ];
    let mut worker = Worker::start(candidate, &what)?;
    loop {
        // Making the host, and a list of all cases, takes its time too.
        let message = worker.messages.recv_timeout(options.time_limit);
        match message {
            Ok(Message::Cases(count)) => state.count = Some(count),
            Ok(Message::Begin(number, name)) => {
                state.next = number;
                state.running = Some((name, Instant::now()));
            }
            Ok(Message::End(case)) => {
                state.next += 1;
                state.running = None;
                ended(case, state.count.unwrap_or(0));
            }
            Ok(Message::Broken(why)) => return Err(why),
            // It was not asked for that.
            Ok(Message::Listed(_)) => {}
            Err(RecvTimeoutError::Timeout) => return Err(late(options.time_limit)),
            Err(RecvTimeoutError::Disconnected) => {
                let (status, errors) = worker.end()?;
                return match status.success() {
                    true if state.count.is_some_and(|count| state.next >= count) => Ok(()),
                    _ => Err(gone(status, &errors)),
                };
            }
        }
    }
}

fn late(limit: Duration) -> String {
    format!("took more than {} s", limit.as_secs_f64())
}

fn gone(status: ExitStatus, errors: &str) -> String {
    format!("the process ended: {status}{errors}")
}

/// A process that runs cases.
struct Worker {
    child: Child,
    messages: Receiver<Message>,
    errors: Option<JoinHandle<Vec<u8>>>,
}

impl Worker {
    fn start(candidate: &Candidate, what: &[(&str, String)]) -> Result<Self, String> {
        let cannot = |error: std::io::Error| format!("can't start a process for the cases: {error}");
        let mut child = Command::new(std::env::current_exe().map_err(cannot)?)
            .env(HOST, candidate.name())
            .envs(what.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(cannot)?;
        let (send, messages) = mpsc::channel();
        if let Some(out) = child.stdout.take() {
            std::thread::spawn(move || {
                let lines = BufReader::new(out).split(b'\n').map_while(Result::ok);
                for line in lines {
                    let line = String::from_utf8_lossy(&line);
                    let message = line
                        .strip_prefix(MARK)
                        .and_then(|json| serde_json::from_str(json).ok());
                    if message.is_some_and(|message| send.send(message).is_err()) {
                        break;
                    }
                }
            });
        }
        let errors = child
            .stderr
            .take()
            .map(|errors| std::thread::spawn(move || last_of(errors)));
        Ok(Worker {
            child,
            messages,
            errors,
        })
    }

    /// What became of a process that says nothing more, and what it said last.
    fn end(&mut self) -> Result<(ExitStatus, String), String> {
        let status = self.child.wait().map_err(|error| error.to_string())?;
        let errors = self
            .errors
            .take()
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default();
        let errors = String::from_utf8_lossy(&errors);
        let errors = errors.trim();
        Ok((
            status,
            if errors.is_empty() {
                String::new()
            } else {
                format!("\n{errors}")
            },
        ))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The last bytes of what can be read.
fn last_of(mut from: impl Read) -> Vec<u8> {
    let mut last = Vec::new();
    let mut buffer = [0; SHOWN];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        last.extend_from_slice(&buffer[..count]);
        let surplus = last.len().saturating_sub(SHOWN);
        last.drain(..surplus);
    }
    last
}
