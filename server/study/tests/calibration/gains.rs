//! Gains over 3, 5 and 10 seeds and 16 and 24 cases, of means over cases and of areas under the curve; their like side
//! by side with another experiment; encoder shares; speed-ups.

use transferscope_domain::{Adaptation, Arm, TaskKind, experiment::PlannedRun};
use transferscope_study::{
    analysis::{Input, versus},
    statistics::{Estimate, geometric_mean, mean, of_units},
};

use crate::{
    draw::Draw,
    report::{Seen, Wanted, all_kept, full, line, long_line},
    studies::{Scores, pair, plan, record},
};

/// Spread of differences over cases, and of what seed and case make together.
const CASE: f64 = 0.05;
const REST: f64 = 0.05;
/// Spread over seeds, in parts of that which the cases give the mean.
const SEED_PARTS: [f64; 3] = [0.3, 1.0, 2.0];

/// A design that gains are drawn from.
#[derive(Clone, Copy)]
pub struct Design {
    pub seeds: usize,
    pub cases: usize,
    pub seed_part: f64,
}

impl Design {
    fn all() -> Vec<Self> {
        let short = [(3, 16), (10, 24)];
        let long = [(3, 16), (3, 24), (5, 16), (5, 24), (10, 16), (10, 24)];
        let sizes: &[(usize, usize)] = if full() { &long } else { &short };
        let of =
            |&(seeds, cases): &(usize, usize)| SEED_PARTS.map(|seed_part| Self { seeds, cases, seed_part });
        sizes.iter().flat_map(of).collect()
    }

    pub fn words(self) -> String {
        format!(
            "{} seeds x {} cases, seed spread {} of the case part",
            self.seeds, self.cases, self.seed_part
        )
    }

    /// Spread over seeds, of means over cases.
    fn seed(self) -> f64 {
        self.seed_part * CASE / (self.cases as f64).sqrt()
    }

    /// Differences `[seed][case]` around an effect.
    pub fn differences(self, draw: &mut Draw, effect: f64) -> Vec<Vec<f64>> {
        let cases = draw.normals(self.cases);
        (0..self.seeds)
            .map(|_| {
                let seed = effect + self.seed() * draw.normal();
                cases.iter().map(|case| seed + CASE * case + REST * draw.normal()).collect()
            })
            .collect()
    }
}

fn seen(estimate: Estimate, truth: f64) -> Seen {
    Seen { covered: estimate.interval.map(|i| i.contains(truth)), called: estimate.p.map(|p| p <= 0.05) }
}

/// Scores of both arms of a case around 0.5, far from the ends.
pub fn scores(cases: &[f64], differences: Option<&[f64]>) -> Scores {
    let of = |(i, case): (usize, &f64)| 0.5 + 0.02 * case + differences.map_or(0.0, |d| d[i]);
    Scores::Mean(cases.iter().enumerate().map(of).collect())
}

#[test]
fn gains_of_means_over_cases() {
    let study = |design: Design, effect: f64, relative: bool| {
        move |draw: &mut Draw| {
            let (cases, differences) = (draw.normals(design.cases), design.differences(draw, effect));
            let all = pair(TaskKind::Segmentation, design.seeds, Adaptation::Full, |arm, seed| {
                scores(&cases, (arm == Arm::Pretrained).then_some(&differences[seed]))
            });
            let gain = all.cells[0].gain(Arm::Scratch).unwrap();
            if relative {
                // In percent of the controls' 0.5, whose own spread over cases belongs to the estimate.
                return vec![Seen {
                    covered: gain.interval.map(|i| i.contains(200.0 * effect)),
                    called: None,
                }];
            }
            vec![seen(gain.difference, effect)]
        }
    };
    let mut kept = Vec::new();
    for design in Design::all() {
        let words = design.words();
        kept.push(long_line("Gain, no effect", &words, Wanted::null(0.06), study(design, 0.0, false)));
        kept.push(line("Gain of 0.03", &words, Wanted::coverage(), study(design, 0.03, false)));
        kept.push(line("Relative gain of 6 %", &words, Wanted::coverage(), study(design, 0.03, true)));
    }
    if full() {
        // Two seeds tell so little of their own spread that there is no bound; pages mark them as few.
        for seed_part in SEED_PARTS {
            let design = Design { seeds: 2, cases: 24, seed_part };
            line("Gain, no effect (no bound)", &design.words(), Wanted::shown(), study(design, 0.0, false));
        }
    }
    all_kept(&kept);
}

#[test]
fn gains_of_areas_under_the_curve() {
    // Signals with a spread over seeds; both arms share how hard a case is in part, each has a part of its own, and every
    // run a third one.
    const PARTS: [f64; 3] = [0.7, 0.5, 0.6];
    let study = |design: Design, signals: [f64; 2]| {
        move |draw: &mut Draw| {
            let shared = draw.normals(design.cases);
            let own = [draw.normals(design.cases), draw.normals(design.cases)];
            let spread = 0.25 * design.seed_part;
            let all = pair(TaskKind::Classification, design.seeds, Adaptation::Full, |arm, _| {
                let arm = usize::from(arm == Arm::Pretrained);
                let signal = signals[arm] + spread * draw.normal();
                let score = |i: usize| {
                    let truth = if i >= design.cases / 2 { signal } else { 0.0 };
                    truth + PARTS[0] * shared[i] + PARTS[1] * own[arm][i] + PARTS[2] * draw.normal()
                };
                Scores::Probability((0..design.cases).map(score).collect())
            });
            // Of a difference of two normals, and a signal that varies over seeds.
            let variance = 2.0 * PARTS.iter().map(|p| p * p).sum::<f64>() + spread * spread;
            let area = |signal: f64| normal_cdf(signal / variance.sqrt());
            let truth = area(signals[1]) - area(signals[0]);
            vec![seen(all.cells[0].gain(Arm::Scratch).unwrap().difference, truth)]
        }
    };
    let mut kept = Vec::new();
    for design in Design::all() {
        let words = design.words();
        kept.push(line("AUROC gain, no effect", &words, Wanted::null(0.06), study(design, [1.0, 1.0])));
        kept.push(line("AUROC gain of 0.15", &words, Wanted::coverage(), study(design, [0.7, 1.4])));
    }
    all_kept(&kept);
}

/// One backbone that is fine-tuned with each seed on one task, with nothing to hold it against.
fn pretrained_alone(design: Design) -> Vec<PlannedRun> {
    plan(
        &["backbone".into()],
        &[TaskKind::Segmentation.into()],
        &[Arm::Pretrained],
        design.seeds,
        Adaptation::Full,
    )
}

pub fn normal_cdf(z: f64) -> f64 {
    use statrs::distribution::{ContinuousCDF, Normal};
    Normal::standard().cdf(z)
}

#[test]
fn experiments_side_by_side() {
    let study = |design: Design| {
        move |draw: &mut Draw| {
            let (cases, differences) = (draw.normals(design.cases), design.differences(draw, 0.0));
            let planned = pretrained_alone(design);
            let runs = |other: bool| -> Vec<_> {
                let of = |(i, run): (usize, &_)| {
                    record(run, i, &scores(&cases, other.then_some(differences[i].as_slice())))
                };
                planned.iter().enumerate().map(of).collect()
            };
            let (first, second) = (runs(false), runs(true));
            let input = |records| Input { planned: &planned, records, backbones: &[] };
            let networks = versus(&[input(&first), input(&second)]);
            let against = networks[0].sides[1].as_ref().unwrap().against_first.as_ref().unwrap();
            vec![Seen {
                covered: against.interval.map(|i| i.contains(0.0)),
                called: against.p.map(|p| p <= 0.05),
            }]
        }
    };
    let of = |design: &Design| full() || design.seeds == 3;
    let kept: Vec<bool> = Design::all()
        .into_iter()
        .filter(of)
        .map(|design| {
            line("Experiments side by side, no effect", &design.words(), Wanted::null(0.06), study(design))
        })
        .collect();
    all_kept(&kept);
}

#[test]
fn encoder_shares() {
    let study = |design: Design, effect: f64| {
        move |draw: &mut Draw| {
            let names = ["one".to_owned(), "two".to_owned()];
            let arms = [Arm::Pretrained, Arm::Scratch];
            let planned =
                plan(&names, &[TaskKind::Segmentation.into()], &arms, design.seeds, Adaptation::Frozen);
            let cases = draw.normals(design.cases);
            let differences = names.clone().map(|_| design.differences(draw, effect));
            let records: Vec<_> = planned
                .iter()
                .enumerate()
                .map(|(i, run)| {
                    let backbone = usize::from(run.backbone == names[1]);
                    let own = (run.arm == Arm::Pretrained)
                        .then(|| differences[backbone][run.seed as usize].as_slice());
                    record(run, i, &scores(&cases, own))
                })
                .collect();
            let all = crate::studies::analysis(&planned, &records, &[], Arm::Scratch);
            vec![seen(all.encoder_shares[0].difference, effect)]
        }
    };
    let mut kept = Vec::new();
    for design in Design::all().into_iter().filter(|d| full() || d.seeds == 3) {
        let words = format!("2 backbones, {}", design.words());
        kept.push(line("Encoder share, none", &words, Wanted::null(0.06), study(design, 0.0)));
        if full() {
            kept.push(line("Encoder share of 0.03", &words, Wanted::coverage(), study(design, 0.03)));
        }
    }
    all_kept(&kept);
}

/// An arm against the simple baseline on the same cases, which has no seeds; a task counts as learnt where the whole
/// interval is above 0, so that half of the false calls are left.
#[test]
fn arms_over_the_trivial_method() {
    let study = |design: Design, effect: f64| {
        move |draw: &mut Draw| {
            let (cases, differences) = (draw.normals(design.cases), design.differences(draw, effect));
            let planned = pretrained_alone(design);
            let name = TaskKind::Segmentation.primary_metric().to_string();
            let records: Vec<_> = planned
                .iter()
                .enumerate()
                .map(|(i, run)| {
                    let mut run = record(run, i, &scores(&cases, Some(&differences[i])));
                    for (scores, case) in run.cases.values_mut().zip(&cases) {
                        scores.insert(format!("{name}@trivial"), 0.5 + 0.02 * case);
                    }
                    run.baseline = Some(("trivial".into(), 0.5));
                    run
                })
                .collect();
            let all = crate::studies::analysis(&planned, &records, &[], Arm::Scratch);
            let over = all.cells[0].arm(Arm::Pretrained).unwrap().over_trivial.unwrap();
            vec![Seen { covered: Some(over.contains(effect)), called: Some(over.low > 0.0) }]
        }
    };
    let mut kept = Vec::new();
    for design in Design::all().into_iter().filter(|d| full() || d.seeds == 3) {
        let words = design.words();
        kept.push(line("Over the simple baseline, none", &words, Wanted::null(0.04), study(design, 0.0)));
        if full() {
            let wanted = Wanted::coverage();
            kept.push(line(
                "Over the simple baseline, 0.03: share learnt",
                &words,
                wanted,
                study(design, 0.03),
            ));
        }
    }
    all_kept(&kept);
}

#[test]
fn speed_ups() {
    let study = |seeds: usize, ratio: f64| {
        move |draw: &mut Draw| {
            // Epochs are whole; rounding is small beside the spread of a quarter.
            let mut epochs = |mean: f64| (mean * (0.25 * draw.normal()).exp()).round().max(1.0);
            let ratios: Vec<f64> = (0..seeds).map(|_| epochs(40.0 * ratio) / epochs(40.0)).collect();
            let found = geometric_mean(&ratios).unwrap();
            vec![Seen {
                covered: found.interval.map(|i| i.contains(ratio)),
                called: found.p.map(|p| p <= 0.05),
            }]
        }
    };
    let mut kept = Vec::new();
    for seeds in [3, 5, 10] {
        let words = format!("{seeds} seeds");
        kept.push(line("Speed-up, none", &words, Wanted::null(0.06), study(seeds, 1.0)));
        kept.push(line("Speed-up of 2", &words, Wanted::coverage(), study(seeds, 2.0)));
    }
    all_kept(&kept);
}

/// The bounds can be missed: a t-test over cases, whose scores are means over seeds, calls far too many.
#[test]
fn a_test_that_takes_cases_for_all_there_is_is_caught() {
    let design = Design { seeds: 3, cases: 24, seed_part: 2.0 };
    let study = |draw: &mut Draw| {
        let differences = design.differences(draw, 0.0);
        let of_case = |c: usize| differences.iter().map(|row| row[c]).sum::<f64>() / design.seeds as f64;
        let means: Vec<f64> = (0..design.cases).map(of_case).collect();
        let over_cases = Estimate::of(mean(&means).unwrap(), of_units(&means));
        vec![Seen { covered: None, called: over_cases.p.map(|p| p <= 0.05) }]
    };
    let what = "(for comparison) t-test over cases, no effect";
    assert!(!line(what, &design.words(), Wanted::calls(0.06), study));
}
