use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const SLOW: &[u8] = b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n";

/// A server with one route that answers at once and one that waits for `gate`.
struct Server {
    address: std::net::SocketAddr,
    entered: Arc<Notify>,
    gate: Arc<Notify>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(change: impl FnOnce(&mut ServeLimits)) -> Self {
        let mut limits = ServeLimits {
            max_connections: NonZeroUsize::new(10).expect("not zero"),
            head_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
        };
        change(&mut limits);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let (entered, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (enter, open) = (Arc::clone(&entered), Arc::clone(&gate));
        let slow = get(async move || {
            enter.notify_one();
            open.notified().await;
            "slow"
        });
        let router = Router::new().route("/", get(async || "quick")).route("/slow", slow);
        let stop = CancellationToken::new();
        let task = tasks::spawn("test-server", OnPanic::Log, serve("test", listener, router, limits, stop.clone()));
        Self { address, entered, gate, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpSocket::new_v4().expect("a socket").connect(self.address).await.expect("connects")
    }

    async fn ended(self) {
        self.task.await.expect("did not panic");
    }
}

/// Reads one answer with a `content-length` of less than ten.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    loop {
        let byte = stream.read_u8().await.expect("more of the answer");
        text.push(char::from(byte));
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.get(..1));
            if length.is_some_and(|length| length.parse() == Ok(body.len())) {
                return text;
            }
        }
    }
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0; 64]).await, Ok(0) | Err(_))
}

#[tokio::test]
async fn a_head_that_does_not_come_is_cut() {
    let server = Server::start(|limits| limits.head_timeout = Duration::from_millis(30)).await;
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nhost:").await.expect("connected");
    assert!(is_closed(&mut silent).await && is_closed(&mut slow).await);
}

#[tokio::test]
async fn a_connection_may_be_used_again_but_not_idle_forever() {
    let server = Server::start(|limits| limits.head_timeout = Duration::from_millis(30)).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        stream.write_all(GET).await.expect("connected");
        assert!(answer(&mut stream).await.ends_with("quick"));
    }
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn one_too_many_waits_until_another_ends() {
    let server = Server::start(|limits| limits.max_connections = NonZeroUsize::MIN).await;
    let mut first = server.connect().await;
    first.write_all(SLOW).await.expect("connected");
    server.entered.notified().await;

    let mut second = server.connect().await;
    second.write_all(GET).await.expect("waits in the backlog");
    let early = tokio::time::timeout(Duration::from_millis(30), second.read_u8()).await;
    assert!(early.is_err(), "answered although every connection is taken");

    server.gate.notify_one();
    assert!(answer(&mut first).await.ends_with("slow"));
    drop(first);
    assert!(answer(&mut second).await.ends_with("quick"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Server::start(|_| {}).await;
    let mut stream = server.connect().await;
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(MAX_HEAD_BYTES));
    stream.write_all(head.as_bytes()).await.expect("connected");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 431");
}

#[tokio::test]
async fn a_drain_finishes_what_runs_and_takes_nothing_new() {
    let server = Server::start(|_| {}).await;
    let mut idle = server.connect().await;
    idle.write_all(GET).await.expect("connected");
    answer(&mut idle).await;
    let mut running = server.connect().await;
    running.write_all(SLOW).await.expect("connected");
    server.entered.notified().await;

    server.stop.cancel();
    assert!(is_closed(&mut idle).await);
    drop(idle);
    server.gate.notify_one();
    let text = answer(&mut running).await;
    assert!(text.ends_with("slow") && text.contains("connection: close"), "{text}");
    assert!(is_closed(&mut running).await);
    drop(running);

    let address = server.address;
    server.ended().await;
    assert!(TcpSocket::new_v4().expect("a socket").connect(address).await.is_err());
}

#[tokio::test]
async fn a_drain_has_an_end() {
    let server = Server::start(|limits| limits.drain_timeout = Duration::from_millis(30)).await;
    let mut stuck = server.connect().await;
    stuck.write_all(SLOW).await.expect("connected");
    server.entered.notified().await;
    server.stop.cancel();
    assert!(is_closed(&mut stuck).await);
    server.ended().await;
}

#[tokio::test]
async fn a_refusal_reaches_a_sender_that_is_still_sending() {
    let server = Server::start(|_| {}).await;
    let mut stream = server.connect().await;
    let body_bytes = 4 << 20;
    let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {body_bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("connected");
    stream.write_all(&vec![b'x'; body_bytes]).await.expect("is read to its end");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("the refusal was not destroyed by a reset");
    assert_eq!(&status, b"HTTP/1.1 405");
}
