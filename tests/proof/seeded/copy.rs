//! Makes a copy of the tree that has all seeded bugs: `copy BUGS-FOLDER COPY`, in the root of the tree, with the names of
//! its files at standard input. A file that is in the copy already, as it is to be, stays: what is built from it is fresh.

mod bugs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, copy] = &arguments[..] else {
        return Err("two arguments: the folder of the bugs, and the copy".into());
    };
    let mut bugs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "bugs") {
            bugs.extend(bugs::parse(&fs::read_to_string(path)?)?);
        }
    }
    let mut changed = bugs::apply(&bugs, |file| fs::read_to_string(file).ok()).map_err(|wrong| wrong.join("\n"))?;
    add_switch(&mut changed, &fs::read_to_string(Path::new(folder).join("switch.rs"))?)?;
    let files: BTreeSet<String> = io::stdin().lines().collect::<Result<_, _>>()?;
    for file in files.iter().chain(changed.keys()) {
        let to = Path::new(copy).join(file);
        let contents = match changed.get(file) {
            Some(text) => text.clone().into_bytes(),
            None => fs::read(file)?,
        };
        if fs::read(&to).is_ok_and(|there| there == contents) {
            continue;
        }
        fs::create_dir_all(to.parent().expect("below the copy"))?;
        fs::write(&to, contents)?;
        fs::set_permissions(&to, fs::metadata(file).or_else(|_| fs::metadata("Cargo.toml"))?.permissions())?;
    }
    println!("{} bugs in {} files", bugs.len(), changed.len());
    Ok(())
}

/// A crate that has sources of others among its own.
const INCLUDES_OTHERS: &str = "tests/models/src";

/// Gives each crate that has bugs the module that says which of them is on.
fn add_switch(changed: &mut BTreeMap<String, String>, switch: &str) -> io::Result<()> {
    let with_bugs = changed.keys().filter_map(|file| Some(file[..file.find("/src/")?].to_owned() + "/src"));
    let sources: BTreeSet<String> = with_bugs.chain([INCLUDES_OTHERS.to_owned()]).collect();
    for source in sources {
        let root = format!("{source}/lib.rs");
        let text = match changed.remove(&root) {
            Some(text) => text,
            None => fs::read_to_string(&root)?,
        };
        changed.insert(root, text + "\nmod seeded;\n");
        changed.insert(format!("{source}/seeded.rs"), switch.to_owned());
    }
    Ok(())
}
