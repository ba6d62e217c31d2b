//! Any bytes after the magic number of the files that `torch.save` wrote before PyTorch 1.6.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut file = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec();
    file.extend_from_slice(data);
    transferscope_fuzz::use_up(file);
});
