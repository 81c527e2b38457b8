// A short script for the case in which the engine reads its script from a file:
// arguments, promises, generators, proxies, and the order in which jobs run.

"use strict";

const log = [];

async function countdown(name, from) {
  for (let n = from; n > 0; n--) {
    log.push(name + n);
    await null;
  }
  return name;
}

async function* numbers(limit) {
  for (let n = 0; n < limit; n++) yield await Promise.resolve(n * n);
}

async function main() {
  const names = await Promise.all([countdown("a", 3), countdown("b", 1), countdown("c", 2)]);
  print(names.join(), log.join(" "));

  const squares = [];
  for await (const square of numbers(6)) squares.push(square);
  print(squares.join());

  try {
    await Promise.any([Promise.reject(1), Promise.reject(2)]);
  } catch (error) {
    print(error.constructor.name, error.errors.join());
  }

  const seen = [];
  const watched = new Proxy({}, { get: (target, key) => (seen.push(key), key.length) });
  print(watched.one + watched.three, seen.join());
}

print("arguments:", scriptArgs.slice(1).join(", "));
main().then(() => print("done"));
print("the script has ended");
