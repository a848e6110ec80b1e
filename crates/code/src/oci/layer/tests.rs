use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn unpack(layer: &[u8], kind: Kind) -> Result<Vec<u8>, Reason> {
    module(layer, kind, 1000, 100_000)
}

#[test]
fn the_module_among_other_files() {
    for name in [
        "plugin.wasm",
        "./plugin.wasm",
        "a/b/plugin.wasm",
        &format!("{}/plugin.wasm", "long".repeat(50)),
    ] {
        let tar = tar(&[
            ("plugin.wasm.md", b"no"),
            ("config.json", b"{}"),
            (name, b"code"),
            ("plugin.wasm", b"second"),
        ]);
        assert_eq!(unpack(&tar, Kind::Tar), Ok(b"code".to_vec()));
        assert_eq!(unpack(&gzip(&tar), Kind::TarGzip), Ok(b"code".to_vec()));
        // Go's reader goes on where one gzip ends and another one begins, and so do those who write them.
        let (first, second) = tar.split_at(600);
        let two = [gzip(first), gzip(second)].concat();
        assert_eq!(unpack(&two, Kind::TarGzip), Ok(b"code".to_vec()));
    }
}

#[test]
fn what_is_not_a_file_is_not_it() {
    let mut archive = tar::Builder::new(Vec::new());
    for kind in [
        tar::EntryType::Symlink,
        tar::EntryType::Link,
        tar::EntryType::Directory,
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        archive
            .append_link(&mut header, "plugin.wasm", "/etc/passwd")
            .unwrap();
    }
    let none = Err(Reason::Image("no plugin.wasm in its layer".to_owned()));
    assert_eq!(unpack(&archive.into_inner().unwrap(), Kind::Tar), none);
    assert_eq!(unpack(&tar(&[]), Kind::Tar), none);
    assert_eq!(unpack(&tar(&[("other.wasm", b"x")]), Kind::Tar), none);
}

#[test]
fn bombs() {
    // The module itself.
    let fits = tar(&[("plugin.wasm", &[0; 1000])]);
    assert_eq!(
        unpack(&gzip(&fits), Kind::TarGzip).map(|module| module.len()),
        Ok(1000)
    );
    let large = tar(&[("plugin.wasm", &[0; 1001])]);
    assert_eq!(unpack(&gzip(&large), Kind::TarGzip), Err(Reason::TooLarge(1000)));
    // What is in front of it: 50 MB in 50 KB.
    let zeros = vec![0; 50 << 20];
    let bomb = gzip(&tar(&[("zeros", &zeros), ("plugin.wasm", b"x")]));
    assert!(bomb.len() < 1 << 20);
    assert_eq!(unpack(&bomb, Kind::TarGzip), Err(Reason::TooLarge(100_000)));
    // Only zeros, which is an archive that ends at once; and one that says that it has much more than there is.
    let none = Err(Reason::Image("no plugin.wasm in its layer".to_owned()));
    assert_eq!(unpack(&gzip(&zeros), Kind::TarGzip), none);
    let cut = &tar(&[("plugin.wasm", &[0; 900])])[..1000];
    assert!(matches!(unpack(cut, Kind::Tar), Err(Reason::Image(_))));
    // A name of 50 MB.
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(zeros.len() as u64);
    header.set_path("long").unwrap();
    header.set_cksum();
    archive.append(&header, &zeros[..]).unwrap();
    let name = gzip(&archive.into_inner().unwrap());
    assert_eq!(unpack(&name, Kind::TarGzip), Err(Reason::TooLarge(100_000)));
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_or_a_module(layer: Vec<u8>, at in 0usize..3000, with: u8) {
        let mut damaged = gzip(&tar(&[("plugin.wasm", b"code")]));
        let at = at % damaged.len();
        damaged[at] = with;
        let mut archive = tar(&[("plugin.wasm", b"code")]);
        let place = at % archive.len();
        archive[place] = with;
        for (bytes, kind) in [(&layer, Kind::Tar), (&layer, Kind::TarGzip), (&damaged, Kind::TarGzip), (&archive, Kind::Tar)] {
            if let Ok(module) = unpack(bytes, kind) {
                prop_assert!(module.len() <= 1000);
            }
        }
    }
}
