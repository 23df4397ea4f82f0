#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fillgauge_fuzz::registry(input));
