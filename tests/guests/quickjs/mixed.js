// A mixed workload for a JavaScript engine: one function a topic, each printing
// a line that depends on everything it did. Floats come from + - * / and sqrt,
// random numbers from a generator of our own, so the output is the same in
// every engine and on every machine.

"use strict";

// ---- the generator ----

function makeRandom(seed) {
  let state = seed >>> 0;
  return function below(limit) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

function checksum(text) {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}

function report(topic, ...facts) {
  console.log(topic.padEnd(10), facts.join(" "));
}

// ---- a scheduler: tasks of several classes pass messages along a ring ----

class Message {
  constructor(kind, hops) {
    this.kind = kind;
    this.hops = hops;
    this.load = [0, 0, 0, 0];
  }
}

class Task {
  constructor(scheduler, name, priority) {
    this.scheduler = scheduler;
    this.name = name;
    this.priority = priority;
    this.inbox = [];
    this.steps = 0;
    this.next = null;
  }

  ready() {
    return this.inbox.length > 0;
  }

  send(task, message) {
    task.inbox.push(message);
    this.scheduler.wake(task);
  }

  step() {
    this.steps++;
    this.handle(this.inbox.shift());
  }
}

class Worker extends Task {
  handle(message) {
    for (let i = 0; i < message.load.length; i++) {
      message.load[i] = (message.load[i] * 31 + this.steps + i) & 0xffff;
    }
    message.hops--;
    this.send(message.hops > 0 ? this.next : this.scheduler.sink, message);
  }
}

class Relay extends Task {
  handle(message) {
    if (message.kind === "slow" && this.steps % 3 !== 0) {
      this.inbox.push(message);
      this.scheduler.wake(this);
    } else {
      this.send(this.next, message);
    }
  }
}

class Sink extends Task {
  constructor(scheduler, name, priority) {
    super(scheduler, name, priority);
    this.sum = 0;
    this.left = 0;
  }

  handle(message) {
    this.sum = (this.sum + message.load.reduce((a, b) => a + b, 0)) % 1000003;
    if (this.left-- > 0) {
      message.hops = 5 + (this.sum % 7);
      this.send(this.next, message);
    }
  }
}

class Scheduler {
  constructor() {
    this.queues = [[], [], []];
    this.switches = 0;
    this.sink = null;
  }

  wake(task) {
    const queue = this.queues[task.priority];
    if (!queue.includes(task)) queue.push(task);
  }

  run() {
    for (;;) {
      const queue = this.queues.find((tasks) => tasks.length > 0);
      if (queue === undefined) return;
      const task = queue.shift();
      this.switches++;
      task.step();
      if (task.ready()) this.wake(task);
    }
  }
}

function scheduling() {
  const scheduler = new Scheduler();
  const sink = new Sink(scheduler, "sink", 0);
  scheduler.sink = sink;
  sink.left = 7000;
  const ring = [sink];
  for (let i = 0; i < 6; i++) {
    ring.push(new (i % 3 === 2 ? Relay : Worker)(scheduler, "task" + i, 1 + (i % 2)));
  }
  ring.forEach((task, i) => (task.next = ring[(i + 1) % ring.length]));
  sink.next = ring[1];
  ring[6].next = ring[1];
  for (let i = 0; i < 12; i++) {
    ring[1].send(ring[1 + (i % 6)], new Message(i % 4 === 0 ? "slow" : "fast", 4 + i));
  }
  scheduler.run();
  report("scheduler", scheduler.switches, "switches, sum", sink.sum, ring.map((task) => task.steps).join("/"));
}

// ---- text ----

const SYLLABLES = ["ba", "co", "di", "fu", "gre", "hal", "in", "jo", "ku", "lem", "mor", "ny"];

function makeText(words, seed) {
  const below = makeRandom(seed);
  let text = "";
  for (let i = 0; i < words; i++) {
    let word = "";
    for (let left = 1 + below(4); left > 0; left--) word += SYLLABLES[below(SYLLABLES.length)];
    if (below(9) === 0) word = word[0].toUpperCase() + word.slice(1);
    if (below(25) === 0) word += "-" + below(1000);
    text += word + (below(12) === 0 ? ". " : " ");
  }
  return text;
}

function building() {
  const text = makeText(16000, 11);
  const parts = [];
  for (let i = 0; i < text.length; i += 97) {
    parts.push(text.substring(i, i + 50).trim().split("").reverse().join(""));
  }
  let joined = parts.join("|");
  for (const [from, to] of [["ab", "<ba>"], ["|", "\n"], ["uk", "ku"]]) joined = joined.replaceAll(from, to);
  const lines = joined.split("\n").map((line, i) => `${String(i).padStart(4, "0")}: ${line.slice(0, 30)}`);
  report("strings", text.length, joined.length, checksum(lines.join("\n")), JSON.stringify(lines[7]));
}

function matching() {
  const text = makeText(12000, 23);
  const words = text.match(/[a-z]+/gi);
  const numbered = [...text.matchAll(/(?<word>[A-Za-z]+)-(?<number>\d+)/g)];
  const sum = numbered.reduce((total, match) => total + Number(match.groups.number), 0);
  const swapped = text.replace(/\b([a-z])([a-z]*?)(mor|lem)\b/g, (whole, first, middle, last) => last + middle + first);
  const doubled = text.match(/([a-z]{2})\1/g) ?? [];
  const sentences = text.split(/\.\s+(?=[A-Z])/);
  const dates = "2026-11-23, 1999-02-30, 12-1-1".replace(/(\d{4})-(\d\d)-(\d\d)/g, "$3.$2.$1");
  report("regexps", words.length, numbered.length, sum, checksum(swapped), doubled.length, sentences.length, dates);
}

// ---- collections ----

function sorting() {
  const below = makeRandom(5);
  const records = [];
  for (let i = 0; i < 12000; i++) {
    records.push({ id: i, group: below(40), score: below(100000) / 8, name: SYLLABLES[below(12)] + below(50) });
  }
  records.sort((a, b) => a.group - b.group || b.score - a.score || a.id - b.id);
  const firsts = records.filter((record, i) => i === 0 || record.group !== records[i - 1].group);
  const names = records.map((record) => record.name).sort();
  const numbers = Float64Array.from(records, (record) => record.score).sort();
  report("sorting", firsts.length, checksum(records.map((record) => record.id).join()), names[3000], numbers[1234], numbers[5999]);
}

function collections() {
  const below = makeRandom(77);
  const counts = new Map();
  for (let i = 0; i < 30000; i++) {
    const key = below(3) ? "k" + below(900) : below(900);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const key of counts.keys()) if (typeof key === "number" && key % 3 === 0) counts.delete(key);
  const common = [...counts].sort((a, b) => b[1] - a[1] || (String(a[0]) < String(b[0]) ? -1 : 1)).slice(0, 3);
  const drawn = new Set();
  for (let i = 0; i < 8000; i++) drawn.add("n" + below(5000));
  let inBoth = 0;
  for (let i = 0; i < 10000; i += 3) if (drawn.has("n" + i)) inBoth++;
  report("maps", counts.size, common.flat().join("/"), drawn.size, inBoth);
}

function json() {
  const below = makeRandom(31);
  const build = (depth) => {
    if (depth === 0) return below(2) ? below(1e6) / 4 : `text "${below(1000)}" \u00e9\n`;
    if (below(3) === 0) return Array.from({ length: 2 + below(4) }, () => build(depth - 1));
    const object = {};
    for (let i = 0; i < 4; i++) object[SYLLABLES[below(12)] + i] = build(depth - 1);
    object.flag = below(2) === 1;
    object.nothing = null;
    return object;
  };
  const value = Array.from({ length: 16 }, () => build(4));
  let text = JSON.stringify(value);
  for (let round = 0; round < 8; round++) text = JSON.stringify(JSON.parse(text));
  const pretty = JSON.stringify(value, (key, item) => (key === "flag" ? undefined : item), 2);
  report("json", text.length, checksum(text), pretty.split("\n").length, checksum(pretty));
}

// ---- numbers ----

function typedArrays() {
  const size = 100000;
  const sieve = new Uint8Array(size).fill(1);
  for (let i = 2; i * i < size; i++) {
    if (sieve[i]) for (let j = i * i; j < size; j += i) sieve[j] = 0;
  }
  let primes = 0;
  for (let i = 2; i < size; i++) primes += sieve[i];

  const words = new Uint32Array(2048);
  for (let i = 0, x = 1; i < words.length; i++, x = Math.imul(x, 1664525) + 1013904223) words[i] = x;
  const bytes = new Uint8Array(words.buffer);
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  const view = new DataView(words.buffer);
  view.setFloat32(4, 0.1, true);
  report("arrays", primes, (~crc >>> 0).toString(16), view.getFloat32(4, true), view.getInt16(10, false), bytes.subarray(40, 44).join());
}

function planets() {
  const bodies = [
    { x: [0, 0, 0], v: [0, 0, 0], mass: 40 },
    { x: [5, 0.5, -0.25], v: [0.25, 2.5, 0], mass: 0.04 },
    { x: [8, -4, 0.5], v: [1, 1.75, 0.125], mass: 0.01 },
    { x: [-12, 9, -1], v: [-1, -1.25, 0.0625], mass: 0.002 },
    { x: [15, 20, 0.75], v: [-1, 0.5, -0.25], mass: 0.002 },
  ];
  const energy = () => {
    let sum = 0;
    bodies.forEach((body, i) => {
      sum += 0.5 * body.mass * (body.v[0] * body.v[0] + body.v[1] * body.v[1] + body.v[2] * body.v[2]);
      for (const other of bodies.slice(i + 1)) {
        const d = body.x.map((x, axis) => x - other.x[axis]);
        sum -= (body.mass * other.mass) / Math.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
      }
    });
    return sum;
  };
  const before = energy();
  for (let step = 0; step < 7000; step++) advance(bodies, 0.002);
  report("planets", before.toFixed(9), energy().toFixed(9), bodies[1].x.map((x) => x.toFixed(6)).join());
}

function advance(bodies, dt) {
  for (let i = 0; i < bodies.length; i++) {
    const a = bodies[i];
    for (let j = i + 1; j < bodies.length; j++) {
      const b = bodies[j];
      const dx = a.x[0] - b.x[0];
      const dy = a.x[1] - b.x[1];
      const dz = a.x[2] - b.x[2];
      const square = dx * dx + dy * dy + dz * dz;
      const pull = dt / (square * Math.sqrt(square));
      a.v[0] -= dx * b.mass * pull;
      a.v[1] -= dy * b.mass * pull;
      a.v[2] -= dz * b.mass * pull;
      b.v[0] += dx * a.mass * pull;
      b.v[1] += dy * a.mass * pull;
      b.v[2] += dz * a.mass * pull;
    }
  }
  for (const body of bodies) {
    for (let axis = 0; axis < 3; axis++) body.x[axis] += dt * body.v[axis];
  }
}

function integers() {
  let fibonacci = [0n, 1n];
  for (let i = 0; i < 3000; i++) fibonacci = [fibonacci[1], fibonacci[0] + fibonacci[1]];
  let power = 1n;
  for (let i = 0, base = 7n; i < 200; i++) power = (power * base) % 1000000000000000003n;
  const collatz = (n) => {
    let steps = 0;
    for (; n !== 1; steps++) n = n % 2 ? 3 * n + 1 : n / 2;
    return steps;
  };
  let longest = 0;
  for (let n = 1; n < 4000; n++) longest = Math.max(longest, collatz(n));
  report("integers", checksum(String(fibonacci[0])), power, longest, (255).toString(36), parseInt("zz", 36));
}

// ---- functions ----

function closures() {
  const compose = (...steps) => (value) => steps.reduce((result, step) => step(result), value);
  const counter = () => {
    let count = 0;
    return { add: (n) => (count += n), get: () => count };
  };
  const counters = Array.from({ length: 20 }, counter);
  const pipeline = compose((x) => x + 1, (x) => (x * 17) % 1009, (x) => [x, x % 7], ([a, b]) => a * b);
  for (let i = 0; i < 30000; i++) counters[i % 20].add(i % 7);
  let piped = 0;
  for (let i = 0; i < 6000; i++) piped += pipeline(i);
  const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));
  function* walk(tree) {
    if (Array.isArray(tree)) for (const branch of tree) yield* walk(branch);
    else yield tree;
  }
  const tree = [1, [2, [3, 4], 5], [[[6]], 7], 8];
  report("closures", counters.map((c) => c.get()).join(), piped, fib(23), [...walk(tree)].join(""));
}

function exceptions() {
  const caught = new Map();
  const attempts = [() => null.x, () => undefinedName, () => [].reduce((a) => a), () => "x".repeat(-1), () => JSON.parse("{")];
  for (let i = 0; i < 5000; i++) {
    try {
      attempts[i % attempts.length]();
    } catch (error) {
      caught.set(error.name, (caught.get(error.name) ?? 0) + 1);
    } finally {
      caught.set("finally", (caught.get("finally") ?? 0) + 1);
    }
  }
  report("throwing", [...caught].map(([name, count]) => `${name}=${count}`).join(" "));
}

for (const topic of [
  scheduling, building, matching, sorting, collections, json,
  typedArrays, planets, integers, closures, exceptions,
]) {
  topic();
}
