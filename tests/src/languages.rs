//! The example plugins in other languages. Compiling one takes the host ten seconds and more of processor time, so
//! what came of it is kept beside the plugin, and the next run begins with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::host::{Builder, Hookwright, folder};
use crate::optional::not_run;

/// To compile one on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_mins(4);
/// What a home knows of compiled plugins: a key, and the folder of what is signed with it.
const KEY: &str = "compiled.key";
const CODE: &str = "compiled";

/// A plugin that was built.
pub struct Example {
    name: &'static str,
    wasm: PathBuf,
    kept: PathBuf,
}

impl Example {
    /// `None`, said aloud, when it was not built; with `CI=true` a failure.
    pub fn find(name: &'static str) -> Option<Self> {
        let folder = folder("HOOKWRIGHT_LANGUAGES", "target/languages");
        let (wasm, kept) = (folder.join(format!("{name}.wasm")), folder.join(format!("{name}.compiled")));
        if wasm.is_file() {
            return Some(Self { name, wasm, kept });
        }
        let missing = format!("there is no {}; `cargo xtask languages` builds it", wasm.display());
        not_run(&missing);
        None
    }

    /// Starts a host that has it, and keeps what was compiled.
    pub async fn start(&self, builder: Builder) -> Hookwright {
        let wasm = fs::read(&self.wasm).expect("a readable plugin");
        let builder = builder.file(&format!("plugins/{}.wasm", self.name), wasm).patience(PATIENCE);
        if made(&self.kept.join(KEY)) > made(&self.wasm) {
            copy(&self.kept, &builder.home().join("data"));
        }
        let host = builder.start().await;
        let data = host.home().join("data");
        if names(&data.join(CODE)) != names(&self.kept.join(CODE)) {
            let _ = fs::remove_dir_all(&self.kept);
            copy(&data, &self.kept);
        }
        host
    }
}

/// `None`, which is before everything, when it is not there.
fn made(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// With its permissions: the host takes nothing that others may read.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join(CODE)).expect("a folder");
    for name in names(&from.join(CODE)).iter().map(|name| format!("{CODE}/{name}")).chain([KEY.to_owned()]) {
        fs::copy(from.join(&name), to.join(&name)).expect("a copy");
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
