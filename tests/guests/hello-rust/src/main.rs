//! Prints one line: what is left of a run is the cost of starting it.

fn main() {
    println!("hello, world");
}
