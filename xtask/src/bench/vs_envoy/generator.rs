//! A client for machines without `wrk`: connections that each have one request under way, looked at in turn by one thread.
//!
//! It waits for nothing: it has a processor to itself.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::load::Seen;

/// Keep connections to a server busy, and print what was seen as JSON. For `bench --vs-envoy` on machines without wrk.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the server listens.
    address: SocketAddr,
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// For how long.
    #[arg(long, default_value_t = 1000)]
    millis: u64,
}

/// Makes the load.
///
/// # Errors
///
/// The server can't be reached, or answers with what is not HTTP.
pub fn run(args: &Args) -> Result<()> {
    let seen = load(args.address, args.connections, Duration::from_millis(args.millis))?;
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}

/// A head longer than that is none of the servers measured.
const MOST: usize = 64 << 10;

struct Connection {
    stream: TcpStream,
    sent: Instant,
    /// The part of an answer that is there.
    answer: Vec<u8>,
}

fn load(address: SocketAddr, connections: usize, time: Duration) -> Result<Seen> {
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let started = Instant::now();
    let mut all = Vec::new();
    for _ in 0..connections {
        let mut stream = TcpStream::connect(address).context("the server can't be reached")?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        stream.write_all(request.as_bytes())?;
        all.push(Connection {
            stream,
            sent: Instant::now(),
            answer: Vec::new(),
        });
    }
    let mut times = Vec::new();
    let mut failures = 0;
    let mut buffer = vec![0; MOST];
    while started.elapsed() < time {
        for connection in &mut all {
            let count = match connection.stream.read(&mut buffer) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            };
            connection.answer.extend_from_slice(&buffer[..count]);
            let Some(good) = answered(&connection.answer)? else {
                continue;
            };
            failures += u64::from(!good);
            times.push(connection.sent.elapsed());
            connection.answer.clear();
            connection.sent = Instant::now();
            connection.stream.write_all(request.as_bytes())?;
        }
    }
    let took = started.elapsed();
    times.sort_unstable();
    let at = |share: f64| {
        let index = (times.len() as f64 * share) as usize;
        times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    Ok(Seen {
        requests: times.len() as u64,
        failures,
        per_second: times.len() as f64 / took.as_secs_f64(),
        p50: at(0.5),
        p99: at(0.99),
    })
}

/// Whether the whole answer is there, and is a 200.
fn answered(bytes: &[u8]) -> Result<Option<bool>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        if bytes.len() > MOST {
            bail!("the head of an answer has no end");
        }
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|length| length.trim().parse::<usize>().ok())
        .context("an answer without a content-length")?;
    Ok((bytes.len() >= end + 4 + length).then(|| head.starts_with("http/1.1 200")))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(answered(answer).unwrap(), Some(true));
        assert_eq!(answered(&answer[..answer.len() - 1]).unwrap(), None);
        assert_eq!(answered(&answer[..20]).unwrap(), None);
        let refused = b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(answered(refused).unwrap(), Some(false));
        assert!(answered(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn answers_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Ends when the client closes its connection.
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut buffer, mut count) = ([0; 1024], 0);
            while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                count += 1;
                if stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .is_err()
                {
                    break;
                }
            }
            count
        });
        let seen = load(address, 1, Duration::from_millis(50)).unwrap();
        let served: u64 = server.join().unwrap();
        assert_eq!(seen.failures, 0);
        assert!(
            seen.requests <= served && served <= seen.requests + 1,
            "{seen:?}, {served}"
        );
    }
}
