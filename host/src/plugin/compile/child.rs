//! The host's side of the compiler: one process for one file, told what to do, heard out, and never left behind.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use super::artefact::Artefact;
use super::protocol::{self, Allowance, MAX_LINE_BYTES, Reply, Request};
use super::pump::{Patience, Said, Stop, pump};
use super::worker;
use crate::plugin::load::LoadError;

/// All that the process knows of its surroundings. Its allocator otherwise reserves a gigabyte beforehand, which
/// would count against its limit. The stack is 16 MiB, for all that is nested in a file.
const ENVIRONMENT: [(&str, &str); 3] =
    [("MIMALLOC_ARENA_RESERVE", "32MiB"), ("MIMALLOC_ARENA_EAGER_COMMIT", "0"), ("RUST_MIN_STACK", "16777216")];

/// What to start for another process of this program.
pub(super) fn this_program() -> PathBuf {
    // On Linux whatever runs here, even if its file was replaced by an upgrade since. Elsewhere the file; should it
    // be another version, fingerprints differ.
    let running = Path::new("/proc/self/exe");
    if cfg!(target_os = "linux") && running.exists() {
        return running.to_owned();
    }
    // A path that is none gives the error when it is started.
    std::env::current_exe().unwrap_or_default()
}

pub(super) fn compile(
    program: &Path,
    request: &Request,
    wasm: &[u8],
    stop: &CancellationToken,
) -> Result<Artefact, LoadError> {
    let mut command = Command::new(program);
    command.arg0("hookwright").arg(worker::ARGUMENT);
    ask(command, request, wasm, stop)
}

/// Starts a compiler, and judges what it answers.
pub(super) fn ask(
    command: Command,
    request: &Request,
    wasm: &[u8],
    stop: &CancellationToken,
) -> Result<Artefact, LoadError> {
    let allowance = request.allowance;
    let line = protocol::line(request).map_err(|error| LoadError::CompilerFailed(error.to_string()))?;
    let patience = Patience { deadline: Instant::now() + Duration::from_secs(allowance.seconds), stop };
    let mut process = Process::start(command)?;
    let max_bytes = usize::try_from(allowance.artefact_bytes).unwrap_or(usize::MAX).saturating_add(MAX_LINE_BYTES);
    let said = pump(&mut process.0, &[&line, wasm], max_bytes, &patience).map_err(|stop| match stop {
        Stop::Cancelled => LoadError::Stopping,
        Stop::TooLong => LoadError::CompileWait { seconds: allowance.seconds },
        Stop::TooMuch => LoadError::CompiledSize { mib: allowance.artefact_bytes >> 20 },
        Stop::System(error) => LoadError::CompilerFailed(error.to_string()),
    })?;
    let status = process.end()?;
    if status.success() { answer(said) } else { Err(cause_of_death(status, &said, &allowance)) }
}

/// A started process. It does not outlive this value, and leaves no zombie. Of the host it has nothing open: what
/// Rust opens is closed in children.
struct Process(Child);

impl Process {
    fn start(mut command: Command) -> Result<Self, LoadError> {
        let child = command
            .env_clear()
            .envs(ENVIRONMENT)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        child.map(Self).map_err(|error| LoadError::CompilerStart(error.to_string()))
    }

    /// How it ended, after it closed its outputs.
    fn end(mut self) -> Result<ExitStatus, LoadError> {
        // Usually it is ending by now, and its status is settled. One that closed its outputs and goes on has
        // nothing more to say, and is not waited for.
        self.0.kill().and_then(|()| self.0.wait()).map_err(|error| LoadError::CompilerFailed(error.to_string()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only when the process is gone and waited for.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn answer(Said { mut output, .. }: Said) -> Result<Artefact, LoadError> {
    let garbled = || LoadError::CompilerFailed("its answer makes no sense".to_owned());
    let (reply, line_bytes) = protocol::first_line(&output).ok_or_else(garbled)?;
    match reply {
        Reply::Refused(refusal) => Err(refusal.into()),
        Reply::Compiled { bytes } if bytes == (output.len() - line_bytes) as u64 => {
            output.drain(..line_bytes);
            Ok(Artefact::from_child(output))
        }
        Reply::Compiled { .. } => Err(garbled()),
    }
}

fn cause_of_death(status: ExitStatus, said: &Said, allowance: &Allowance) -> LoadError {
    let complaint = String::from_utf8_lossy(&said.complaint);
    tracing::warn!(%status, ?complaint, "the compiler's process did not end well");
    match status.signal() {
        Some(signal) if signal == Signal::XCPU.as_raw() => LoadError::CompileTime { seconds: allowance.cpu_seconds },
        // Rust's answer to an allocation that is refused. Panics are caught, and the stack is ample.
        Some(signal) if signal == Signal::ABORT.as_raw() => {
            LoadError::CompileMemory { mib: allowance.memory_bytes >> 20 }
        }
        Some(signal) if signal == Signal::KILL.as_raw() => LoadError::CompilerKilled(status.to_string()),
        _ => LoadError::CompilerFailed(format!("its process ended with {status}")),
    }
}
