//! The pictures of an experiment.

use std::collections::BTreeSet;

use transferscope_domain::{Arm, Task};
use transferscope_study::alignment::Discrepancy;
use transferscope_study::analysis::{Analysis, BackboneFacts, Cell, Choice, Outcome, Relation};

use crate::charts::{
    ChartOptions, Convergence, LayerHeatmap,
    convergence::{Curve, Sample},
    scatter::{Scatter, Spot, style},
    svg,
};

/// Alignment against an outcome as an SVG document; none where it was not asked for.
pub fn scatter(
    analysis: &Analysis,
    backbones: &[BackboneFacts],
    outcome: Outcome,
    options: &ChartOptions,
) -> Option<String> {
    let relation = analysis.relations.iter().find(|r| r.outcome == outcome)?;
    let data = data(analysis, backbones, relation);
    Some(svg::document(&data.title, &data.description(), options, &data))
}

/// The tasks of an experiment, sorted.
fn tasks(analysis: &Analysis) -> Vec<Task> {
    analysis.cells.iter().map(|c| c.key.task).collect::<BTreeSet<_>>().into_iter().collect()
}

fn data(analysis: &Analysis, backbones: &[BackboneFacts], relation: &Relation) -> Scatter {
    let hue = |name: &str| backbones.iter().position(|b| b.name == name).unwrap_or(backbones.len());
    let tasks = tasks(analysis);
    let marker = |task: Task| tasks.iter().position(|t| *t == task).unwrap_or(0);
    let spots: Vec<Spot> = relation
        .points
        .iter()
        .map(|p| Spot {
            name: format!("{}, {}", p.backbone, p.task.label().to_lowercase()),
            style: style(hue(&p.backbone), marker(p.task)),
            x: p.x,
            x_range: p.x_range,
            y: p.y,
            y_range: p.y_interval.map(|i| [i.low, i.high]),
        })
        .collect();
    let of_backbone = backbones.iter().map(|b| (b.name.clone(), style(hue(&b.name), 0)));
    let used = |task: &&Task| relation.points.iter().any(|p| p.task == **task);
    let of_task = tasks.iter().filter(used).map(|t| (t.label(), style(7, marker(*t))));
    let control = if analysis.choice.against == Arm::Scratch { "scratch" } else { "the specialist" };
    let (title, y_name) = match relation.outcome {
        Outcome::Gain => ("Alignment and gain", format!("Gain over {control} (%), higher is better")),
        Outcome::Epochs => ("Alignment and convergence", "Epochs to 95 %, lower is faster".to_owned()),
    };
    let Discrepancy { kernel, estimator } = analysis.choice.how;
    let usual = analysis.choice.how == Discrepancy::default() || !analysis.choice.measured.is_mmd();
    let how = if usual { String::new() } else { format!(", {}, {}", kernel.label(), estimator.as_str()) };
    let closer = if analysis.choice.measured.larger_is_closer() { "right" } else { "left" };
    Scatter {
        title: title.into(),
        x_name: format!(
            "{}{how}, {} layer; further {closer} is closer",
            analysis.choice.measured.label(),
            analysis.choice.layer.as_str()
        ),
        y_name,
        spots,
        legend: of_backbone.chain(of_task).collect(),
        zero_line: relation.outcome == Outcome::Gain,
    }
}

/// Drift of the chosen layer over epochs, mean over seeds: a chart for each task, a curve for each of its cells.
pub fn drift_curves(analysis: &Analysis, backbones: &[BackboneFacts]) -> Vec<Convergence> {
    let Choice { measured, layer, .. } = analysis.choice;
    let curve = |(marker, cell): (usize, &Cell)| {
        let hue = backbones.iter().position(|b| b.name == cell.key.backbone).unwrap_or(backbones.len());
        let sample = |(step, (epoch, value)): (usize, &(f64, f64))| Sample {
            step: step as u64,
            epoch: *epoch,
            seconds: 0.0,
            value: *value,
        };
        let way = super::variant(analysis, cell).map(|way| format!(", {way}")).unwrap_or_default();
        Some(Curve {
            key: format!("{}{way}", cell.key.backbone),
            label: format!("{}{way}", cell.key.backbone),
            style: style(hue, marker),
            samples: cell.aligned()?.course.iter().enumerate().map(sample).collect(),
            band: Vec::new(),
        })
    };
    tasks(analysis)
        .iter()
        .map(|task| Convergence {
            title: task.label(),
            metric: format!("{}, {} layer", measured.label(), layer.as_str()),
            curves: analysis
                .cells
                .iter()
                .filter(|c| c.key.task == *task)
                .enumerate()
                .filter_map(curve)
                .collect(),
            references: Vec::new(),
        })
        .filter(|chart| !chart.curves.is_empty())
        .collect()
}

/// Drift of a cell's layers over epochs, mean over seeds; none where nothing was measured.
pub fn drift(cell: &Cell) -> Option<LayerHeatmap> {
    let first = cell.alignment.first()?;
    let epochs: Vec<f64> = first.course.iter().map(|(epoch, _)| *epoch).collect();
    let row = |layer: &transferscope_study::analysis::AlignedLayer| -> Vec<Option<f64>> {
        epochs.iter().map(|e| layer.course.iter().find(|(at, _)| at == e).map(|(_, v)| *v)).collect()
    };
    Some(LayerHeatmap {
        title: format!("{}, {}", cell.key.backbone, cell.key.task.label().to_lowercase()),
        layers: cell.alignment.iter().map(|l| l.layer.clone()).collect(),
        values: cell.alignment.iter().map(row).collect(),
        epochs,
    })
}
