//! strace: shows what the host asks of the system, and has it fail.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::optional::not_run;

/// strace, where it is and may trace.
pub struct Strace(());

impl Strace {
    /// `None`, said aloud, when it is not there; with `CI=true` a failure.
    pub fn find() -> Option<Self> {
        let mut probe = Command::new("strace");
        probe.args(["-D", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync", "true"]);
        if probe.stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|ended| ended.success()) {
            return Some(Self(()));
        }
        not_run("strace is not there, or may not trace; on Debian `cargo xtask test` installs it as root");
        None
    }

    /// The words that start the host under it. It stays our child (`-D`), so that killing goes as always.
    #[must_use]
    pub fn words(&self, trace: &Path, options: &[&str]) -> Vec<String> {
        let mut words = ["strace", "-D", "-f", "-y", "--seccomp-bpf", "-o"].map(str::to_owned).to_vec();
        words.push(trace.display().to_string());
        words.extend(options.iter().map(|option| (*option).to_owned()));
        words
    }

    /// The words under which calls on the store's files fail as `injected` says (`fdatasync:error=EIO:when=3`). Each
    /// thread counts its own calls.
    #[must_use]
    pub fn failing(&self, home: &Path, files: &[&str], injected: &str) -> Vec<String> {
        let calls = injected.split(':').next().unwrap_or_default();
        let [trace, inject] = [format!("trace={calls}"), format!("inject={injected}")];
        let files: Vec<String> = files.iter().map(|file| home.join("data").join(file).display().to_string()).collect();
        let mut options: Vec<&str> = files.iter().flat_map(|file| ["-P", file]).collect();
        options.extend(["-e", &trace, "-e", &inject]);
        self.words(&home.join("trace"), &options)
    }
}
