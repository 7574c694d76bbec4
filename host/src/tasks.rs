//! Spawning, here and nowhere else: every task has a name and says what its failure means.

use std::future::Future;

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
