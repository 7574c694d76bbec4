//! Plugins written by hand, in WebAssembly's text form: they do what no plugin built with the sdk would.

use std::fmt::Write as _;

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A core module that fulfils the contract, until told otherwise. Delivers unchanged.
///
/// Memory: 256 the manifest, 512 the answer of `transform` (all zero: deliver unchanged), 2048 texts of the
/// test, 65536 and up the heap. `$pair` writes two numbers, such as a pointer and a length.
pub struct Guest {
    imports: String,
    /// What the world imports beside the contract, and the packages of that.
    interfaces: String,
    packages: String,
    memory: String,
    transform: String,
    describe: String,
    realloc: String,
    more: String,
    version: String,
    encoding: StringEncoding,
    /// What is replaced in the finished text, and by what.
    edits: Vec<(String, String)>,
}

impl Default for Guest {
    fn default() -> Self {
        Self::new()
    }
}

const CONTRACT: &str = include_str!("../../../sdk/wit/plugin.wit");

/// The version of the contract.
pub fn version() -> &'static str {
    let version = CONTRACT.split_once("package hookwright:plugin@").and_then(|(_, rest)| rest.split_once(';'));
    version.expect("the contract names its version").0
}

/// Places inside the answer of `transform`, as the canonical ABI lays it out.
pub const ANSWER: u32 = 512;
pub const VERDICT: u32 = ANSWER + 8;
pub const DATA: u32 = ANSWER + 12;
pub const CONTENT_TYPE: u32 = ANSWER + 24;
pub const SET_HEADERS: u32 = ANSWER + 36;
pub const REMOVE_HEADERS: u32 = ANSWER + 44;
pub const ANNOTATIONS: u32 = ANSWER + 52;
pub const OPTIONS: u32 = ANSWER + 60;
pub const DROP_REASON: u32 = ANSWER + 12;
pub const FAILURE_DELAY: u32 = ANSWER + 16;
pub const FAILURE_MESSAGE: u32 = ANSWER + 32;
pub const FAILURE_CODE: u32 = ANSWER + 40;
/// Where [`Guest::text`] puts its text.
pub const TEXT: u32 = 2048;

/// Where `transform`'s argument has its payload: pointer, then length.
pub const DELIVERY_DATA: u32 = 92;

impl Guest {
    pub fn new() -> Self {
        Self {
            imports: String::new(),
            interfaces: String::new(),
            packages: String::new(),
            memory: "(memory (export \"memory\") 2)".to_owned(),
            transform: String::new(),
            describe: String::new(),
            realloc: String::new(),
            more: String::new(),
            version: version().to_owned(),
            encoding: StringEncoding::UTF8,
            edits: Vec::new(),
        }
    }

    /// Instructions that `transform` begins with; its argument is `$delivery`.
    #[must_use]
    pub fn transform(mut self, code: &str) -> Self {
        self.transform.push_str(code);
        self
    }

    /// Instructions that `describe` begins with.
    #[must_use]
    pub fn describe(mut self, code: &str) -> Self {
        self.describe.push_str(code);
        self
    }

    /// Instructions that the guest's allocator begins with.
    #[must_use]
    pub fn realloc(mut self, code: &str) -> Self {
        self.realloc.push_str(code);
        self
    }

    /// With `from` in the finished text replaced by `to`.
    #[must_use]
    pub fn edit(mut self, from: &str, to: &str) -> Self {
        self.edits.push((from.to_owned(), to.to_owned()));
        self
    }

    /// Further fields of the module.
    #[must_use]
    pub fn with(mut self, fields: &str) -> Self {
        self.more.push_str(fields);
        self
    }

    /// What the world imports beside the contract: the interfaces, their packages as WIT, and the module's imports.
    #[must_use]
    pub fn importing(mut self, interfaces: &[&str], packages: &str, imports: &str) -> Self {
        self.interfaces = interfaces.iter().fold(self.interfaces, |wanted, name| format!("{wanted} import {name};"));
        self.packages.push_str(packages);
        self.imports.push_str(imports);
        self
    }

    /// Its manifest has this schema for configs.
    #[must_use]
    pub fn schema(self, schema: &str) -> Self {
        let describe = format!("(call $pair (i32.const 280) (i32.const {TEXT}) (i32.const {}))", schema.len());
        self.text(schema).describe(&describe)
    }

    #[must_use]
    pub fn memory(mut self, field: &str) -> Self {
        field.clone_into(&mut self.memory);
        self
    }

    /// Puts `text` at [`TEXT`].
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        let bytes = text.bytes().fold(String::new(), |mut bytes, byte| {
            write!(bytes, "\\{byte:02x}").expect("a string takes everything");
            bytes
        });
        self.with(&format!("(data (i32.const {TEXT}) \"{bytes}\")"))
    }

    /// Built for this version of the contract.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// Its texts are UTF-16, as it says; those that this builder puts into memory are not.
    #[must_use]
    pub fn utf16(mut self) -> Self {
        self.encoding = StringEncoding::UTF16;
        self
    }

    /// The file, as `cargo build` would leave it.
    pub fn wasm(&self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let contract = CONTRACT
            .replace(version(), &self.version)
            .replace("import host;", &format!("import host; {}", self.interfaces));
        let contract = contract + &self.packages;
        let package = resolve.push_str("plugin.wit", &contract).expect("the contract is valid");
        let world = resolve.select_world(&[package], Some("plugin")).expect("it has a world");
        let mut wasm = self.without_contract();
        embed_component_metadata(&mut wasm, &resolve, world, self.encoding, false).expect("embeds");
        wasm
    }

    /// The file of somebody who did not use the sdk.
    pub fn without_contract(&self) -> Vec<u8> {
        let Self { imports, memory, transform, describe, realloc, more, version, .. } = self;
        let mut text = format!(
            r#"(module
                (import "hookwright:plugin/host@{version}" "log" (func $log (param i32 i32 i32)))
                (import "hookwright:plugin/host@{version}" "now-ms" (func $now (result i64)))
                (import "hookwright:plugin/host@{version}" "random-u64" (func $random (result i64)))
                {imports}
                {memory}
                (global $heap (mut i32) (i32.const 65536))
                (func (export "cabi_realloc") (param i32 i32 i32) (param $bytes i32) (result i32)
                    {realloc}
                    (global.get $heap)
                    (global.set $heap
                        (i32.and (i32.const -8) (i32.add (i32.const 7) (i32.add (local.get $bytes) (global.get $heap))))))
                (func $pair (param $at i32) (param $one i32) (param $two i32)
                    (i32.store (local.get $at) (local.get $one))
                    (i32.store offset=4 (local.get $at) (local.get $two)))
                (data (i32.const 16) "test0.1.0")
                (func (export "hookwright:plugin/transformer@{version}#describe") (result i32)
                    {describe}
                    (call $pair (i32.const 256) (i32.const 16) (i32.const 4))
                    (call $pair (i32.const 264) (i32.const 20) (i32.const 5))
                    (i32.const 256))
                (func $transform (export "hookwright:plugin/transformer@{version}#transform") (param $delivery i32) (result i32)
                    {transform}
                    (i32.const {ANSWER}))
                {more})"#
        );
        for (from, to) in &self.edits {
            assert!(text.contains(from), "nothing to replace: {from}");
            text = text.replace(from, to);
        }
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
    }
}
