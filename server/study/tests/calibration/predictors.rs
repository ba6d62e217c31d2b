//! Whether one score foretells gains better than another.

use transferscope_study::analysis::foretold::better;

use crate::{
    draw::Draw,
    report::{Seen, Wanted, all_kept, full, line},
};

/// Two scores that both go with the gain by `rho` between cells and share as much again by `common`; rows and columns have
/// effects of their own.
fn cells(
    draw: &mut Draw,
    (rows, columns): (usize, usize),
    rho: [f64; 2],
    common: f64,
) -> Vec<(usize, usize, [f64; 3])> {
    let by_row: Vec<Vec<f64>> = (0..rows).map(|_| draw.normals(3)).collect();
    let by_column: Vec<Vec<f64>> = (0..columns).map(|_| draw.normals(3)).collect();
    let mut cells = Vec::new();
    for (r, row) in by_row.iter().enumerate() {
        for (c, column) in by_column.iter().enumerate() {
            let (gain, shared) = (draw.normal(), draw.normal());
            let mut score = |rho: f64| {
                let own = (1.0 - rho * rho - common * common).sqrt();
                rho * gain + common * shared + own * draw.normal()
            };
            let own = [score(rho[0]), score(rho[1]), gain];
            let value = |i: usize| row[i] + column[i] + own[i];
            cells.push((r, c, [value(0), value(1), value(2)]));
        }
    }
    cells
}

type P = fn(&transferscope_study::analysis::foretold::Better) -> Option<f64>;

const BOTH: [(P, &str); 2] = [(|b| b.williams_p, "Williams"), (|b| b.steiger_p, "Steiger")];

#[test]
fn scores_that_are_equally_good() {
    let mut kept = Vec::new();
    let sizes: &[(usize, usize)] = if full() { &[(3, 5), (6, 5), (8, 5)] } else { &[(6, 5)] };
    for &size in sizes {
        for (rho, common) in [(0.0, 0.0), (0.0, 0.8), (0.5, 0.0), (0.7, 0.4)] {
            for (p, test) in BOTH {
                let study = |draw: &mut Draw| {
                    let found = better("one", "other", &cells(draw, size, [rho; 2], common));
                    vec![Seen { covered: None, called: found.as_ref().and_then(p).map(|p| p <= 0.05) }]
                };
                let setting = format!(
                    "{test}, {} x {}, both {rho} with the gain, {:.2} with each other",
                    size.0,
                    size.1,
                    rho * rho + common * common
                );
                kept.push(line("Two scores, equally good", &setting, Wanted::calls(0.07), study));
            }
        }
    }
    if full() {
        for (p, test) in BOTH {
            let study = |draw: &mut Draw| {
                let found = better("one", "other", &cells(draw, (8, 5), [0.9, 0.2], 0.0));
                vec![Seen { covered: None, called: found.as_ref().and_then(p).map(|p| p <= 0.05) }]
            };
            let wanted = Wanted { coverage: None, called: Some((0.6, 1.0)) };
            let setting = format!("{test}, 8 x 5: share found");
            kept.push(line("Two scores, 0.9 and 0.2 with the gain", &setting, wanted, study));
        }
    }
    all_kept(&kept);
}
