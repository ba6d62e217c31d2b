//! The p of the distance between features before and after a training.

use transferscope_domain::alignment::names;
use transferscope_study::{
    alignment::{Discrepancy, Features},
    feature_file::Layers,
    trajectory::FeatureTrajectory,
};

use crate::{
    draw::Draw,
    report::{Seen, Wanted, all_kept, full, line},
};

/// Channels, and how far a case's own place is spread beside its rows.
const CHANNELS: usize = 6;
const CASE: f64 = 1.0;

/// Rows of cases around their places, `by` away.
fn layers(draw: &mut Draw, places: &[Vec<f64>], rows: usize, by: f64) -> Layers {
    let mut data = Vec::new();
    for place in places {
        for _ in 0..rows {
            data.extend(place.iter().map(|p| (CASE * p + draw.normal() + by) as f32));
        }
    }
    vec![("layer".to_owned(), Features { n: places.len() * rows, dim: CHANNELS, data })]
}

fn study(cases: usize, rows: usize, same: bool, by: f64) -> impl Fn(&mut Draw) -> Vec<Seen> + Sync {
    move |draw| {
        let places =
            |draw: &mut Draw| -> Vec<Vec<f64>> { (0..cases).map(|_| draw.normals(CHANNELS)).collect() };
        let first = places(draw);
        let second = if same { first.clone() } else { places(draw) };
        let epochs = [(0.0, layers(draw, &first, rows, 0.0)), (1.0, layers(draw, &second, rows, by))];
        let course = FeatureTrajectory {
            epochs: &epochs,
            tested: 1.0,
            random: None,
            rows_per_case: rows,
            permutations: 199,
            seed: 1,
            how: Discrepancy::default(),
            elsewhere: None,
        };
        let p = course
            .values()
            .unwrap()
            .into_iter()
            .find(|v| v.metric == names::D2P && v.epoch == 1.0)
            .unwrap()
            .p;
        vec![Seen { covered: None, called: p.map(|p| p <= 0.05) }]
    }
}

#[test]
fn features_that_did_not_move() {
    let mut kept = Vec::new();
    let sizes: &[(usize, usize)] = if full() { &[(8, 4), (16, 4)] } else { &[(8, 4)] };
    for &(cases, rows) in sizes {
        let setting = format!("{cases} cases x {rows} rows, the same cases");
        // Sets of the same cases lie nearer to each other than chance has them: p knows of no pairs.
        let (wanted, none) = (Wanted::calls(0.06), study(cases, rows, true, 0.0));
        kept.push(line("Distance of features, none", &setting, wanted, none));
        if full() {
            // Not what a page shows: both sets are in units of the first, so that with few cases they are no equals.
            let setting = format!("{cases} cases x {rows} rows, other cases");
            line(
                "Distance of features, none (no bound)",
                &setting,
                Wanted::shown(),
                study(cases, rows, false, 0.0),
            );
        }
    }
    let wanted = Wanted { coverage: None, called: Some((0.6, 1.0)) };
    let setting = "8 cases x 4 rows, the same cases: share found";
    kept.push(line("Distance of features, 1.5 row spreads", setting, wanted, study(8, 4, true, 1.5)));
    all_kept(&kept);
}
