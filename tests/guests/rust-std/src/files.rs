//! Files and directories below one directory, which starts and ends empty. Its
//! name is never printed: it differs from run to run.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::collections::Random;
use crate::heading;

pub fn run(dir: &Path) -> io::Result<()> {
    heading("files");
    text_file(dir)?;
    seeking(dir)?;
    large_file(dir)?;
    tree(dir)?;
    renaming(dir)?;
    failures(dir)?;
    println!("left behind: {:?}", names(dir)?);
    Ok(())
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.push(format!("{}{slash}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    Ok(names)
}

fn text_file(dir: &Path) -> io::Result<()> {
    let path = dir.join("poem.txt");
    fs::write(&path, "first\nsecond, with ünicode\n")?;
    let mut appended = OpenOptions::new().append(true).open(&path)?;
    writeln!(appended, "third {:>5}", 3)?;
    drop(appended);

    for (number, line) in BufReader::new(File::open(&path)?).lines().enumerate() {
        println!("{}: {}", number + 1, line?);
    }
    let metadata = fs::metadata(&path)?;
    println!(
        "{} bytes, file {}, directory {}",
        metadata.len(),
        metadata.is_file(),
        metadata.is_dir()
    );
    println!("{} bytes of text", fs::read_to_string(&path)?.len());
    fs::remove_file(&path)
}

fn seeking(dir: &Path) -> io::Result<()> {
    let path = dir.join("seek.bin");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    file.write_all(b"0123456789abcdef")?;
    file.seek(SeekFrom::Start(4))?;
    file.write_all(b"####")?;
    let end = file.seek(SeekFrom::End(-4))?;
    let mut tail = [0; 4];
    file.read_exact(&mut tail)?;
    file.seek(SeekFrom::Start(0))?;
    let mut all = String::new();
    file.read_to_string(&mut all)?;
    println!(
        "{all} {} at {end}, now at {}",
        tail.escape_ascii(),
        file.stream_position()?
    );

    file.set_len(6)?;
    file.sync_all()?;
    println!("cut to {} bytes", file.metadata()?.len());
    file.set_len(9)?;
    println!("grown: {:?}", fs::read(&path)?.escape_ascii().to_string());

    let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    file.set_modified(noon)?;
    println!(
        "modified at the billionth second: {}",
        file.metadata()?.modified()? == noon
    );
    let mut twin = file.try_clone().or_else(|_| File::open(&path))?;
    twin.seek(SeekFrom::Start(1))?;
    let mut two = [0; 2];
    twin.read_exact(&mut two)?;
    println!("second handle: {}", two.escape_ascii());
    fs::remove_file(&path)
}

/// Two megabytes through buffers, then read again and summed.
fn large_file(dir: &Path) -> io::Result<()> {
    let path = dir.join("numbers.txt");
    let mut random = Random::new(99);
    let mut writer = BufWriter::new(File::create(&path)?);
    let mut written: u64 = 0;
    for _ in 0..200_000 {
        let number = random.below(1 << 30);
        written = written.wrapping_add(number);
        writeln!(writer, "{number}")?;
    }
    writer.flush()?;
    drop(writer);

    let mut read: u64 = 0;
    for line in BufReader::with_capacity(4096, File::open(&path)?).lines() {
        read = read.wrapping_add(line?.parse().unwrap_or(0));
    }
    println!(
        "{} bytes, sum {read}, as written: {}",
        fs::metadata(&path)?.len(),
        read == written
    );
    fs::remove_file(&path)
}

fn tree(dir: &Path) -> io::Result<()> {
    let deep = dir.join("a/b/c");
    fs::create_dir_all(&deep)?;
    fs::create_dir_all(&deep)?;
    for index in 0..150 {
        fs::write(
            dir.join("a/b").join(format!("file-{index:03}")),
            vec![b'.'; index],
        )?;
    }
    fs::write(deep.join("leaf"), "leaf")?;
    let listed = names(&dir.join("a/b"))?;
    println!(
        "{} entries, {} .. {}",
        listed.len(),
        listed[0],
        listed[listed.len() - 1]
    );
    println!("{} bytes in the tree", tree_size_bytes(&dir.join("a"))?);
    fs::remove_dir_all(dir.join("a"))
}

fn tree_size_bytes(dir: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        sum += match entry.file_type()?.is_dir() {
            true => tree_size_bytes(&entry.path())?,
            false => entry.metadata()?.len(),
        };
    }
    Ok(sum)
}

fn renaming(dir: &Path) -> io::Result<()> {
    let path = |name: &str| -> PathBuf { dir.join(name) };
    fs::write(path("old"), "contents")?;
    fs::rename(path("old"), path("new"))?;
    fs::create_dir(path("sub"))?;
    fs::copy(path("new"), path("sub/copy"))?;
    fs::hard_link(path("new"), path("link"))?;
    fs::write(path("link"), "through the link")?;
    println!("{:?} {:?}", names(dir)?, names(&path("sub"))?);
    println!(
        "{:?} {:?}",
        fs::read_to_string(path("new"))?,
        fs::read_to_string(path("sub/../sub/copy"))?
    );
    fs::rename(path("sub/copy"), path("new"))?;
    println!(
        "{:?} exists: {}",
        fs::read_to_string(path("new"))?,
        path("sub/copy").exists()
    );
    fs::rename(path("sub"), path("moved"))?;
    println!("{:?}", names(dir)?);
    fs::remove_dir(path("moved"))?;
    fs::remove_file(path("link"))?;
    fs::remove_file(path("new"))
}

/// What must not work, and how it is refused.
fn failures(dir: &Path) -> io::Result<()> {
    let file = dir.join("file");
    fs::write(&file, "x")?;
    fs::create_dir_all(dir.join("full/inner"))?;
    let report = |what: &str, kind: Option<ErrorKind>| println!("{what}: {kind:?}");
    report(
        "open what is missing",
        File::open(dir.join("missing")).err().map(|e| e.kind()),
    );
    report(
        "create below what is missing",
        File::create(dir.join("no/file")).err().map(|e| e.kind()),
    );
    report(
        "create anew",
        File::create_new(&file).err().map(|e| e.kind()),
    );
    report(
        "make a directory twice",
        fs::create_dir(dir.join("full")).err().map(|e| e.kind()),
    );
    // For WASI, std has no kind for this one.
    println!(
        "remove a full directory: refused {}",
        fs::remove_dir(dir.join("full")).is_err()
    );
    report(
        "a file as a directory",
        File::open(file.join("child")).err().map(|e| e.kind()),
    );
    report(
        "rename what is missing",
        fs::rename(dir.join("missing"), dir.join("x"))
            .err()
            .map(|e| e.kind()),
    );
    report("text that is not UTF-8", {
        fs::write(&file, [0xff, 0xfe])?;
        fs::read_to_string(&file).err().map(|e| e.kind())
    });
    println!(
        "read-only handle refuses: {}",
        File::open(&file)?.write(b"y").is_err()
    );
    println!(
        "outside is out of reach: {}",
        fs::read(dir.join("../no-such-neighbour")).is_err()
    );
    fs::remove_dir_all(dir.join("full"))?;
    fs::remove_file(&file)
}
