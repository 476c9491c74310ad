//! Makes the version of the protocol of its source.

use std::{fs, io};

fn main() -> io::Result<()> {
    let mut paths = Vec::new();
    for entry in fs::read_dir("src")? {
        paths.push(entry?.path());
    }
    paths.sort();
    // FNV-1a, of 32 bits.
    let mut hash = 0x811c_9dc5_u32;
    for path in paths {
        for byte in fs::read(path)? {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rustc-env=PEMA_PROTOCOL={hash}");
    Ok(())
}
