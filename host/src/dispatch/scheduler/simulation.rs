//! The scheduler in a world of its own: random events, receivers, people and crashes, a thousand steps for each of ten
//! thousand seeds, with nothing real but the scheduler and the rules for retries.
//!
//! The world checks after each step what must never happen, and in the end lets receivers heal: then every delivery has
//! to come to its end without any wake-up but those the scheduler asks for. A broken seed is printed and repeatable.

use std::thread;

use self::world::World;

mod dice;
mod rows;
mod world;

const SEEDS: u64 = 10_000;
const STEPS: usize = 1_000;
/// Runs this seed alone, with every step printed.
const SEED: &str = "HOOKWRIGHT_SIMULATION_SEED";

#[test]
fn whatever_happens_every_delivery_comes_to_its_end_and_no_limit_is_exceeded() {
    if let Some(seed) = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()) {
        run(seed, true);
        return;
    }
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    let finished = thread::scope(|scope| {
        let of = |first| {
            move || {
                (first..SEEDS)
                    .step_by(usize::try_from(threads).unwrap_or(1))
                    .map(|seed| run(seed, false))
                    .sum::<usize>()
            }
        };
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(of(first))).collect();
        running.into_iter().map(|thread| thread.join().expect("no seed breaks")).sum::<usize>()
    });
    // A world in which nothing happens would prove nothing.
    assert!(finished > 1_000_000, "only {finished} deliveries came to their end");
}

/// How many deliveries came to their end.
fn run(seed: u64, is_loud: bool) -> usize {
    let broken = Broken(seed);
    let mut world = World::new(seed, is_loud);
    for _ in 0..STEPS {
        world.step();
    }
    let finished = world.heal_and_finish();
    std::mem::forget(broken);
    finished
}

/// Names the seed when a check fails.
struct Broken(u64);

impl Drop for Broken {
    fn drop(&mut self) {
        eprintln!("seed {0} breaks; repeat it with {SEED}={0} cargo test -p hookwright --lib simulation", self.0);
    }
}
