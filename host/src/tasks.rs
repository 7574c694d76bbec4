//! Spawning, here and nowhere else: every task has a name and says what its failure means.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// What it means when a task panics.
#[derive(Clone, Copy, Debug)]
pub enum OnPanic {
    /// One piece of work is lost or will be repeated; the rest goes on.
    Log,
    /// The host cannot keep its promises without this task: the process aborts, and a restart recovers.
    Abort,
}

/// Runs `work` on the runtime. A panic is logged under `name`, and handled as `on_panic` says.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn<F>(name: &'static str, on_panic: OnPanic, work: F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        let guard = PanicGuard { name, on_panic };
        work.await;
        std::mem::forget(guard);
    })
}

/// Runs `work` where it is awaited, without a task of its own; when the caller goes away before it is done, the rest of
/// it runs in one.
pub fn see_through<F>(name: &'static str, on_panic: OnPanic, work: F) -> SeeThrough<F>
where
    F: Future + Send + 'static,
{
    SeeThrough { name, on_panic, work: Some(Box::pin(work)) }
}

/// See [`see_through`].
pub struct SeeThrough<F: Future + Send + 'static> {
    name: &'static str,
    on_panic: OnPanic,
    /// None once it is done, and while it runs: what panicked is not run again.
    work: Option<Pin<Box<F>>>,
}

impl<F: Future + Send + 'static> Future for SeeThrough<F> {
    type Output = F::Output;

    /// # Panics
    /// When polled again after it was done.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut work = self.work.take().expect("is not polled once done");
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<F: Future + Send + 'static> Drop for SeeThrough<F> {
    fn drop(&mut self) {
        // Without a runtime the process is on its way down.
        if let (Some(work), Ok(_)) = (self.work.take(), Handle::try_current()) {
            spawn(self.name, self.on_panic, async move { drop(work.await) });
        }
    }
}

/// Runs blocking `work` on a thread of its own, named `name`.
///
/// # Errors
/// When the operating system refuses another thread.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn_thread<F>(name: &'static str, on_panic: OnPanic, work: F) -> std::io::Result<std::thread::JoinHandle<()>>
where
    F: FnOnce() + Send + 'static,
{
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let guard = PanicGuard { name, on_panic };
        work();
        std::mem::forget(guard);
    })
}

/// Runs blocking `work` on the runtime's pool for short blocking jobs and waits for it.
///
/// # Panics
/// Passes on a panic of `work`.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub async fn blocking<T, F>(work: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

struct PanicGuard {
    name: &'static str,
    on_panic: OnPanic,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        // Dropped without a panic: the runtime is shutting down.
        if !std::thread::panicking() {
            return;
        }
        tracing::error!(task = self.name, "a task panicked");
        if matches!(self.on_panic, OnPanic::Abort) {
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_goes_on_when_its_caller_goes_away() {
        let (open, opened) = oneshot::channel::<()>();
        let (done, finished) = oneshot::channel();
        let work = see_through("test", OnPanic::Log, async {
            let _ = opened.await;
            let _ = done.send(7);
        });
        tokio::select! {
            biased;
            () = work => panic!("the gate is shut"),
            () = std::future::ready(()) => {}
        }
        drop(open);
        assert_eq!(finished.await, Ok(7));
    }

    #[tokio::test]
    async fn work_that_is_awaited_answers() {
        assert_eq!(
            see_through("test", OnPanic::Log, async {
                tokio::task::yield_now().await;
                7
            })
            .await,
            7
        );
    }
}
