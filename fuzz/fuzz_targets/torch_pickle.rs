//! Any program as the pickle of a sound archive, whose checksums random bytes would never meet.
#![no_main]

use flate2::Crc;

/// Numbers that tensors of the pickle can show: entry `data/0`.
const STORAGE: [u8; 64] = [1; 64];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    transferscope_fuzz::use_up(archive(&[("x/data.pkl", data), ("x/data/0", &STORAGE)]));
});

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in entries {
        let header = file.len() as u32;
        let mut crc = Crc::new();
        crc.update(content);
        let size = (content.len() as u32).to_le_bytes();
        let mut common = vec![0; 10];
        common.extend(crc.sum().to_le_bytes());
        common.extend(size.iter().chain(&size));
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0; 2]);
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(name.as_bytes());
        file.extend(*content);
        directory.extend(b"PK\x01\x02\0\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(header.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let end = [directory.len() as u32, file.len() as u32];
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([entries.len() as u8, 0, entries.len() as u8, 0]);
    file.extend(end.iter().flat_map(|v| v.to_le_bytes()));
    file.extend([0; 2]);
    file
}
