//! A module is run without the component that was made of it, and nobody can tell.

use hookwright_hostile::guest::{ANNOTATIONS, CONTENT_TYPE, OPTIONS, REMOVE_HEADERS};
use hookwright_hostile::{Case, corpus};

use super::*;
use crate::config::PluginLimits;

/// What a few log lines cost more within a component.
const SHIM_FUEL: u64 = 100;

/// The same plugin, run as a component.
fn within_component(plugin: &Plugin) -> Plugin {
    let mut code = plugin.code.clone();
    code.direct = None;
    Plugin {
        name: plugin.name.clone(),
        digest: plugin.digest,
        manifest: plugin.manifest.clone(),
        counts: Arc::default(),
        code,
        schema: None,
        limits: plugin.limits,
    }
}

/// Without time, and without what a component takes itself: a unit of fuel to start and some for each line that is logged, a
/// table of eight bytes, a nameless function between plugin and host.
fn told(record: &ChainRecord) -> ChainRecord {
    let mut record = record.clone();
    for run in &mut record.runs {
        (run.micros, run.fuel, run.memory_bytes) = (0, 0, 0);
        run.backtrace.retain(|frame| has_name(frame));
    }
    record
}

#[test]
fn a_module_ends_as_it_would_within_its_component() {
    let limits = PluginLimits::default().usual;
    let mut differ = Vec::new();
    for Case { name, wasm, .. } in corpus(BODY.len()).into_iter().filter(Case::is_run) {
        let plugin = ENGINE.load(&name.parse().expect("a name"), &wasm, &limits).expect("loads");
        if plugin.code.direct.is_none() {
            assert!(
                plugin.kind() == EngineKind::Large || name.contains("component"),
                "{name} is a module like any other"
            );
            continue;
        }
        let component = within_component(&plugin);
        let [direct, within] = [plugin, component].map(|plugin| run_chain(&job_of([plugin], OnError::Hold)));
        let dearer = direct.runs[0].fuel.abs_diff(within.runs[0].fuel);
        if dearer > SHIM_FUEL && !direct.runs[0].logs_cut {
            differ.push(format!("{name}: {dearer} units"));
        }
        // How much it wanted in all differs by that table, and so perhaps does the page it asked for last.
        if !direct.runs[0].summary.starts_with("needs more memory") && told(&direct) != told(&within) {
            differ.push(format!("{name}: {direct:?} {within:?}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn all_that_can_be_passed_is_passed_as_within_a_component() {
    let pair = |at: u32, start: u32, length: u32| {
        format!("(call $pair (i32.const {at}) (i32.const {start}) (i32.const {length}))")
    };
    let store = |at: u32, value: u32| format!("(i32.store (i32.const {at}) (i32.const {value}))");
    // One field, x-one: two; one text; what a payload and a content type are made of.
    let guest = || {
        Guest::new().text("x-onetwox-gonetext/x[1]code").transform(&(pair(3000, TEXT, 5) + &pair(3008, TEXT + 5, 3)))
    };
    let changes = store(DATA, 1)
        + &pair(DATA + 4, TEXT + 20, 3)
        + &store(CONTENT_TYPE, 1)
        + &pair(CONTENT_TYPE + 4, TEXT + 14, 6)
        + &pair(SET_HEADERS, 3000, 1)
        + &pair(3100, TEXT + 8, 6)
        + &pair(REMOVE_HEADERS, 3100, 1)
        + &pair(ANNOTATIONS, 3000, 1);
    let code_and_annotations = |at: u32| store(at, 1) + &pair(at + 4, TEXT + 23, 4) + &pair(at + 12, 3000, 1);
    let dropped = store(VERDICT, 1) + &pair(DROP_REASON, TEXT, 5) + &code_and_annotations(DROP_REASON + 8);
    let delay = store(VERDICT, 1) + &store(FAILURE_DELAY, 1) + &store(FAILURE_DELAY + 8, 5_000);
    let failed = store(ANSWER, 1) + &delay + &pair(FAILURE_MESSAGE, TEXT, 5) + &code_and_annotations(FAILURE_CODE);
    // All that was laid out for the delivery, its pointers included.
    let heap = store(DATA, 1) + &pair(DATA + 4, 65_536, 4_096);
    for (code, seen) in [
        (
            &changes,
            "rewrote payload (24 → 3 bytes), content type text/x, set 1 header, removed 1 header, made 1 annotation",
        ),
        (
            &(changes.clone() + &pair(OPTIONS, 3000, 1)),
            "broke the contract: option \"x-one\" is not one that this host knows",
        ),
        (&dropped, "dropped: x-one [code]"),
        (&failed, "failed: x-one [code]"),
        (&heap, "rewrote payload (24 → 4096 bytes)"),
    ] {
        let plugin = load(&guest().transform(code).wasm()).expect("loads");
        assert!(plugin.code.direct.is_some());
        let component = within_component(&plugin);
        let [direct, within] = [plugin, component].map(|plugin| {
            let mut job = job_of([plugin], OnError::Hold);
            let webhook = Arc::get_mut(&mut job.webhook).expect("nobody else has it");
            webhook.labels = [("team", "web"), ("tier", "")].map(|(name, value)| (name.into(), value.into())).into();
            run_chain(&job)
        });
        assert_eq!(direct.runs[0].summary, seen);
        assert_eq!(told(&direct), told(&within));
    }
}

#[test]
fn what_is_not_of_the_simple_kind_keeps_its_component() {
    let direct = |guest: Guest| load(&guest.wasm()).expect("loads").code.direct.is_some();
    let with = |field: &str| direct(Guest::new().with(field));
    assert!(direct(Guest::new()));
    assert!(with("(func (export \"anything\")) (global (export \"else\") i32 (i32.const 0))"));
    assert!(!direct(Guest::new().utf16()), "texts would be misread");
    assert!(!with("(func (export \"_initialize\"))"), "nobody would start it");
    assert!(!with("(func $start) (start $start)"), "it could log before its component lets it");
    assert!(
        !with("(func (export \"cabi_export_realloc\") (param i32 i32 i32 i32) (result i32) unreachable)"),
        "goes before"
    );
    assert!(!with("(func (export \"hookwright:plugin/transformer@1.7.0#transform\"))"), "which is meant?");
    assert!(!direct(Guest::new().version("1.7.0")), "its imports have another name");
    assert!(load(&Guest::new().version("1.7.0").wasm()).is_ok_and(|plugin| plugin.kind() == EngineKind::Small));
}
