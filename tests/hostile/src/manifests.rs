//! Plugins that do harm while they are asked who they are.

use crate::guest::{Guest, TEXT};
use crate::{
    Case, FUEL, MEMORY_BYTES, PAGE_BYTES, for_ever, harmless, numbered, out_of_fuel, over_memory, pair, refused,
};

pub(crate) fn cases() -> Vec<Case> {
    [trial_runs(), manifests(), schemas()].into_iter().flatten().collect()
}

fn trial_runs() -> Vec<Case> {
    const TRIAL: &str = "on a trial run of `describe` it ";
    let started = |code: &str| Guest::new().with(&format!("(func $begin {code}) (start $begin)")).wasm();
    let described = |code: &str| Guest::new().describe(code).wasm();
    let grow = format!("(drop (memory.grow (i32.const {})))", MEMORY_BYTES / PAGE_BYTES);
    let grown = over_memory(u64::from(MEMORY_BYTES) + 2 * u64::from(PAGE_BYTES) + 8);
    vec![
        refused("start-loops", started(&for_ever("")), TRIAL.to_owned() + &out_of_fuel(FUEL)),
        refused(
            "start-traps",
            started("unreachable"),
            "on a trial run of `describe` it aborted without a message (`unreachable`) in begin",
        ),
        refused("start-grows", started(&grow), TRIAL.to_owned() + &grown),
        refused(
            "start-calls-itself",
            started("(call $begin)"),
            "on a trial run of `describe` it ran out of stack (256 KiB) in begin; it may call itself endlessly",
        ),
        refused(
            "start-draws-numbers",
            started(&for_ever("(drop (call $random))")),
            TRIAL.to_owned() + &out_of_fuel(FUEL),
        ),
        refused("describe-loops", described(&for_ever("")), TRIAL.to_owned() + &out_of_fuel(FUEL)),
        refused(
            "describe-traps",
            described("unreachable"),
            "on a trial run of `describe` it aborted without a message (`unreachable`)",
        ),
        refused("describe-grows", described(&grow), TRIAL.to_owned() + &grown),
        refused(
            "describe-panics-with-escapes",
            Guest::new()
                .text("\u{1b}[2Jgone\r\n")
                .describe(&format!("(call $log (i32.const 5) (i32.const {TEXT}) (i32.const 10)) unreachable"))
                .wasm(),
            "on a trial run of `describe` it panicked: \u{1b}[2Jgone\r\n",
        ),
    ]
}

fn manifests() -> Vec<Case> {
    let described = |code: &str| Guest::new().describe(code).wasm();
    let field =
        |at: u32, pointer: u32, length: u32| described(&(pair(at, pointer, length) + "(return (i32.const 128))"));
    vec![
        refused(
            "manifest-nowhere",
            described("(return (i32.const -4))"),
            "on a trial run of `describe` it broke off: pointer out of bounds of memory",
        ),
        refused(
            "manifest-misaligned",
            described("(return (i32.const 129))"),
            "on a trial run of `describe` it broke off: return pointer not aligned",
        ),
        refused("manifest-without-name", described("(return (i32.const 128))"), "`describe` answered without a name"),
        refused("manifest-name-too-long", field(128, 16, 65), "`describe` answered with a name of 65 bytes, limit 64"),
        refused(
            "manifest-name-of-2-gib",
            field(128, 0, 1 << 31),
            "on a trial run of `describe` it broke off: string pointer/length out of bounds of memory",
        ),
        refused(
            "manifest-description-too-long",
            described(&pair(272, 0, 1025)),
            "`describe` answered with a description of 1025 bytes, limit 1024",
        ),
        refused(
            "manifest-of-all-memory",
            described(&pair(272, 0, 2 * PAGE_BYTES)),
            "`describe` answered with a description of 131072 bytes, limit 1024",
        ),
        refused(
            "manifest-not-utf8",
            Guest::new().with("(data (i32.const 16) \"\\ff\\fe\")").wasm(),
            "on a trial run of `describe` it passed text that is not UTF-8",
        ),
    ]
}

fn schemas() -> Vec<Case> {
    let schema = |text: &str| {
        let length = u32::try_from(text.len()).expect("small");
        let pages = (TEXT + length) / PAGE_BYTES + 2;
        Guest::new()
            .memory(&format!("(memory (export \"memory\") {pages})"))
            .text(text)
            .describe(&pair(280, TEXT, length))
            .wasm()
    };
    let deep = format!("{}{}", r#"{"not":"#.repeat(5_000), "{}".to_owned() + &"}".repeat(5_000));
    let doubling = format!(
        r##"{{"$ref":"#/$defs/d0","$defs":{{{}"d40":true}}}}"##,
        numbered(40, |n| format!(
            r##""d{n}":{{"allOf":[{{"$ref":"#/$defs/d{0}"}},{{"$ref":"#/$defs/d{0}"}}]}},"##,
            n + 1
        )),
    );
    let chain = format!(
        r##"{{"$ref":"#/$defs/d0","$defs":{{{}"d1500":true}}}}"##,
        numbered(1_500, |n| format!(r##""d{n}":{{"$ref":"#/$defs/d{}"}},"##, n + 1)),
    );
    let patterns =
        format!(r#"{{"allOf":[{}true]}}"#, numbered(1_500, |n| format!(r#"{{"pattern":"\\w{{90}}{n:04}"}},"#)));
    vec![
        refused(
            "schema-too-long",
            schema(&format!("\"{}\"", "x".repeat(64 << 10))),
            "`describe` answered with a config schema of 65538 bytes, limit 65536",
        ),
        refused(
            "schema-not-json",
            schema("{\"type\": "),
            "`describe` answered with a config schema that is not one: it is not JSON (EOF while parsing a value at line 1 column 9)",
        ),
        refused(
            "schema-a-number",
            schema("7"),
            "`describe` answered with a config schema that is not one: expected an object, or true or false",
        ),
        refused(
            "schema-deep",
            schema(&deep),
            "`describe` answered with a config schema that is not one: it is not JSON (recursion limit exceeded at line 1 column 890)",
        ),
        refused(
            "schema-from-the-network",
            schema(r#"{"$ref":"https://example.com/s.json"}"#),
            "`describe` answered with a config schema that is not one: $ref to https://example.com/s.json: only files of the schemas folder can be referred to, as common.json or models/article.json",
        ),
        refused(
            "schema-from-a-file",
            schema(r#"{"$ref":"file:///etc/passwd"}"#),
            "`describe` answered with a config schema that is not one: $ref to file:///etc/passwd: only files of the schemas folder can be referred to, as common.json or models/article.json",
        ),
        refused(
            "schema-of-another-dialect",
            schema(r#"{"$schema":"https://example.com/dialect"}"#),
            "`describe` answered with a config schema that is not one: $ref: Unknown meta-schema: 'https://example.com/dialect'. Custom meta-schemas must be registered in the registry before use",
        ),
        refused(
            "schema-looks-behind",
            schema(r#"{"pattern":"^(?=a)"}"#),
            "`describe` answered with a config schema that is not one: /pattern: value is not a \"regex\"",
        ),
        refused(
            "schema-huge-pattern",
            schema(r#"{"pattern":"((a{1000}){1000}){1000}"}"#),
            "`describe` answered with a config schema that is not one: /pattern: value is not a \"regex\"",
        ),
        harmless("schema-many-patterns", schema(&patterns)),
        refused(
            "schema-doubling",
            schema(&doubling),
            "`describe` answered with a config schema that is not one: it has 16492674416469 steps with its references written out, limit 100000",
        ),
        refused(
            "schema-of-a-long-chain",
            schema(&chain),
            "`describe` answered with a config schema that is not one: it is more than 200 schemas deep, references included",
        ),
        refused(
            "schema-with-anchors",
            schema(r##"{"$ref":"#a","$defs":{"a":{"$anchor":"a"}}}"##),
            "`describe` answered with a config schema that is not one: $ref: it leads to nothing inside of the schema",
        ),
        harmless("schema-refers-to-itself", schema(r##"{"$ref":"#"}"##)),
    ]
}
