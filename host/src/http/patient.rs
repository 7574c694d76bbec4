//! A connection whose patience with its peer has an end.
//!
//! Owns the two waits that hyper leaves open. A peer that takes nothing of an answer for [`WRITE_TIMEOUT`] is
//! cut: otherwise a few clients that never read could hold every connection. And a peer that still sends while
//! we hang up is read for up to [`LINGER`] more: a close with unread bytes resets the connection, and the
//! reset destroys the 401 or 413 on its way to somebody who should read it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A peer that takes no byte for this long is gone. Senders of events read a few hundred bytes at most.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Long enough to swallow a body of some MiB that is on its way, short enough for a drain.
const LINGER: Duration = Duration::from_secs(2);

/// What is swallowed at a time.
const SCRATCH_BYTES: usize = 8 << 10;

pub(super) struct Patient<T> {
    io: T,
    write_timeout: Duration,
    /// Runs while a write waits for the peer.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Runs once our side is closed.
    lingering: Option<Pin<Box<Sleep>>>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Patient<T> {
    pub(super) fn new(io: T) -> Self {
        Self { io, write_timeout: WRITE_TIMEOUT, stalled: None, lingering: None }
    }

    /// Passes `poll` on, and cuts it when it has been pending for too long.
    fn limited<R>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if poll.is_ready() {
            self.stalled = None;
            return poll;
        }
        let patience = self.write_timeout;
        let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")))
    }

    /// Ready when the peer has closed its side or the time for that is up.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; SCRATCH_BYTES];
        loop {
            let mut read = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.io).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    return self.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER))).as_mut().poll(cx);
                }
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Patient<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buf)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.io).poll_write(cx, buf);
        this.limited(cx, poll)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.limited(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.io).poll_flush(cx);
        this.limited(cx, poll)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            let poll = Pin::new(&mut this.io).poll_shutdown(cx);
            ready!(this.limited(cx, poll))?;
            this.lingering = Some(Box::pin(sleep(LINGER)));
        }
        this.poll_linger(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn a_peer_that_never_reads_is_cut() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let mut patient = Patient { write_timeout: Duration::from_millis(5), ..Patient::new(ours) };
        let error = patient.write_all(&[0; 64]).await.expect_err("only 16 bytes fit");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn hanging_up_swallows_what_is_still_sent() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let hang_up = async {
            let mut patient = Patient::new(ours);
            patient.shutdown().await
        };
        let send = async {
            theirs.write_all(&[0; 4096]).await.expect("is read although we hang up");
            drop(theirs);
        };
        let ((), closed) = tokio::join!(send, hang_up);
        closed.expect("closes once the peer has");
    }
}
