//! Any JSON header and the bytes after it as a file of safetensors.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // The length that the format wants first is made to fit, up to a byte 0 or the end.
    let len = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    let mut file = (len as u64).to_le_bytes().to_vec();
    file.extend_from_slice(data);
    transferscope_fuzz::use_up(file);
});
