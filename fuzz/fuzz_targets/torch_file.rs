//! Any bytes as a file of `torch.save`; start from real files: `fuzz/README.md`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut file = b"PK\x03\x04".to_vec();
    file.extend_from_slice(data.strip_prefix(b"PK\x03\x04").unwrap_or(data));
    transferscope_fuzz::use_up(file);
});
