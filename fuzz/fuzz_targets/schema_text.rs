#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wasmill_fuzz::codec::fuzz::schema_text(data));
