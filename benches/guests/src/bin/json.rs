//! A document of JSON, printed, parsed, changed and printed again, so many times: `serde_json`. `json [ROUNDS]`

use bench_guests::{Random, checksum, prose, size};
use serde_json::{Value, json};

fn main() {
    let mut document = document();
    for round in 0..size(12) {
        let text = serde_json::to_string(&document).expect("it can be printed");
        document = serde_json::from_str(&text).expect("it can be parsed");
        let people = document["people"].as_array_mut().expect("people");
        people.rotate_left(1 + round);
        for person in people.iter_mut().step_by(3) {
            person["visits"] = json!(person["visits"].as_u64().unwrap_or(0) + 1);
            person["round"] = json!(format!("\u{e9}t\u{e9} {round}\n"));
        }
    }
    let text = serde_json::to_string_pretty(&document).expect("it can be printed");
    println!("{} bytes, {:016x}", text.len(), checksum(text.as_bytes()));
}

fn document() -> Value {
    let mut random = Random(3);
    let text = prose(200_000);
    let mut lines = text.lines().cycle();
    let mut person = |id: usize| {
        let scores: Vec<f64> = (0..8).map(|_| (random.signed_unit() * 1e6).round() / 64.0).collect();
        json!({
            "id": id, "name": lines.next(), "active": id % 3 == 0, "visits": random.below(1000), "scores": scores,
            "address": { "street": lines.next(), "number": random.below(300), "geo": [random.signed_unit(), null] },
        })
    };
    let people: Vec<Value> = (0..3000).map(&mut person).collect();
    json!({ "version": 3, "people": people })
}
