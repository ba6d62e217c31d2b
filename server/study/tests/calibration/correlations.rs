//! Correlations over tables of backbones and tasks that both carry effects of their own.

use transferscope_study::statistics::{Centring, Draws, Measure, Table};

use crate::{
    draw::Draw,
    report::{Seen, Wanted, all_kept, full, line},
};

/// A table whose two values share a correlation `rho` between cells beside independent effects of rows and columns.
fn table(draw: &mut Draw, (rows, columns): (usize, usize), effects: f64, rho: f64, holes: usize) -> Table {
    let of = |draw: &mut Draw, n: usize| (draw.normals(n), draw.normals(n));
    let (by_row, by_column) = (of(draw, rows), of(draw, columns));
    let mut points = Vec::new();
    for r in 0..rows {
        for c in 0..columns {
            let (a, b) = (draw.normal(), draw.normal());
            let own = (a, rho * a + (1.0 - rho * rho).sqrt() * b);
            let x = effects * (by_row.0[r] + by_column.0[c]) + own.0;
            let y = effects * (by_row.1[r] + by_column.1[c]) + own.1;
            points.push((r, c, x, y));
        }
    }
    for hole in 0..holes {
        // Along the diagonal, so that no row or column is lost.
        let place = (hole % rows) * columns + hole % columns;
        points[place].2 = f64::NAN;
    }
    Table::new(points)
}

fn draws() -> Draws {
    Draws { orders: if full() { 999 } else { 199 }, exact: 1000, ..Draws::usual(1) }
}

fn called(table: &Table, centring: Centring) -> Option<bool> {
    Some(table.correlation(Measure::Spearman, centring, draws())?.p? <= 0.05)
}

const BOTH: [(Centring, &str); 2] = [(Centring::Raw, "raw"), (Centring::Double, "double-centred")];

#[test]
fn tables_without_a_relation() {
    let mut kept = Vec::new();
    for (size, most) in [((2, 4), 0.09), ((3, 5), 0.07), ((6, 5), 0.07)] {
        for (centring, name) in BOTH {
            for effects in [0.0, 1.0, 2.0] {
                if !full() && effects == 0.0 {
                    continue;
                }
                let study = |draw: &mut Draw| {
                    vec![Seen {
                        covered: None,
                        called: called(&table(draw, size, effects, 0.0, 0), centring),
                    }]
                };
                let setting =
                    format!("{} x {}, {name}, effects of rows and columns {effects}", size.0, size.1);
                kept.push(line("Correlation, none", &setting, Wanted::calls(most), study));
            }
        }
    }
    for (centring, name) in BOTH {
        let study = |draw: &mut Draw| {
            vec![Seen { covered: None, called: called(&table(draw, (4, 5), 1.0, 0.0, 4), centring) }]
        };
        let setting = format!("4 x 5 with 4 holes, {name}, effects of rows and columns 1");
        kept.push(line("Correlation, none", &setting, Wanted::calls(0.07), study));
    }
    all_kept(&kept);
}

/// How often a relation of -0.7 between cells is found; no bound, but a table that finds nothing shows here.
#[test]
fn tables_with_a_relation() {
    let mut kept = Vec::new();
    let sizes: &[(usize, usize)] = if full() { &[(2, 4), (3, 5), (6, 5), (8, 5)] } else { &[(6, 5)] };
    for &size in sizes {
        for (centring, name) in BOTH {
            let study = |draw: &mut Draw| {
                vec![Seen { covered: None, called: called(&table(draw, size, 0.5, -0.7, 0), centring) }]
            };
            let setting = format!("{} x {}, {name}: share found", size.0, size.1);
            let wanted = match size {
                (6 | 8, _) => Wanted { coverage: None, called: Some((0.6, 1.0)) },
                _ => Wanted::shown(),
            };
            kept.push(line("Correlation of -0.7 between cells", &setting, wanted, study));
        }
    }
    all_kept(&kept);
}

/// A correlation of endlessly many cells: between normal values that share `rho` in their cells' part alone.
fn truth(measure: Measure, centring: Centring, effects: f64, rho: f64) -> f64 {
    let pearson = match centring {
        Centring::Raw => rho / (1.0 + 2.0 * effects * effects),
        Centring::Double => rho,
    };
    let turns = |part: f64| 2.0 / std::f64::consts::PI * part.asin();
    match measure {
        Measure::Pearson => pearson,
        Measure::Spearman => 3.0 * turns(pearson / 2.0),
        Measure::Kendall => turns(pearson),
    }
}

#[test]
fn intervals_of_correlations() {
    let mut kept = Vec::new();
    let sizes: &[(usize, usize)] = if full() { &[(3, 5), (6, 5), (8, 5)] } else { &[(6, 5)] };
    for &size in sizes {
        for (measure, centring, effects) in [
            (Measure::Spearman, Centring::Raw, 0.5),
            (Measure::Spearman, Centring::Raw, 0.0),
            (Measure::Spearman, Centring::Raw, 1.0),
            // What centring takes out does not matter for what is left.
            (Measure::Spearman, Centring::Double, 0.5),
            (Measure::Pearson, Centring::Raw, 0.5),
            (Measure::Kendall, Centring::Raw, 0.5),
        ] {
            if !full() && (effects != 0.5 || measure != Measure::Spearman) {
                continue;
            }
            for rho in [0.0, -0.7] {
                let truth = truth(measure, centring, effects, rho);
                let study = |draw: &mut Draw| {
                    let found = table(draw, size, effects, rho, 0).correlation(measure, centring, draws());
                    let interval = found.and_then(|c| c.interval);
                    vec![Seen { covered: interval.map(|i| i.contains(truth)), called: None }]
                };
                let name = if centring == Centring::Raw { "raw" } else { "double-centred" };
                let setting = format!(
                    "{} x {}, {measure:?}, {name}, effects of rows and columns {effects}, correlation {truth:.2}",
                    size.0, size.1
                );
                kept.push(line("Interval of a correlation", &setting, Wanted::coverage(), study));
            }
        }
    }
    all_kept(&kept);
}
