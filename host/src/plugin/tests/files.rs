//! Files that are no plugins: refused, and told why. The hostile corpus has more of them.

use super::*;

#[test]
fn files_that_are_no_plugins_are_told_why() {
    assert!(refusal(b"").starts_with("not a WebAssembly file"));
    assert!(refusal(b"(module)").starts_with("not a WebAssembly file"));
    let whole = Guest::new().wasm();
    for length in 4..whole.len() {
        let words = refusal(&whole[..length]);
        let told = ["cut off or damaged at byte", "without the plugin contract", "not valid WebAssembly"];
        assert!(told.iter().any(|told| words.contains(told)), "cut at {length}: {words}");
    }
    let words = refusal(&Guest::new().without_contract());
    assert!(words.contains("without the plugin contract (no section `component-type`)"), "{words}");
}

#[test]
fn imports_outside_the_contract_are_named_with_the_remedy() {
    let import = |module: &str, name: &str| {
        let text = format!("(module (import \"{module}\" \"{name}\" (func)))");
        refusal(&wat::parse_str(text).expect("valid text"))
    };
    assert!(
        import("env", "fetch").starts_with("imports `env#fetch`: plugins reach nothing but hookwright:plugin/host")
    );
    assert!(import("__wbindgen_placeholder__", "__wbindgen_throw").contains("cargo tree -i wasm-bindgen"));
    assert!(
        import("wasi_snapshot_preview1", "fd_write")
            .contains("WASI preview 1 (target wasm32-wasip1) is not offered; build for")
    );
    let other = refusal(&Guest::new().version("0.1.0").wasm());
    assert_eq!(
        other,
        "imports `hookwright:plugin/host@0.1.0#log`: made for version 0.1.0 of the contract, this host speaks 1.0.0; \
          build it again with the hookwright-sdk that comes with this host (its `sdk/wit/plugin.wit` says 1.0.0)"
    );
    for import in
        ["wasi:keyvalue/store@0.2.0", "wasi:cli/environment@0.3.0", "wasi:cli/environment@0.2.0-rc-2023-11-10"]
    {
        let component = wat::parse_str(format!("(component (import \"{import}\" (instance)))")).expect("valid");
        let words = refusal(&component);
        assert!(words.starts_with(&format!("imports `{import}`: plugins get WASI 0.2 (")), "{words}");
    }
    let empty = wat::parse_str("(component)").expect("valid");
    assert_eq!(
        refusal(&empty),
        "does not fit hookwright:plugin@1.0.0: no exported instance named `hookwright:plugin/transformer@1.0.0`"
    );
    for inside in ["(core module)", "(component)", "(component $x) (instance (instantiate $x))"] {
        let nested = wat::parse_str(format!("(component (component {inside}))")).expect("valid");
        assert!(refusal(&nested).starts_with("has components with code inside the component"));
    }
    let shims = wat::parse_str(format!("(component {})", "(component)".repeat(17))).expect("valid");
    assert!(refusal(&shims).starts_with("has 17 components inside the component, limit 16;"));
}

#[test]
fn an_objection_to_a_config_does_not_repeat_its_values() {
    let schema = r#"{"properties": {"remove": {"type": "array"}}}"#;
    let describe = format!("(call $pair (i32.const 280) (i32.const {TEXT}) (i32.const {}))", schema.len());
    let plugin = load(&Guest::new().describe(&describe).text(schema).wasm()).expect("loads");
    assert_eq!(plugin.check_config(r#"{"remove": []}"#), Ok(()));
    let violations = plugin.check_config(r#"{"remove": "hunter2"}"#).expect_err("no list");
    assert_eq!((violations[0].pointer.as_str(), violations[0].keyword.as_str()), ("/remove", "type"));
    assert!(!violations[0].message.contains("hunter2"), "{}", violations[0].message);
}
