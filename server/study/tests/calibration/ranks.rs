//! Ties and ranks of the leaderboard, and ranks over tasks.

use std::collections::{BTreeMap, HashMap};

use transferscope_domain::{
    Arm, Family, MetricKind, TaskKind, TrainingSpec,
    api::LeaderboardView,
    leaderboard::{Finished, Group, rows},
};
use transferscope_study::{
    analysis::Cases,
    board::{Scored, judge},
    statistics::{friedman, nemenyi_critical_difference},
};

use crate::{
    draw::Draw,
    report::{Seen, Wanted, all_kept, full, line, long_line},
};

const CASE: f64 = 0.05;

/// A judged board of rows with true means `offsets` around 0.5. `paired`: all rows have the same seeds.
fn board(
    draw: &mut Draw,
    offsets: &[f64],
    seeds: u64,
    cases: usize,
    seed_part: f64,
    paired: bool,
) -> LeaderboardView {
    let hard = draw.normals(cases);
    let (mut finished, mut scores) = (Vec::new(), HashMap::new());
    for (row, offset) in offsets.iter().enumerate() {
        let own = draw.normals(cases);
        for seed in 0..seeds {
            let id = format!("row{row}-seed{seed}");
            // As what a row's own cases are spread by, so that it is the same part of a difference.
            let of_seed = 0.5 + offset + seed_part * CASE / (2.0 * cases as f64).sqrt() * draw.normal();
            let list: Vec<f64> = (0..cases)
                .map(|c| of_seed + 0.05 * hard[c] + CASE * (own[c] + draw.normal()) / 2f64.sqrt())
                .collect();
            let value = list.iter().sum::<f64>() / cases as f64;
            let case = |(c, score): (usize, &f64)| {
                (format!("case-{c:02}"), BTreeMap::from([("dice".to_owned(), *score)]))
            };
            scores.insert(id.clone(), list.iter().enumerate().map(case).collect::<Cases>());
            finished.push(Finished {
                run: id.parse().unwrap(),
                experiment: None,
                backbone: format!("backbone-{row}"),
                task: TaskKind::Segmentation.into(),
                arm: Arm::Pretrained,
                seed: if paired { seed } else { seed + 100 * row as u64 },
                dataset: "made-up".into(),
                provenance: Default::default(),
                training: TrainingSpec::default_for(Family::Provicnet, TaskKind::Segmentation),
                metric: MetricKind::Dice,
                value,
                baseline: None,
                finished_ms: 1,
            });
        }
    }
    let rows = rows(finished, Group::Cell, false);
    let mut view = LeaderboardView { rows, mixed: false, resolution: Vec::new(), not_shown: BTreeMap::new() };
    judge(&mut view, Scored { cases: &scores, patients: &HashMap::new() });
    view
}

fn true_offset(offsets: &[f64], backbone: &str) -> f64 {
    offsets[backbone.trim_start_matches("backbone-").parse::<usize>().unwrap()]
}

#[test]
fn ties_and_ranks_of_the_board() {
    let mut kept = Vec::new();
    let sizes: &[(u64, usize)] = if full() { &[(3, 16), (3, 24), (5, 24), (10, 24)] } else { &[(3, 16)] };
    for &(seeds, cases) in sizes {
        for seed_part in [0.3, 1.0, 2.0] {
            for (paired, which) in [(true, "same seeds"), (false, "other seeds")] {
                let setting = format!(
                    "{seeds} seeds x {cases} cases, seed spread {seed_part} of the case part, {which}"
                );
                let equal = |draw: &mut Draw| {
                    let view = board(draw, &[0.0, 0.0], seeds, cases, seed_part, paired);
                    vec![Seen { covered: None, called: Some(view.rows[0].tied_with.is_empty()) }]
                };
                kept.push(long_line(
                    "Board: two equal rows told apart",
                    &setting,
                    Wanted::calls(0.06),
                    equal,
                ));
                let offsets = [0.0, 0.0, 0.02, 0.02, 0.06];
                let ranks = |draw: &mut Draw| {
                    let view = board(draw, &offsets, seeds, cases, seed_part, paired);
                    let of = |row: &transferscope_domain::leaderboard::Row| {
                        let own = true_offset(&offsets, &row.backbone);
                        let better = offsets.iter().filter(|o| **o > own).count() as u32;
                        let worse = offsets.iter().filter(|o| **o < own).count() as u32;
                        let [low, high] = row.rank_interval.unwrap();
                        // Rows that are equal share their ranks: all of them must be allowed.
                        let held = low <= 1 + better && offsets.len() as u32 - worse <= high;
                        Seen { covered: Some(held), called: None }
                    };
                    view.rows.iter().map(of).collect()
                };
                kept.push(long_line("Board: rank of a row of five", &setting, Wanted::at_least(0.92), ranks));
            }
        }
    }
    all_kept(&kept);
}

#[test]
fn ranks_over_tasks() {
    let mut kept = Vec::new();
    for (networks, tasks) in [(3, 5), (5, 5), (9, 4)] {
        let ranked = |draw: &mut Draw| {
            let scores: Vec<Vec<f64>> = (0..tasks)
                .map(|_| {
                    let task = 3.0 * draw.normal();
                    (0..networks).map(|_| task + draw.normal()).collect()
                })
                .collect();
            friedman(&scores, true)
        };
        let setting = format!("{networks} networks x {tasks} tasks");
        let any = |draw: &mut Draw| vec![Seen { covered: None, called: ranked(draw).map(|f| f.p <= 0.05) }];
        kept.push(line("Ranks over tasks (Friedman), no difference", &setting, Wanted::calls(0.06), any));
        // Any two networks whose mean ranks lie farther apart than the page allows.
        let apart = |draw: &mut Draw| {
            let ranks = ranked(draw).map(|f| f.average_ranks);
            let critical = nemenyi_critical_difference(networks, tasks, 0.05);
            let called = ranks.zip(critical).map(|(ranks, critical)| {
                let (low, high) = ranks.iter().fold((f64::MAX, f64::MIN), |(l, h), r| (l.min(*r), h.max(*r)));
                high - low >= critical
            });
            vec![Seen { covered: None, called }]
        };
        kept.push(line("Ranks over tasks (Nemenyi), any pair apart", &setting, Wanted::calls(0.06), apart));
    }
    all_kept(&kept);
}
