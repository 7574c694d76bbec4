//! An answer that leaves before its request was read says that the connection ends with it.
//!
//! hyper closes such a connection, because what is left of the request is in the way of the next one. A client
//! that was not told keeps the connection for its next request, which then breaks; and a CMS sends once.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::{Body, HttpBody};
use http::{HeaderValue, Request, Response, header};
use http_body::{Frame, SizeHint};
use tower::ServiceExt as _;

/// Passes a request to the router, and adds `Connection: close` to an answer that did not wait for its end.
pub(super) async fn answer<B>(router: Router, request: Request<B>) -> Result<Response<Body>, Infallible>
where
    B: HttpBody<Data = bytes::Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError>,
{
    let ended = Arc::new(AtomicBool::new(request.body().is_end_stream()));
    let request = request.map(|body| Watched { body, ended: Arc::clone(&ended) });
    let mut response = router.oneshot(request).await?;
    if !ended.load(Ordering::Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// A body that leaves word when it was read to its end.
struct Watched<B> {
    body: B,
    ended: Arc<AtomicBool>,
}

impl<B: HttpBody + Unpin> HttpBody for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.ended.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use bytes::Bytes;

    use super::*;

    async fn connection(path: &str, body: Body) -> Option<String> {
        let router =
            Router::new().route("/reads", post(async |body: Bytes| body)).route("/refuses", post(async || "no"));
        let request = Request::post(path).body(body).expect("a request");
        let Ok(response) = answer(router, request).await;
        response.headers().get(header::CONNECTION).map(|value| value.to_str().expect("text").to_owned())
    }

    #[tokio::test]
    async fn only_what_was_not_read_ends_the_connection() {
        assert_eq!(connection("/reads", Body::from("text")).await, None);
        assert_eq!(connection("/reads", Body::empty()).await, None);
        assert_eq!(connection("/refuses", Body::empty()).await, None);
        assert_eq!(connection("/refuses", Body::from("text")).await.as_deref(), Some("close"));
        assert_eq!(connection("/nowhere", Body::from("text")).await.as_deref(), Some("close"));
    }

    #[tokio::test]
    async fn a_route_sees_how_much_is_announced() {
        let size = post(async |body: Body| body.size_hint().exact().unwrap_or_default().to_string());
        let request = Request::post("/").body(Body::from("12345")).expect("a request");
        let Ok(response) = answer(Router::new().route("/", size), request).await;
        assert_eq!(axum::body::to_bytes(response.into_body(), 9).await.expect("short"), "5");
    }
}
