//! An HTTP server that answers as it is told, byte by byte.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

/// A request, as far as tests look at it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    head: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// A piece of an answer.
#[derive(Clone)]
pub(crate) enum Piece {
    Send(Vec<u8>),
    Wait(Duration),
    /// This again and again, until the other side has enough.
    Endless(Vec<u8>),
    /// One byte each time.
    Trickle(Duration),
    /// The connection is reset.
    Reset,
}

/// A whole answer.
pub(crate) type Answer = Vec<Piece>;

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head = head(status, headers);
    head.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    head.extend_from_slice(body);
    vec![Piece::Send(head)]
}

pub(crate) fn ok(body: &[u8]) -> Answer {
    answer(200, &[], body)
}

/// The lines before the empty one.
pub(crate) fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.into_bytes()
}

/// A head with these lines, and then this.
pub(crate) fn raw(lines: &str, pieces: Vec<Piece>) -> Answer {
    let mut head = head(200, &[]);
    head.extend_from_slice(lines.as_bytes());
    head.extend_from_slice(b"\r\n");
    [vec![Piece::Send(head)], pieces].concat()
}

/// What the server saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) asked: RefCell<Vec<Asked>>,
    /// Bytes of bodies that are endless.
    pub(crate) written: RefCell<u64>,
    /// Connections that are open.
    pub(crate) open: RefCell<usize>,
}

impl Seen {
    pub(crate) fn count(&self) -> usize {
        self.asked.borrow().len()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.asked
            .borrow()
            .iter()
            .map(|asked| asked.path.clone())
            .collect()
    }
}

/// Starts a server on the current thread. The number is that of the request, from 0.
pub(crate) async fn serve(answers: impl Fn(&Asked, usize) -> Answer + 'static) -> (SocketAddr, Rc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Rc::new(Seen::default());
    let (answers, told) = (Rc::new(answers), seen.clone());
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answers, seen) = (answers.clone(), told.clone());
            spawn_local(async move {
                *seen.open.borrow_mut() += 1;
                // The other side may go away at any time.
                let _ = connection(stream, &*answers, &seen).await;
                *seen.open.borrow_mut() -= 1;
            });
        }
    });
    (address, seen)
}

async fn connection(
    mut stream: TcpStream,
    answers: &dyn Fn(&Asked, usize) -> Answer,
    seen: &Seen,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await?;
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut first = head.split(' ');
    let asked = Asked {
        method: first.next().unwrap_or_default().to_owned(),
        path: first.next().unwrap_or_default().to_owned(),
        head: head.clone(),
    };
    let number = seen.count();
    seen.asked.borrow_mut().push(asked.clone());
    for piece in answers(&asked, number) {
        match piece {
            Piece::Send(bytes) => stream.write_all(&bytes).await?,
            Piece::Wait(time) => tokio::select! {
                () = tokio::time::sleep(time) => {}
                // The other side is gone.
                _ = stream.read_u8() => return Ok(()),
            },
            Piece::Endless(bytes) => loop {
                stream.write_all(&bytes).await?;
                *seen.written.borrow_mut() += bytes.len() as u64;
            },
            Piece::Trickle(time) => loop {
                stream.write_all(b"x").await?;
                tokio::time::sleep(time).await;
            },
            Piece::Reset => {
                // What was sent before must have arrived.
                tokio::time::sleep(Duration::from_millis(20)).await;
                stream.set_zero_linger()?;
                return Ok(());
            }
        }
    }
    stream.shutdown().await
}
