//! Connections on which a receiver cannot talk forever.
//!
//! hyper skips as many `1xx` answers as come, and a peer that sends nothing else keeps a thread of the runtime busy for
//! as long as the deadline is away. An answer never needs more than the buffer it is read through, its head and the part
//! of its body that is kept: whoever sends more between two of our writes is cut off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
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

pub(super) struct Metered<T> {
    io: T,
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
        Box::pin(async move { Ok(TokioIo::new(Metered::new(connecting.await?.into_inner()))) })
    }
}

impl<T> Metered<T> {
    fn new(io: T) -> Self {
        Self { io, read_bytes: 0 }
    }

    fn note_write(&mut self, written: usize) {
        if written > 0 {
            self.read_bytes = 0;
        }
    }
}

impl<T: Connection> Connection for Metered<T> {
    fn connected(&self) -> Connected {
        self.io.connected()
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
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        self.note_write(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs))?;
        self.note_write(written);
        Poll::Ready(Ok(written))
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_peer_may_send_so_much_between_two_writes_and_no_more() {
        let (ours, mut theirs) = tokio::io::duplex(MOST_UNANSWERED_BYTES);
        let mut ours = Metered::new(ours);
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
}
