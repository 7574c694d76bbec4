//! Connections on which a receiver cannot talk forever, and that do not outlive an attempt for one that does not read.
//!
//! hyper skips as many `1xx` answers as come, and a peer that sends nothing else keeps a thread of the runtime busy for
//! as long as the deadline is away. An answer never needs more than the buffer it is read through, its head and the part
//! of its body that is kept: whoever sends more between two of our writes is cut off.
//!
//! hyper sends what it has buffered before it closes, however long that takes. So an [`Attempt`] that ends before its
//! request is sent, answered or not, cuts its connection: else a receiver that does not read keeps the socket and the
//! body for good.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use futures_util::task::AtomicWaker;
use http::{Extensions, Request, Uri};
use hyper_util::client::legacy::connect::{
    CaptureConnection, Connected, Connection, HttpConnector, capture_connection,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower::Service;

use super::resolver::PolicyResolver;

/// Four times the buffer of [`super::MAX_BUFFER_BYTES`].
const MOST_UNANSWERED_BYTES: usize = 4 * super::MAX_BUFFER_BYTES;

/// Makes metered connections.
#[derive(Clone)]
pub(super) struct MeteredConnector(pub(super) HttpConnector<PolicyResolver>);

/// The receiver sent too much.
#[derive(Debug, thiserror::Error)]
#[error("more than {MOST_UNANSWERED_BYTES} bytes came and no whole answer among them")]
struct Flood;

/// The attempt that the connection was made for is over.
#[derive(Debug, thiserror::Error)]
#[error("the attempt is over")]
struct Over;

/// One use of a connection.
pub(super) struct Attempt {
    connection: CaptureConnection,
    is_answered: bool,
}

/// What a connection and the attempts that use it share.
#[derive(Debug, Default)]
struct Line {
    /// Something was written, and hyper has not flushed since: it flushes when nothing is left.
    is_sending: AtomicBool,
    is_cut: AtomicBool,
    /// Waits for the receiver to read.
    blocked: AtomicWaker,
}

pub(super) struct Metered<T> {
    io: T,
    line: Arc<Line>,
    /// Has the kernel throw away what it still holds, once the connection is dropped.
    forget_unsent: fn(&T),
    /// Since the last write.
    read_bytes: usize,
}

type Connecting<E> = Pin<Box<dyn Future<Output = Result<TokioIo<Metered<TcpStream>>, E>> + Send>>;

impl Service<Uri> for MeteredConnector {
    type Response = TokioIo<Metered<TcpStream>>;
    type Error = <HttpConnector<PolicyResolver> as Service<Uri>>::Error;
    type Future = Connecting<Self::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { Ok(TokioIo::new(Metered::new(connecting.await?.into_inner(), forget_unsent))) })
    }
}

/// Fails only on a socket that is gone.
fn forget_unsent(socket: &TcpStream) {
    let _ = socket.set_zero_linger();
}

impl Attempt {
    pub(super) fn of<B>(request: &mut Request<B>) -> Self {
        Self { connection: capture_connection(request), is_answered: false }
    }

    /// Nothing more is wanted of the answer: what else was to be read is hyper's business.
    pub(super) fn is_answered(&mut self) {
        self.is_answered = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut extras = Extensions::new();
        if let Some(connected) = self.connection.connection_metadata().as_ref() {
            connected.get_extras(&mut extras);
        }
        if let Some(line) = extras.get::<Arc<Line>>() {
            line.end(self.is_answered);
        }
    }
}

impl Line {
    fn end(&self, is_answered: bool) {
        if !is_answered || self.is_sending.load(Ordering::SeqCst) {
            self.is_cut.store(true, Ordering::SeqCst);
            self.blocked.wake();
        }
    }
}

impl<T> Metered<T> {
    fn new(io: T, forget_unsent: fn(&T)) -> Self {
        Self { io, line: Arc::default(), forget_unsent, read_bytes: 0 }
    }

    fn check(&self) -> io::Result<()> {
        if !self.line.is_cut.load(Ordering::SeqCst) {
            return Ok(());
        }
        (self.forget_unsent)(&self.io);
        Err(io::Error::other(Over))
    }

    /// Writes by `write`, unless the attempt is over or ends while the receiver does not read.
    fn metered_write(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut T, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        self.line.is_sending.store(true, Ordering::SeqCst);
        match write(&mut self.io, cx) {
            Poll::Ready(written) => {
                let written = written?;
                if written > 0 {
                    self.read_bytes = 0;
                }
                Poll::Ready(Ok(written))
            }
            Poll::Pending => {
                self.line.blocked.register(cx.waker());
                // It may have ended in between.
                self.check()?;
                Poll::Pending
            }
        }
    }
}

impl<T: Connection> Connection for Metered<T> {
    fn connected(&self) -> Connected {
        self.io.connected().extra(Arc::clone(&self.line))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read_bytes > MOST_UNANSWERED_BYTES {
            return Poll::Ready(Err(io::Error::other(Flood)));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.read_bytes += buf.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.metered_write(cx, |io, cx| Pin::new(io).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.metered_write(cx, |io, cx| Pin::new(io).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.line.is_sending.store(false, Ordering::SeqCst);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_peer_may_send_so_much_between_two_writes_and_no_more() {
        let (ours, mut theirs) = tokio::io::duplex(MOST_UNANSWERED_BYTES);
        let mut ours = Metered::new(ours, |_| ());
        let mut heard = vec![0; MOST_UNANSWERED_BYTES];
        for _ in 0..2 {
            theirs.write_all(&heard).await.expect("has room");
            ours.read_exact(&mut heard).await.expect("as much as is allowed");
            ours.write_all(b"x").await.expect("has room");
        }
        theirs.write_all(&heard).await.expect("has room");
        ours.read_exact(&mut heard).await.expect("as much as is allowed");
        theirs.write_all(b"xx").await.expect("has room");
        ours.read_u8().await.expect("the one that is too many");
        let error = ours.read_u8().await.expect_err("is cut off");
        assert!(error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Flood>), "{error}");
    }

    #[tokio::test]
    async fn a_receiver_that_does_not_read_loses_the_connection_with_the_attempt() {
        for is_answered in [true, false] {
            let (ours, _theirs) = tokio::io::duplex(16);
            let mut ours = Metered::new(ours, |_| ());
            let line = Arc::clone(&ours.line);
            let sending = async { ours.write_all(&[0; 64]).await };
            let ending = async { line.end(is_answered) };
            let (sent, ()) = tokio::join!(sending, ending);
            let error = sent.expect_err("only 16 bytes fit");
            assert!(error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Over>), "{error}");
        }
    }

    #[tokio::test]
    async fn a_connection_outlives_an_attempt_that_sent_all_and_was_answered() {
        let (ours, _theirs) = tokio::io::duplex(64);
        let mut ours = Metered::new(ours, |_| ());
        ours.write_all(b"one").await.expect("has room");
        ours.flush().await.expect("is sent");
        ours.line.end(true);
        ours.write_all(b"two").await.expect("the next one may use it");
    }
}
