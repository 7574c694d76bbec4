//! Reads a request body within a size and a time.
//!
//! A body that announces too much is refused unread. Bytes are shared with hyper's buffer where that does not
//! pin much more memory than they are.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

/// A smaller body is copied out of hyper's buffer. The buffer may be 64 KiB for a body of 300 bytes, and lives
/// as long as the body does, which budgets count as 300 bytes; and without a lodger hyper uses it again.
const COPY_BELOW_BYTES: usize = 16 << 10;

/// What a body may take.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    pub max_bytes: usize,
    pub timeout: Duration,
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the body is larger than {max_bytes} bytes")]
    TooLarge { max_bytes: usize },
    #[error("the body did not arrive within {timeout:?}")]
    TooSlow { timeout: Duration },
    #[error("the body broke off: {0}")]
    Broken(#[source] axum::Error),
}

/// The size that was announced, if it was.
pub fn announced_bytes(body: &Body) -> Option<u64> {
    body.size_hint().exact()
}

/// Reads the whole body.
///
/// # Errors
/// When it is too large, too slow, or breaks off.
pub async fn read(body: Body, limits: BodyLimits) -> Result<Bytes, BodyError> {
    let BodyLimits { max_bytes, timeout } = limits;
    if announced_bytes(&body).is_some_and(|announced| announced > max_bytes as u64) {
        return Err(BodyError::TooLarge { max_bytes });
    }
    match tokio::time::timeout(timeout, collect(body, max_bytes)).await {
        Ok(result) => result,
        Err(_) => Err(BodyError::TooSlow { timeout }),
    }
}

async fn collect(mut body: Body, max_bytes: usize) -> Result<Bytes, BodyError> {
    let Some(first) = next_data(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > max_bytes {
        return Err(BodyError::TooLarge { max_bytes });
    }
    let Some(second) = next_data(&mut body).await? else { return Ok(compact(first)) };

    let mut whole = BytesMut::with_capacity(first.len() + second.len() + remaining_bytes(&body, max_bytes));
    whole.extend_from_slice(&first);
    drop(first);
    let mut next = Some(second);
    while let Some(data) = next {
        if data.len() > max_bytes - whole.len() {
            return Err(BodyError::TooLarge { max_bytes });
        }
        whole.extend_from_slice(&data);
        next = next_data(&mut body).await?;
    }
    Ok(whole.freeze())
}

async fn next_data(body: &mut Body) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = body.frame().await {
        // What is not data is trailers: nobody asked for them.
        if let Ok(data) = frame.map_err(BodyError::Broken)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// What is still to come, if that is known.
fn remaining_bytes(body: &Body, max_bytes: usize) -> usize {
    announced_bytes(body).and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0).min(max_bytes)
}

fn compact(data: Bytes) -> Bytes {
    if data.len() < COPY_BELOW_BYTES { Bytes::copy_from_slice(&data) } else { data }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt as _, stream};

    use super::*;

    const LIMITS: BodyLimits = BodyLimits { max_bytes: 10, timeout: Duration::from_millis(20) };

    fn chunks(chunks: &'static [&'static str]) -> Body {
        Body::from_stream(stream::iter(chunks).map(|chunk| Ok::<_, Infallible>(Bytes::from_static(chunk.as_bytes()))))
    }

    #[tokio::test]
    async fn reads_what_fits() {
        for body in [Body::from("0123456789"), chunks(&["0123456789"]), chunks(&["01", "", "2345", "6789"])] {
            assert_eq!(read(body, LIMITS).await.expect("fits"), "0123456789");
        }
        assert_eq!(read(Body::empty(), LIMITS).await.expect("fits"), "");
    }

    #[tokio::test]
    async fn refuses_one_byte_too_many_announced_or_not() {
        for body in [Body::from("0123456789X"), chunks(&["0123456789X"]), chunks(&["0123456789", "X"])] {
            assert!(matches!(read(body, LIMITS).await, Err(BodyError::TooLarge { max_bytes: 10 })));
        }
    }

    #[tokio::test]
    async fn a_body_that_announces_too_much_is_not_touched() {
        struct Untouchable;
        impl axum::body::HttpBody for Untouchable {
            type Data = Bytes;
            type Error = Infallible;
            fn poll_frame(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
                panic!("read although it announced too much")
            }
            fn size_hint(&self) -> http_body::SizeHint {
                http_body::SizeHint::with_exact(11)
            }
        }
        assert!(matches!(read(Body::new(Untouchable), LIMITS).await, Err(BodyError::TooLarge { .. })));
    }

    #[tokio::test]
    async fn tells_slow_from_broken() {
        let stalls = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"01"))]).chain(stream::pending());
        assert!(matches!(read(Body::from_stream(stalls), LIMITS).await, Err(BodyError::TooSlow { .. })));
        let breaks = stream::iter([Ok(Bytes::from_static(b"01")), Err("reset")]);
        assert!(matches!(read(Body::from_stream(breaks), LIMITS).await, Err(BodyError::Broken(_))));
    }
}
