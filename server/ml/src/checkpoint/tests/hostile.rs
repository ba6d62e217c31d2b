//! Files that no honest program wrote.

use super::{
    writer::{Packing, pack, state_dict},
    *,
};

/// A changed byte anywhere is either noticed or changes nothing.
#[test]
fn every_cut_and_every_flipped_bit_is_noticed() {
    let tensors = [("a.weight", &[2usize, 2][..], vec![0.5, 1.0, -1.5, 2.0]), ("b", &[3][..], vec![1.0; 3])];
    for packing in [Packing::Stored, Packing::Deflated, Packing::Zip64] {
        let file = pack(&state_dict(&tensors), packing);
        let sound = load(file.clone()).unwrap();
        for cut in 0..file.len() {
            assert!(load(file[..cut].to_vec()).is_err(), "{packing:?} cut at {cut}");
        }
        for at in 0..file.len() * 8 {
            let mut file = file.clone();
            file[at / 8] ^= 1 << (at % 8);
            if let Ok(read) = load(file) {
                assert_eq!(read, sound, "{packing:?} bit {at}");
            }
        }
    }
}
