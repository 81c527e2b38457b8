//! Garbage collection as guests and embedders meet it: what keeps objects, what does not, and what becomes of a full heap.
//! Most tests run under stress, where every allocation collects, all that can move moves, and the heap is checked.

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
        for stress in [0, 1, 3] {
            let mut config: Config = support::config();
            config.tier(tier).gc_stress(stress);
            all.push((format!("{tier:?}, stress {stress}"), Engine::new(&config).expect("an engine")));
        }
    }
    all
}
