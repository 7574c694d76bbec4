//! What receivers do with a connection, in small pieces.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::case::{Act, act};

/// Slow enough never to come to an end, quick enough for many steps within a timeout.
const DRIP: Duration = Duration::from_millis(50);

/// Reads a request to its end. False: there is none, or it broke off.
pub(super) async fn request<S: AsyncRead + Unpin>(socket: &mut S) -> bool {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        let Ok(byte) = socket.read_u8().await else { return false };
        read.push(byte);
    }
    let head = String::from_utf8_lossy(&read).to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or_default()];
    socket.read_exact(&mut body).await.is_ok()
}

/// Waits until the host hangs up.
pub(super) async fn until_hung_up<S: AsyncRead + Unpin>(socket: &mut S) {
    let mut scratch = [0; 4096];
    while socket.read(&mut scratch).await.is_ok_and(|read| read > 0) {}
}

/// Until the host hangs up, without reading: a write tells.
async fn until_refused(socket: &TcpStream) {
    // Readable as well while data waits, so only the error counts.
    let _ = socket.ready(tokio::io::Interest::ERROR).await;
}

/// Sends this and then nothing more: the host's own patience has to end it.
pub(super) fn stops_after(bytes: impl Into<Vec<u8>>) -> Act {
    let bytes = bytes.into();
    act(move |mut socket| {
        let bytes = bytes.clone();
        async move {
            if request(&mut socket).await {
                let _ = socket.write_all(&bytes).await;
                until_hung_up(&mut socket).await;
            }
        }
    })
}

/// Answers every request of a connection with these bytes.
pub(super) fn answers(bytes: impl Into<Vec<u8>>) -> Act {
    let bytes = bytes.into();
    act(move |mut socket| {
        let bytes = bytes.clone();
        async move { while request(&mut socket).await && socket.write_all(&bytes).await.is_ok() {} }
    })
}

/// Sends these bytes and hangs up.
pub(super) fn answers_and_closes(bytes: impl Into<Vec<u8>>) -> Act {
    let bytes = bytes.into();
    act(move |mut socket| {
        let bytes = bytes.clone();
        async move {
            if request(&mut socket).await {
                let _ = socket.write_all(&bytes).await;
                let _ = socket.shutdown().await;
                until_hung_up(&mut socket).await;
            }
        }
    })
}

/// Sends these bytes and resets the connection.
pub(super) fn answers_and_resets(bytes: impl Into<Vec<u8>>) -> Act {
    let bytes = bytes.into();
    act(move |mut socket| {
        let bytes = bytes.clone();
        async move {
            if request(&mut socket).await {
                let _ = socket.write_all(&bytes).await;
                reset(socket);
            }
        }
    })
}

/// Sends `first`, and then `again` as long as the host listens.
pub(super) fn endless(first: impl Into<Vec<u8>>, again: impl Into<Vec<u8>>) -> Act {
    let (first, again) = (first.into(), again.into());
    act(move |mut socket| {
        let (first, again) = (first.clone(), again.clone());
        async move {
            if request(&mut socket).await && socket.write_all(&first).await.is_ok() {
                while socket.write_all(&again).await.is_ok() {}
            }
        }
    })
}

/// Sends `first`, and then one byte every so often.
pub(super) fn drips(first: &'static str, bytes: &'static str) -> Act {
    act(move |mut socket| async move {
        if !request(&mut socket).await || socket.write_all(first.as_bytes()).await.is_err() {
            return;
        }
        for byte in bytes.bytes().cycle() {
            if socket.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(DRIP).await;
        }
    })
}

/// Answers before it has read a body, and never reads it.
pub(super) fn answers_unread(bytes: &'static str) -> Act {
    act(move |mut socket| async move {
        let _ = socket.read_u8().await;
        let _ = socket.write_all(bytes.as_bytes()).await;
        until_refused(&socket).await;
    })
}

/// Takes the connection and neither reads nor writes.
pub(super) fn reads_nothing() -> Act {
    act(|socket| async move { until_refused(&socket).await })
}

/// Resets the connection in the middle of the body that is being sent.
pub(super) fn resets_unread() -> Act {
    act(|mut socket| async move {
        let _ = socket.read_exact(&mut [0; 1024]).await;
        reset(socket);
    })
}

pub(super) fn closes_at_once() -> Act {
    act(|socket| async move { drop(socket) })
}

/// Reads the request and hangs up in order.
pub(super) fn says_nothing_and_closes() -> Act {
    answers_and_closes("")
}

/// Unread bytes or not: the peer learns that nobody is there.
fn reset(socket: TcpStream) {
    let _ = socket.set_zero_linger();
    drop(socket);
}

/// Reads a request and answers, over whatever stream.
pub(super) async fn answer_on<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S, bytes: &[u8]) {
    if request(socket).await {
        let _ = socket.write_all(bytes).await;
        let _ = socket.flush().await;
    }
}
