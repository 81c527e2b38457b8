//! Collections and the algorithms on them. Hash orders are random, so every
//! hash collection is sorted or folded into an order-free sum before it is
//! printed.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::rc::{Rc, Weak};

use crate::heading;

/// A 64-bit xorshift generator, so that both targets see the same numbers.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

pub fn run() {
    heading("collections");
    hash_maps();
    hash_sets();
    ordered();
    queues();
    sorting();
    shortest_paths();
    shared_tree();
    shapes();
}

fn hash_maps() {
    let mut random = Random::new(0x5eed);
    let mut counts: HashMap<String, u32> = HashMap::new();
    for _ in 0..20_000 {
        *counts
            .entry(format!("key-{}", random.below(997)))
            .or_insert(0) += 1;
    }
    let total: u32 = counts.values().sum();
    let mut common: Vec<(&String, &u32)> = counts.iter().collect();
    common.sort_by_key(|&(key, &count)| (Reverse(count), key));
    println!("hash map: {} keys, {} counted", counts.len(), total);
    for (key, count) in common.iter().take(3) {
        println!("  {key:<8} {count:>4}");
    }
    counts.retain(|key, _| key.ends_with('7'));
    println!("  {} keys end with 7", counts.len());
}

fn hash_sets() {
    let threes: HashSet<u32> = (0..300).filter(|n| n % 3 == 0).collect();
    let fives: HashSet<u32> = (0..300).filter(|n| n % 5 == 0).collect();
    let both: u32 = threes.intersection(&fives).sum();
    println!(
        "hash set: union {}, difference {}, sum of the intersection {}",
        threes.union(&fives).count(),
        threes.difference(&fives).count(),
        both
    );
}

fn ordered() {
    let mut squares: BTreeMap<i64, String> = BTreeMap::new();
    for n in (-50i64..50).rev() {
        squares.insert(n * n * n, format!("{n}^3"));
    }
    let window: Vec<&str> = squares
        .range(-30..=100)
        .map(|(_, name)| name.as_str())
        .collect();
    println!("tree map: {}", window.join(" "));
    let upper = squares.split_off(&0);
    println!(
        "  {} below zero, {} from zero on",
        squares.len(),
        upper.len()
    );
    println!(
        "  last {:?}, first {:?}",
        upper.last_key_value(),
        squares.first_key_value()
    );

    let letters: BTreeSet<char> = "the quick brown fox jumps over the lazy dog"
        .chars()
        .collect();
    println!("tree set: {}", letters.iter().collect::<String>().trim());
}

fn queues() {
    // Forty people stand in a circle; every seventh leaves.
    let mut circle: VecDeque<u32> = (1..=40).collect();
    let mut left = Vec::new();
    while circle.len() > 1 {
        circle.rotate_left(6 % circle.len());
        left.extend(circle.pop_front());
    }
    println!(
        "deque: the first to leave {:?}, the last to stay {:?}",
        &left[..6],
        circle
    );

    let mut list: LinkedList<u32> = (0..10).collect();
    let mut tail = list.split_off(6);
    tail.append(&mut list);
    println!("linked list: {tail:?}");
}

fn sorting() {
    let mut random = Random::new(42);
    let mut records: Vec<(u32, u32)> = (0..50_000)
        .map(|index| (random.below(1000) as u32, index))
        .collect();
    records.sort_by_key(|&(key, _)| key);
    let stable = records.windows(2).all(|pair| pair[0] < pair[1]);
    println!(
        "stable sort: {}",
        if stable { "in order" } else { "broken" }
    );

    records.sort_unstable_by_key(|&(key, index)| (index % 100, key, index));
    println!(
        "unstable sort: {:?} .. {:?}",
        records[0],
        records[records.len() - 1]
    );
    let place =
        records.binary_search_by_key(&(50, 500, 0), |&(key, index)| (index % 100, key, index));
    println!("  binary search: {}", place.unwrap_or_else(|at| at));

    let mut names = ["pear", "Apple", "fig", "Banana", "cherry", "apple"];
    names.sort_by(|a, b| a.to_lowercase().cmp(&b.to_lowercase()).then(b.cmp(a)));
    println!("by name: {}", names.join(", "));

    let mut roots: Vec<f64> = (0..8).map(|n| f64::from((n * 5) % 8).sqrt()).collect();
    roots.sort_by(|a, b| b.total_cmp(a));
    println!("by float: {roots:.4?}");
}

/// Dijkstra on a made-up road map of a thousand towns.
fn shortest_paths() {
    const TOWNS: usize = 1000;
    let mut random = Random::new(7);
    let mut roads: Vec<Vec<(usize, u64)>> = vec![Vec::new(); TOWNS];
    for leaving in &mut roads {
        for _ in 0..4 {
            let to = random.below(TOWNS as u64) as usize;
            leaving.push((to, 1 + random.below(100)));
        }
    }
    let mut distances = vec![u64::MAX; TOWNS];
    let mut heap = BinaryHeap::from([Reverse((0u64, 0usize))]);
    while let Some(Reverse((distance, town))) = heap.pop() {
        if distance >= distances[town] {
            continue;
        }
        distances[town] = distance;
        for &(next, length) in &roads[town] {
            heap.push(Reverse((distance + length, next)));
        }
    }
    let reached: Vec<u64> = distances.into_iter().filter(|&d| d != u64::MAX).collect();
    println!(
        "heap: {} towns reached, the farthest at {}, {} in all",
        reached.len(),
        reached.iter().max().unwrap_or(&0),
        reached.iter().sum::<u64>()
    );
}

struct Folder {
    name: &'static str,
    parent: RefCell<Weak<Folder>>,
    children: RefCell<Vec<Rc<Folder>>>,
}

impl Folder {
    fn new(name: &'static str) -> Rc<Folder> {
        Rc::new(Folder {
            name,
            parent: RefCell::default(),
            children: RefCell::default(),
        })
    }

    fn add(self: &Rc<Folder>, name: &'static str) -> Rc<Folder> {
        let child = Folder::new(name);
        *child.parent.borrow_mut() = Rc::downgrade(self);
        self.children.borrow_mut().push(Rc::clone(&child));
        child
    }

    fn path(&self) -> String {
        match self.parent.borrow().upgrade() {
            Some(parent) => format!("{}/{}", parent.path(), self.name),
            None => self.name.to_string(),
        }
    }
}

fn shared_tree() {
    let root = Folder::new("root");
    let fruit = root.add("fruit");
    let apple = fruit.add("apple");
    fruit.add("pear");
    println!(
        "shared tree: {}, {} children of fruit",
        apple.path(),
        fruit.children.borrow().len()
    );
    drop(root);
    println!("  without its root: {}", apple.path());
}

trait Shape {
    fn area(&self) -> f64;
    fn name(&self) -> String {
        "shape".to_string()
    }
}

struct Square(f64);
struct Triangle(f64, f64, f64);

impl Shape for Square {
    fn area(&self) -> f64 {
        self.0 * self.0
    }
    fn name(&self) -> String {
        "square".to_string()
    }
}

impl Shape for Triangle {
    fn area(&self) -> f64 {
        let half = (self.0 + self.1 + self.2) / 2.0;
        (half * (half - self.0) * (half - self.1) * (half - self.2)).sqrt()
    }
}

fn shapes() {
    let all: Vec<Box<dyn Shape>> = vec![
        Box::new(Square(1.5)),
        Box::new(Triangle(3.0, 4.0, 5.0)),
        Box::new(Triangle(2.0, 2.0, 3.0)),
    ];
    for shape in &all {
        println!("{}: {:.6}", shape.name(), shape.area());
    }
}
