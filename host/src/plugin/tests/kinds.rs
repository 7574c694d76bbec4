//! Which engine a file gets, and what its runs may use there.

use super::*;

fn kind(guest: &Guest) -> EngineKind {
    inspect::inspect(&guest.wasm()).expect("fits").kind
}

#[test]
fn what_rust_makes_is_small_and_the_rest_is_large() {
    let with = |fields: &str| kind(&Guest::new().with(fields));
    assert_eq!(kind(&Guest::new()), EngineKind::Small);
    assert_eq!(with("(table 10000 funcref) (memory 120)"), EngineKind::Small);
    assert_eq!(with("(table 10001 funcref)"), EngineKind::Large);
    assert_eq!(with(&"(table 1 funcref)".repeat(3)), EngineKind::Small, "the componentiser adds the fourth");
    assert_eq!(with(&"(table 1 funcref)".repeat(4)), EngineKind::Large);
    assert_eq!(with("(memory 130)"), EngineKind::Large);
    assert_eq!(with(&format!("(func {})", "(block) ".repeat(2_500))), EngineKind::Small);
    assert_eq!(with(&format!("(func {})", "(block) ".repeat(2_501))), EngineKind::Large);
    assert_eq!(with(&format!("(func {})", "nop ".repeat(1 << 18))), EngineKind::Large);
}

#[test]
fn a_large_plugin_runs_within_the_limits_of_its_kind() {
    let large = || Guest::new().with("(table 20000 funcref)");
    assert_eq!(delivered(&run_with(&large(), OnError::Hold)), &Changes::default());
    let reason = "plugin test ran out of fuel: 50007200 units (about 10 ms); it may loop endlessly, or need more (`plugins.limits`)";
    assert_eq!(held(&large().transform("(loop $on (br $on))")), reason);
    let reason = held(&large().transform("(drop (memory.grow (i32.const 511)))"));
    assert!(reason.ends_with("limit 33554432 (`plugins.large.memoryBytes`)"), "{reason}");
    let reason = held(&large().transform("(drop (call $transform (local.get $delivery)))"));
    assert_eq!(reason, "plugin test ran out of stack (1024 KiB) in transform; it may call itself endlessly");
}

#[test]
fn other_limits_compile_nothing_and_reach_only_their_kind() {
    let plugin = Arc::new(load(&Guest::new().transform("(drop (memory.grow (i32.const 1)))").wasm()).expect("loads"));
    let limited = |fuel: u64, memory_bytes: usize, large: RunLimits| {
        let (fuel, memory_bytes) = (NonZeroU64::new(fuel), NonZeroUsize::new(memory_bytes));
        let small = RunLimits { fuel: fuel.expect("some"), memory_bytes: memory_bytes.expect("some"), ..SMALL };
        ENGINE.limit(&plugin, &LimitsByKind { small, large })
    };
    let same = limited(SMALL.fuel.get(), SMALL.memory_bytes.get(), SMALL).expect("fits");
    assert!(Arc::ptr_eq(&same, &plugin), "limits of large plugins are no concern of small ones");
    let less = limited(5_000, (3 << 16) - 1, LARGE).expect("fits");
    assert_eq!((less.limits(), less.digest), ((5_000, (3 << 16) - 1), plugin.digest));
    let less = Arc::into_inner(less).expect("not shared");
    let ChainVerdict::Hold { reason, .. } = run_chain(&job_of([less], OnError::Hold)).verdict else {
        panic!("it grows by a byte too much")
    };
    assert!(reason.contains("needs more memory than it may have"), "{reason}");
    let never = limited(5_000, 1 << 16, LARGE).err().expect("refused").to_string();
    assert_eq!(never, "begins with 131072 bytes of memory, limit 65536 (`plugins.memoryBytes`)");
}
