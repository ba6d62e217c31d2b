//! Times the comparison of two large sets of features: median bandwidth, unbiased MMD² and linear CKA.
//!
//! `cargo run -p transferscope-study --example feature_bench -- ROWS WIDTH REPETITIONS` (4000, 384 and 5 if not given)
//! prints JSON with the least time of the repetitions and the most memory that the process ever held;
//! `feature_bench.py` beside it does the same with scikit-learn and NumPy and prints the ratios.

use std::{env, fs, time::Instant};

use serde_json::json;
use transferscope_study::{
    alignment::{Rows, gamma_from_sigma, mmd2_unbiased, pooled_bandwidth},
    similarity::linear_cka,
};

/// Number `i` of a stream of uniform numbers between -0.5 and 0.5 (SplitMix64), which other languages repeat easily.
fn uniform(stream: u64, i: u64) -> f64 {
    let mut z = (stream << 40).wrapping_add(i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64 - 0.5
}

/// Features of falling variance by column, and the same ones moved and with noise.
fn features(rows: usize, width: usize) -> Result<[Rows; 2], Box<dyn std::error::Error>> {
    let size = |i: usize| 4.0 / (1.0 + (i % width) as f64 / 16.0);
    let before: Vec<f64> = (0..rows * width).map(|i| uniform(0, i as u64) * size(i)).collect();
    let moved = |(i, v): (usize, &f64)| 0.8 * v + 0.6 * uniform(1, i as u64) * size(i) + 0.05;
    let after: Vec<f64> = before.iter().enumerate().map(moved).collect();
    Ok([Rows::new(width, before)?, Rows::new(width, after)?])
}

/// The least time in seconds, and the last result.
fn timed<T>(repetitions: usize, mut of: impl FnMut() -> T) -> (f64, T) {
    let mut once = || {
        let start = Instant::now();
        let value = of();
        (start.elapsed().as_secs_f64(), value)
    };
    let mut best = once();
    for _ in 1..repetitions {
        let next = once();
        best = (best.0.min(next.0), next.1);
    }
    best
}

/// Most memory that this process has held, in MiB; none where the system does not say.
fn peak_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let mut next = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let (rows, width, repetitions) = (next(4000)?, next(384)?, next(5)?);
    let [before, after] = features(rows, width)?;
    let (bandwidth_s, sigma) = timed(repetitions, || pooled_bandwidth(&after, &before));
    let sigma = sigma?.ok_or("all rows are equal")?;
    let (mmd2_s, mmd2) = timed(repetitions, || mmd2_unbiased(&after, &before, gamma_from_sigma(sigma)));
    let peak_of_mmd2 = peak_mib();
    let (cka_s, cka) = timed(repetitions, || linear_cka(&after, &before));
    let report = json!({
        "rows": rows, "width": width, "repetitions": repetitions,
        "bandwidth_s": bandwidth_s, "mmd2_s": mmd2_s, "cka_s": cka_s,
        "sigma": sigma, "mmd2": mmd2?, "cka": cka?,
        "peak_mib_mmd2": peak_of_mmd2, "peak_mib": peak_mib(),
    });
    println!("{report:#}");
    Ok(())
}
