//! Gives the linker the memory of the board that the target stands for.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let target = env::var("TARGET").expect("cargo sets TARGET");
    println!("cargo::rustc-check-cfg=cfg(armv6m)");
    let memory = match target.as_str() {
        "thumbv6m-none-eabi" => {
            println!("cargo::rustc-cfg=armv6m");
            "memory/nrf51822.x"
        }
        "thumbv7m-none-eabi" => "memory/lm3s6965.x",
        other => panic!("no board for {other}: thumbv6m-none-eabi or thumbv7m-none-eabi"),
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::copy(memory, out.join("memory.x")).expect("OUT_DIR can be written");
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-bin=logged=-Tdefmt.x");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={memory}");
}
