//! A module is run without the component that was made of it, and nobody can tell.

use hookwright_hostile::{Case, corpus};

use super::*;
use crate::config::PluginLimits;

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

/// Without time, and without what a component takes itself: some units of fuel to start and for each line that is logged,
/// a table of eight bytes, a nameless function between plugin and host.
fn told(mut record: ChainRecord) -> ChainRecord {
    for run in &mut record.runs {
        (run.micros, run.fuel, run.memory_bytes) = (0, 0, 0);
        run.backtrace.retain(|frame| has_name(frame));
    }
    record
}

#[test]
fn a_module_ends_as_it_would_within_its_component() {
    let limits = PluginLimits::default().usual;
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
        assert!(direct.runs[0].fuel.abs_diff(within.runs[0].fuel) <= 8_000, "{name}: {direct:?} {within:?}");
        // How much it wanted in all differs by that table, and so perhaps does the page it asked for last.
        if !direct.runs[0].summary.starts_with("needs more memory") {
            assert_eq!(told(direct), told(within), "{name}");
        }
    }
}

#[test]
fn what_is_not_of_the_simple_kind_keeps_its_component() {
    let direct = |guest: Guest| load(&guest.wasm()).expect("loads").code.direct.is_some();
    assert!(direct(Guest::new()));
    assert!(!direct(Guest::new().utf16()), "texts would be misread");
    assert!(!direct(Guest::new().with("(func (export \"_initialize\"))")), "nobody would start it");
    assert!(!direct(Guest::new().version("1.7.0")), "its imports have another name");
    assert!(load(&Guest::new().version("1.7.0").wasm()).is_ok_and(|plugin| plugin.kind() == EngineKind::Small));
}
