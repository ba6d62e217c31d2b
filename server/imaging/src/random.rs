//! Random streams by seed and purpose, the same on every machine.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A random stream for `seed` and a label; streams of different labels are independent.
pub fn stream(seed: u64, label: &str) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(label.as_bytes());
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}
