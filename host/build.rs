//! Puts into the binary what authors of plugins need beside it: the SDK's folder, the versions of what the SDK depends
//! on, and the bundled plugins that are built by now. `author::sdk` and `bundled` read what is written here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Of `sdk/`: what its crate is made of, without its tests.
const SDK: [&str; 5] = ["Cargo.toml", "src", "macros/Cargo.toml", "macros/src", "wit"];

fn main() -> io::Result<()> {
    watch(Path::new("build.rs"));
    let folder = |variable: &str| PathBuf::from(std::env::var_os(variable).unwrap_or_default());
    let host = folder("CARGO_MANIFEST_DIR");
    let root = host.parent().unwrap_or(&host);
    let out = folder("OUT_DIR");
    fs::write(out.join("sdk.rs"), sdk(root)?)?;
    fs::write(out.join("bundled.rs"), bundled(&root.join("plugins"))?)?;
    fs::write(out.join("Cargo.lock"), lock(&root.join("Cargo.lock"))?)
}

fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}

/// Every file's name below `sdk/` and its text.
fn sdk(root: &Path) -> io::Result<String> {
    let sdk = root.join("sdk");
    let mut files = BTreeSet::new();
    for part in SDK.map(|part| sdk.join(part)) {
        watch(&part);
        gather(&part, &mut files)?;
    }
    let mut code = "&[\n".to_owned();
    for file in &files {
        let name = file.strip_prefix(&sdk).unwrap_or(file);
        let _ = writeln!(code, "    ({}, include_str!({})),", literal(name), literal(file));
    }
    Ok(code + "]\n")
}

/// A path as Rust writes it.
fn literal(path: &Path) -> String {
    format!("{:?}", path.to_string_lossy())
}

fn gather(path: &Path, files: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.insert(path.to_owned());
        return Ok(());
    }
    fs::read_dir(path)?.try_for_each(|entry| gather(&entry?.path(), files))
}

/// Each crate below `plugins/`, and its wasm file if there is one.
fn bundled(plugins: &Path) -> io::Result<String> {
    let mut code = "&[\n".to_owned();
    let mut complete = true;
    for name in crates_below(plugins)? {
        let manifest = plugins.join(&name).join("Cargo.toml");
        let wasm = plugins.join(format!("{name}.wasm"));
        let embedded =
            if wasm.is_file() { format!("Some(include_bytes!({}))", literal(&wasm)) } else { "None".to_owned() };
        let manifest_text = fs::read_to_string(&manifest)?;
        let description = value_of(&manifest_text, "description").unwrap_or_default();
        let _ = writeln!(code, "    Bundled {{ name: {name:?}, description: {description:?}, wasm: {embedded} }},");
        watch(&manifest);
        if wasm.is_file() {
            watch(&wasm);
        } else {
            complete = false;
        }
    }
    // A file that is absent cannot be watched, and a folder only with all that is in it.
    if !complete {
        watch(plugins);
    }
    Ok(code + "]\n")
}

/// Names of the folders that are crates. One more is one more line in `Cargo.lock`, which is watched.
fn crates_below(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

/// The part of our `Cargo.lock` that a crate needs which depends on the SDK alone.
fn lock(path: &Path) -> io::Result<String> {
    watch(path);
    let text = fs::read_to_string(path)?;
    let (head, packages) = text.split_once("\n[[package]]\n").unwrap_or((&text, ""));
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages.split("\n[[package]]\n") {
        by_name.entry(value_of(package, "name").unwrap_or_default()).or_default().push(package.trim_end());
    }
    let mut wanted = BTreeSet::from(["hookwright-sdk"]);
    let mut open = vec!["hookwright-sdk"];
    while let Some(name) = open.pop() {
        // All versions of a name: which of them is meant is cargo's to say, and what is too much it leaves out.
        for dependency in by_name.get(name).into_iter().flatten().flat_map(|package| dependencies(package)) {
            if wanted.insert(dependency) {
                open.push(dependency);
            }
        }
    }
    let wanted = wanted.iter().filter_map(|name| by_name.get(name)).flatten();
    Ok(wanted.fold(head.to_owned(), |lock, package| format!("{lock}\n\n[[package]]\n{package}")) + "\n")
}

/// `"name"`, `"name version"`
fn dependencies(package: &str) -> impl Iterator<Item = &str> {
    let list = package.split_once("dependencies = [").map_or("", |(_, list)| list);
    list.split('"').skip(1).step_by(2).filter_map(|dependency| dependency.split(' ').next())
}

/// The text of the first line `key = "…"`.
fn value_of<'t>(toml: &'t str, key: &str) -> Option<&'t str> {
    let rest = toml.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""))?;
    rest.strip_suffix('"')
}
