//! Garbage collection as guests and embedders meet it: what keeps objects, what does not, and what becomes of a full heap.
//! Most tests run under stress, where every allocation collects, all that can move moves, and the heap is checked.

mod generated;
mod limits;
mod nulls;
mod objects;
mod roots;
#[path = "../support.rs"]
mod support;

use epsilon::{Config, Engine, Tier};

/// Engines of both tiers, normal and under stress.
fn engines() -> Vec<(String, Engine)> {
    let mut all = Vec::new();
    for tier in [Tier::Optimised, Tier::Quick] {
        for (stress, is_masked) in [(0, false), (1, false), (3, false), (0, true), (1, true)] {
            let mut config: Config = support::config();
            config.tier(tier).gc_stress(stress);
            if is_masked {
                // As small as can be.
                config.gc_heap_reservation(0).gc_heap_reservation_for_growth(0);
            }
            let name = format!("{tier:?}, stress {stress}, masked: {is_masked}");
            all.push((name, Engine::new(&config).expect("an engine")));
        }
    }
    all
}
