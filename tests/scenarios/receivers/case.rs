//! What a hostile receiver is, and how a delivery to it has to end.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// The webhooks' timeout.
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);
/// More waiting connections than the host makes; others are dropped by the kernel.
const BACKLOG: u32 = 1024;

/// What a receiver does with one connection, until it hangs up.
pub(super) type Act = Arc<dyn Fn(TcpStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

pub(super) fn act<F>(what: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Act
where
    F: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |socket| Box::pin(what(socket)))
}

/// One receiver.
#[derive(Clone)]
pub(super) struct Case {
    /// Also the name of its webhook.
    pub(super) name: &'static str,
    pub(super) scheme: &'static str,
    pub(super) door: Door,
    pub(super) ending: Ending,
    /// Whether the host may keep its connections for more.
    pub(super) may_be_kept: bool,
    /// Whether it gets events that no kernel holds whole.
    pub(super) is_large: bool,
}

/// What becomes of who knocks.
#[derive(Clone)]
pub(super) enum Door {
    Opens(Act),
    /// Its queue of connections is full.
    NeverAccepts,
    /// Nobody listens at its port.
    Closed,
}

/// How a delivery to it ends.
#[derive(Clone)]
pub(super) enum Ending {
    /// With a whole answer.
    Answered { status: u16, body: Kept },
    /// With an answer that asks to come back: within these seconds of now, whatever its words.
    Later { status: u16, seconds: std::ops::RangeInclusive<i64> },
    /// Without a whole answer. `words`: one of these, between bars.
    Error { kind: &'static str, words: &'static str },
}

/// What is kept of a body.
#[derive(Clone)]
pub(super) enum Kept {
    All(&'static str),
    /// So much of it as is ever kept, and it begins so.
    Cut(&'static str),
}

impl Case {
    /// It asks that nothing comes for a while.
    pub(super) const fn is_quiet(&self) -> bool {
        matches!(self.ending, Ending::Later { .. })
    }

    /// Its webhook gets 200 and this body.
    pub(super) fn delivered(name: &'static str, act: Act, body: &'static str) -> Self {
        Self::answered(name, act, 200, Kept::All(body))
    }

    pub(super) fn answered(name: &'static str, act: Act, status: u16, body: Kept) -> Self {
        Self::new(name, Door::Opens(act), Ending::Answered { status, body })
    }

    /// The answer broke off or is not HTTP.
    pub(super) fn broken(name: &'static str, act: Act, words: &'static str) -> Self {
        Self::error(name, act, "broken", words)
    }

    pub(super) fn too_slow(name: &'static str, act: Act) -> Self {
        Self::error(name, act, "timeout", "no whole answer within 1000 ms")
    }

    pub(super) fn error(name: &'static str, act: Act, kind: &'static str, words: &'static str) -> Self {
        Self::new(name, Door::Opens(act), Ending::Error { kind, words })
    }

    pub(super) fn new(name: &'static str, door: Door, ending: Ending) -> Self {
        Self { name, scheme: "http", door, ending, may_be_kept: false, is_large: false }
    }

    pub(super) fn kept_open(self) -> Self {
        Self { may_be_kept: true, ..self }
    }

    pub(super) fn with_large_events(self) -> Self {
        Self { is_large: true, ..self }
    }

    pub(super) fn by_tls(self) -> Self {
        Self { scheme: "https", ..self }
    }
}

/// A receiver at work. Gone when dropped.
pub(super) struct Peer {
    address: SocketAddr,
    /// Connections it has now.
    open: Arc<AtomicUsize>,
    work: JoinHandle<()>,
}

impl Peer {
    pub(super) async fn start(case: &Case, runtime: &Handle) -> Self {
        let door = case.door.clone();
        runtime.spawn(async move { Self::start_here(door).await }).await.unwrap()
    }

    async fn start_here(door: Door) -> Self {
        let socket = socket();
        let address = socket.local_addr().unwrap();
        let open = Arc::new(AtomicUsize::new(0));
        let work = match door {
            Door::Opens(act) => tokio::spawn(accept(socket.listen(BACKLOG).unwrap(), act, Arc::clone(&open))),
            Door::NeverAccepts => {
                let listener = socket.listen(1).unwrap();
                stay_busy_with((listener, fill(address).await))
            }
            Door::Closed => stay_busy_with(socket),
        };
        Self { address, open, work }
    }

    pub(super) fn url(&self, case: &Case) -> String {
        format!("{}://{}/hook", case.scheme, self.address)
    }

    pub(super) fn connections(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// At a free port, with buffers so small that a body of some hundred KiB has to be read to be sent.
fn socket() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

async fn accept(listener: TcpListener, act: Act, open: Arc<AtomicUsize>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        open.fetch_add(1, Ordering::SeqCst);
        let (acting, open) = (act(socket), Arc::clone(&open));
        tokio::spawn(async move {
            acting.await;
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Keeps what it is given for as long as the peer lives.
fn stay_busy_with(kept: impl Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        let _kept = kept;
        std::future::pending::<()>().await;
    })
}

/// Connects until the kernel takes no more.
async fn fill(address: SocketAddr) -> Vec<TcpStream> {
    let mut fillers = Vec::new();
    let patience = Duration::from_millis(200);
    while let Ok(connected) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
        fillers.push(connected.unwrap());
    }
    fillers
}
