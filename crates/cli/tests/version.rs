//! The program starts. Because of this file `cargo test --workspace` builds it, which the tests of what
//! it promises, `cli.rs` in the package `pema-tests`, rely on: Cargo builds no program for the tests of
//! another package.

use std::process::Command;

#[test]
fn the_program_says_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_pema")).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), concat!("pema ", env!("CARGO_PKG_VERSION")));
}
