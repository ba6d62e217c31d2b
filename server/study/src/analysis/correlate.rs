//! Alignment against gain and against convergence, over the table of backbones and tasks.

use serde::{Deserialize, Serialize};
use transferscope_domain::{Arm, Task};

use super::{BackboneFacts, Cell, Choice, SEED, restores};
use crate::statistics::{Centring, Correlation, Draws, Interval, Measure, Table, leave_one_group_out, mean};

/// What alignment is set against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Relative gain over the chosen control, in percent.
    Gain,
    /// Median epochs to 95 % of the way.
    Epochs,
}

/// A backbone on a task in the picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Point {
    pub backbone: String,
    pub task: Task,
    /// Alignment, mean over seeds, and over adaptations and shares of the training cases where there are several.
    pub x: f64,
    /// Least and largest seed.
    pub x_range: [f64; 2],
    pub y: f64,
    /// None where the point is a mean of several cells.
    pub y_interval: Option<Interval>,
    /// Cells behind it: adaptations and shares of the training cases are no points of their own.
    #[serde(default = "one")]
    pub cells: usize,
}

fn one() -> usize {
    1
}

/// Spearman's correlation with one group left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = WithoutOne)]
pub struct LeftOut {
    pub left_out: String,
    pub spearman: Option<f64>,
}

/// What a simple baseline that uses no features reaches on the same points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SimpleBaseline {
    pub name: String,
    pub spearman: Option<f64>,
}

/// Alignment and an outcome over all cells that have both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Relation {
    pub outcome: Outcome,
    pub points: Vec<Point>,
    /// Cells with an alignment but without this outcome: no complete pair, a control of 0, or no seed that improved.
    pub without_value: usize,
    pub pearson: Option<Correlation>,
    pub spearman: Option<Correlation>,
    pub kendall: Option<Correlation>,
    /// Spearman's with the means of backbones and tasks taken out of both: whether alignment says which backbone fits
    /// which task.
    #[serde(default)]
    pub centred: Option<Correlation>,
    pub without_task: Vec<LeftOut>,
    pub without_backbone: Vec<LeftOut>,
    /// On the wire by its first name.
    #[serde(rename = "dumb", alias = "baselines")]
    pub baselines: Vec<SimpleBaseline>,
    /// Different tasks and backbones among the points: points that share one are not independent.
    pub tasks: usize,
    pub backbones: usize,
}

/// Both relations.
pub fn relations(cells: &[&Cell], backbones: &[BackboneFacts], choice: Choice) -> Vec<Relation> {
    [Outcome::Gain, Outcome::Epochs].map(|outcome| relation(cells, backbones, choice, outcome)).into()
}

fn point(cell: &Cell, choice: Choice, outcome: Outcome) -> Option<Point> {
    let aligned = cell.aligned()?;
    let (y, y_interval) = match outcome {
        Outcome::Gain => {
            let gain = cell.gain(choice.against)?;
            (gain.mean?, gain.interval)
        }
        Outcome::Epochs => (cell.arm(Arm::Pretrained)?.convergence.to_share_median?.epoch()?, None),
    };
    let values = || aligned.seeds.iter().map(|s| s.1);
    Some(Point {
        backbone: cell.key.backbone.clone(),
        task: cell.key.task,
        x: aligned.mean,
        x_range: [values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max)],
        y,
        y_interval,
        cells: 1,
    })
}

/// One point for each backbone and task: cells of one backbone and task that differ in adaptation or share of the
/// training cases say much the same and are no draws of their own.
fn by_place(cells: Vec<Point>) -> Vec<Point> {
    let mut places: Vec<Vec<Point>> = Vec::new();
    for cell in cells {
        match places.iter_mut().find(|p| (&p[0].backbone, p[0].task) == (&cell.backbone, cell.task)) {
            Some(place) => place.push(cell),
            None => places.push(vec![cell]),
        }
    }
    let merge = |place: Vec<Point>| {
        let of = |value: fn(&Point) -> f64| place.iter().map(value).collect::<Vec<f64>>();
        let (x, y) = (mean(&of(|p| p.x))?, mean(&of(|p| p.y))?);
        let low = of(|p| p.x_range[0]).into_iter().fold(f64::INFINITY, f64::min);
        let high = of(|p| p.x_range[1]).into_iter().fold(f64::NEG_INFINITY, f64::max);
        let cells = place.len();
        let first = place.into_iter().next()?;
        let y_interval = first.y_interval.filter(|_| cells == 1);
        Some(Point { x, x_range: [low, high], y, y_interval, cells, ..first })
    };
    places.into_iter().filter_map(merge).collect()
}

/// The points as a table of backbones and tasks.
fn table(points: &[Point]) -> Table {
    let (mut backbones, mut tasks): (Vec<&str>, Vec<Task>) = (Vec::new(), Vec::new());
    for point in points {
        if !backbones.contains(&point.backbone.as_str()) {
            backbones.push(&point.backbone);
        }
        if !tasks.contains(&point.task) {
            tasks.push(point.task);
        }
    }
    Table::new(points.iter().filter_map(|p| {
        let row = backbones.iter().position(|b| *b == p.backbone)?;
        Some((row, tasks.iter().position(|t| *t == p.task)?, p.x, p.y))
    }))
}

fn distinct(names: impl Iterator<Item = String>) -> usize {
    names.collect::<std::collections::BTreeSet<_>>().len()
}

fn relation(cells: &[&Cell], backbones: &[BackboneFacts], choice: Choice, outcome: Outcome) -> Relation {
    let found: Vec<Point> = cells.iter().filter_map(|c| point(c, choice, outcome)).collect();
    let without_value = cells.iter().filter(|c| c.aligned().is_some()).count() - found.len();
    let points = by_place(found);
    let table = table(&points);
    let correlation = |measure, centring| table.correlation(measure, centring, Draws::usual(SEED));
    let (x, y): (Vec<f64>, Vec<f64>) = points.iter().map(|p| (p.x, p.y)).unzip();
    let without = |groups: Vec<String>| {
        let rest = |places: &[usize]| {
            let pick = |list: &[f64]| places.iter().map(|i| list[*i]).collect::<Vec<_>>();
            Measure::Spearman.of(&pick(&x), &pick(&y)).filter(|_| places.len() > 2)
        };
        let left = leave_one_group_out(&groups, rest);
        left.into_iter().map(|(left_out, spearman)| LeftOut { left_out, spearman }).collect()
    };
    let parameters =
        |name: &str| backbones.iter().find(|b| b.name == name).map_or(0.0, |b| b.parameters as f64);
    let baseline = |name: &str, list: Vec<f64>| SimpleBaseline {
        name: name.into(),
        spearman: Measure::Spearman.of(&list, &y),
    };
    Relation {
        outcome,
        without_value,
        pearson: correlation(Measure::Pearson, Centring::Raw),
        spearman: correlation(Measure::Spearman, Centring::Raw),
        kendall: correlation(Measure::Kendall, Centring::Raw),
        centred: correlation(Measure::Spearman, Centring::Double),
        without_task: without(points.iter().map(|p| p.task.label()).collect()),
        without_backbone: without(points.iter().map(|p| p.backbone.clone()).collect()),
        baselines: vec![
            baseline("number of parameters", points.iter().map(|p| parameters(&p.backbone)).collect()),
            baseline(
                "whether the task restores an image",
                points.iter().map(|p| f64::from(u8::from(restores(p.task)))).collect(),
            ),
        ],
        tasks: distinct(points.iter().map(|p| p.task.to_string())),
        backbones: distinct(points.iter().map(|p| p.backbone.clone())),
        points,
    }
}
