//! Means of cells near the ends of what a metric can be; board and experiment page show this interval.

use std::sync::OnceLock;

use transferscope_domain::{Adaptation, Arm, TaskKind};

use crate::{
    draw::Draw,
    gains::normal_cdf,
    report::{Seen, Wanted, all_kept, full, line},
    studies::{Scores, pair},
};

/// Log odds around which cases lie, and their spread; a seed's and what both make together are half of it.
const CENTRES: [(f64, &str); 3] = [(0.0, "middle"), (2.0, "high"), (-2.5, "low")];
const CASE: f64 = 0.8;

fn expit(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The mean over all seeds and cases, by drawing many.
fn truth(centre: f64, spread: f64) -> f64 {
    let mut draw = Draw::new("truth", "bounded", 0);
    const MANY: usize = 400_000;
    (0..MANY).map(|_| expit(centre + spread * draw.normal())).sum::<f64>() / MANY as f64
}

#[test]
fn means_of_dice() {
    let mut kept = Vec::new();
    let sizes: &[(usize, usize)] =
        if full() { &[(3, 16), (3, 24), (5, 16), (5, 24), (10, 16), (10, 24)] } else { &[(3, 16), (10, 24)] };
    for (centre, where_) in CENTRES {
        for &(seeds, cases) in sizes {
            for seed_part in [0.3, 2.0] {
                let seed = seed_part * CASE / (cases as f64).sqrt();
                let known = OnceLock::new();
                let study = |draw: &mut Draw| {
                    let all_cases = draw.normals(cases);
                    let all = pair(TaskKind::Segmentation, seeds, Adaptation::Full, |_, _| {
                        let of_seed = centre + seed * draw.normal();
                        let score = |case: &f64| expit(of_seed + CASE * case + CASE / 2.0 * draw.normal());
                        Scores::Mean(all_cases.iter().map(score).collect())
                    });
                    let spread = (CASE * CASE * 1.25 + seed * seed).sqrt();
                    let truth = *known.get_or_init(|| truth(centre, spread));
                    let interval = all.cells[0].arm(Arm::Scratch).unwrap().interval.unwrap();
                    assert!(0.0 < interval.low && interval.high < 1.0);
                    vec![Seen { covered: Some(interval.contains(truth)), called: None }]
                };
                let setting = format!(
                    "{where_}, {seeds} seeds x {cases} cases, seed spread {seed_part} of the case part"
                );
                kept.push(line("Mean of a cell, Dice", &setting, Wanted::coverage(), study));
            }
        }
    }
    all_kept(&kept);
}

#[test]
fn means_of_areas_under_the_curve() {
    let mut kept = Vec::new();
    let sizes: &[(usize, usize)] =
        if full() { &[(3, 16), (3, 24), (5, 16), (5, 24), (10, 16), (10, 24)] } else { &[(3, 16), (10, 24)] };
    for &(seeds, cases) in sizes {
        for signal in [0.0, 1.0, 2.0] {
            let study = |draw: &mut Draw| {
                let all_cases = draw.normals(cases);
                let all = pair(TaskKind::Classification, seeds, Adaptation::Full, |_, _| {
                    let of_seed = signal + 0.4 * draw.normal();
                    let score = |(i, case): (usize, &f64)| {
                        let truth = if i >= cases / 2 { of_seed } else { 0.0 };
                        truth + 0.8 * case + 0.6 * draw.normal()
                    };
                    Scores::Probability(all_cases.iter().enumerate().map(score).collect())
                });
                let truth = normal_cdf(signal / (2.0f64 + 0.16).sqrt());
                let arm = all.cells[0].arm(Arm::Scratch).unwrap();
                let interval = arm.interval;
                assert!(interval.is_none_or(|i| 0.0 <= i.low && i.high <= 1.0));
                vec![Seen { covered: interval.map(|i| i.contains(truth)), called: None }]
            };
            let area = normal_cdf(signal / (2.0f64 + 0.16).sqrt());
            let setting = format!("AUROC {area:.2}, {seeds} seeds x {cases} cases");
            kept.push(line("Mean of a cell, AUROC", &setting, Wanted::coverage(), study));
        }
    }
    all_kept(&kept);
}
