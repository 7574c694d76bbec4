//! Connections on which a receiver cannot talk forever, and that leave nothing behind for one that does not read.
//!
//! hyper skips as many `1xx` answers as come, and a peer that sends nothing else keeps a thread of the runtime busy for
//! as long as the deadline is away. An answer never needs more than the buffer it is read through, its head and the part
//! of its body that is kept: whoever sends more between two of our writes is cut off.
//!
//! The kernel goes on sending after a socket is closed, however long that takes. So one that is dropped while it waits for
//! its receiver to read is reset: else a receiver that does not read keeps the memory of the body.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower::Service;

use super::connections::MAX_BUFFER_BYTES;
use super::resolver::PolicyResolver;

const MOST_UNANSWERED_BYTES: usize = 4 * MAX_BUFFER_BYTES;

/// Makes metered connections.
#[derive(Clone)]
pub(super) struct MeteredConnector(pub(super) HttpConnector<PolicyResolver>);

/// The receiver sent too much.
#[derive(Debug, thiserror::Error)]
#[error("more than {MOST_UNANSWERED_BYTES} bytes came and no whole answer among them")]
struct Flood;

pub(super) struct Metered<T> {
    io: T,
    /// Has the kernel throw away what it still holds, once the socket is closed.
    forget_unsent: fn(&T),
    /// Since the last write.
    read_bytes: usize,
    blocked: Blocked,
}

/// Whether a connection waits for its receiver to read. Shared with whoever decides what becomes of it: TLS takes what the
/// socket does not, and tells nobody.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocked(Arc<AtomicBool>);

impl Blocked {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
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

impl<T> Metered<T> {
    fn new(io: T, forget_unsent: fn(&T)) -> Self {
        Self { io, forget_unsent, read_bytes: 0, blocked: Blocked::default() }
    }

    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.blocked.0.store(written.is_pending(), Ordering::Relaxed);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.read_bytes = 0;
        }
        written
    }
}

impl<T> Drop for Metered<T> {
    fn drop(&mut self) {
        if self.blocked.is_set() {
            (self.forget_unsent)(&self.io);
        }
    }
}

impl<T: Connection> Connection for Metered<T> {
    fn connected(&self) -> Connected {
        self.io.connected().extra(self.blocked.clone())
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
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::FutureExt as _;
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
    async fn a_socket_whose_receiver_does_not_read_is_reset() {
        static FORGOTTEN: AtomicUsize = AtomicUsize::new(0);
        fn forget<T>(_: &T) {
            FORGOTTEN.fetch_add(1, Ordering::SeqCst);
        }
        for (bytes, forgotten) in [(16, 0), (17, 1)] {
            let (ours, _theirs) = tokio::io::duplex(16);
            let mut ours = Metered::new(ours, forget);
            let _ = ours.write_all(&vec![0; bytes]).now_or_never();
            drop(ours);
            assert_eq!(FORGOTTEN.load(Ordering::SeqCst), forgotten);
        }
    }
}
