//! The table of results and gains.

use transferscope_domain::{Arm, Direction, Unsure, table_cell};

use super::{Paper, escape};
use crate::{
    analysis::{ArmSummary, Cell, Gain},
    statistics::Estimate,
};

const CSV_HEAD: &str = "backbone,task,adaptation,label_share,arm,metric,direction,n,mean,ci95_low,ci95_high,\
     gain_specialist_percent,gain_specialist_low,gain_specialist_high,gain_specialist_p_holm,\
     gain_scratch_percent,gain_scratch_low,gain_scratch_high,gain_scratch_p_holm,\
     epochs_to_95,epochs_to_specialist,area,alignment,alignment_layer,alignment_value,\
     difference_specialist,difference_specialist_low,difference_specialist_high,\
     difference_scratch,difference_scratch_low,difference_scratch_high,\
     speed_up,speed_up_low,speed_up_high";

/// Every cell and arm with all numbers, comma-separated; undefined values are empty.
pub fn csv(paper: Paper<'_>) -> String {
    let mut out = format!("{CSV_HEAD}\n");
    let cells = paper.analysis.cells.iter();
    let tuned = cells.flat_map(|cell| cell.arms.iter().map(move |arm| arm_row(paper, cell, arm)));
    let specialists = paper.analysis.specialists.iter().map(specialist_row);
    for row in tuned.chain(specialists) {
        out.push_str(&row.join(","));
        out.push('\n');
    }
    out
}

/// An arm of a cell; gains, alignment and speed-up are the pre-trained arm's.
fn arm_row(paper: Paper<'_>, cell: &Cell, arm: &ArmSummary) -> Vec<String> {
    let quoted = |text: &str| table_cell::csv(text).into_owned();
    let mut row = vec![
        quoted(&cell.key.backbone),
        cell.key.task.to_string(),
        cell.key.adaptation.to_string(),
        cell.key.label_share.to_string(),
        arm.arm.to_string(),
        cell.metric.clone(),
        direction(cell.direction).to_owned(),
    ];
    row.extend(arm_fields(arm));
    let tuned = arm.arm == Arm::Pretrained;
    for against in [Arm::Specialist, Arm::Scratch] {
        row.extend(gain_fields(cell.gain(against).filter(|_| tuned)));
    }
    row.extend(convergence_fields(arm));
    let aligned = cell.aligned().filter(|_| tuned);
    row.push(paper.analysis.choice.measured.to_string());
    row.push(aligned.map(|a| quoted(&a.layer)).unwrap_or_default());
    row.push(number(aligned.map(|a| a.mean)));
    for against in [Arm::Specialist, Arm::Scratch] {
        row.extend(estimate_fields(cell.gain(against).filter(|_| tuned).map(|g| g.difference)));
    }
    row.extend(estimate_fields(cell.speed_up_estimate.filter(|_| tuned)));
    row
}

/// A specialist: it has neither an adaptation nor gains.
fn specialist_row(arm: &ArmSummary) -> Vec<String> {
    let metric = arm.task.primary_metric();
    let mut row = vec![
        arm.backbone.clone(),
        arm.task.to_string(),
        String::new(),
        arm.label_share.to_string(),
        arm.arm.to_string(),
        metric.name(transferscope_domain::metric::Split::Test),
        direction(metric.direction()).to_owned(),
    ];
    row.extend(arm_fields(arm));
    row.extend(std::iter::repeat_n(String::new(), 8));
    row.extend(convergence_fields(arm));
    row.extend(std::iter::repeat_n(String::new(), 3 + 9));
    row
}

fn number(v: Option<f64>) -> String {
    v.map(|v| v.to_string()).unwrap_or_default()
}

fn arm_fields(arm: &ArmSummary) -> [String; 4] {
    [
        arm.n.to_string(),
        number(arm.mean),
        number(arm.interval.map(|i| i.low)),
        number(arm.interval.map(|i| i.high)),
    ]
}

fn convergence_fields(arm: &ArmSummary) -> [String; 3] {
    let c = &arm.convergence;
    let reached = |r: Option<crate::convergence::Reached>| r.map(|r| r.to_string()).unwrap_or_default();
    [reached(c.to_share_median), reached(c.to_specialist_median), number(c.area)]
}

fn gain_fields(gain: Option<&Gain>) -> [String; 4] {
    let interval = gain.and_then(|g| g.interval);
    [
        number(gain.and_then(|g| g.mean)),
        number(interval.map(|i| i.low)),
        number(interval.map(|i| i.high)),
        number(gain.and_then(|g| g.p_corrected)),
    ]
}

fn estimate_fields(estimate: Option<Estimate>) -> [String; 3] {
    let interval = estimate.and_then(|e| e.interval);
    [number(estimate.map(|e| e.value)), number(interval.map(|i| i.low)), number(interval.map(|i| i.high))]
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Higher => "higher",
        Direction::Lower => "lower",
    }
}

const HEAD: [&str; 6] =
    ["Backbone", "Task", "Pre-trained", "Scratch", "Gain over specialist", "Gain over scratch"];

fn cells(paper: Paper<'_>, dash: &str) -> Vec<[String; 6]> {
    let why = |unsure: Option<Unsure>| unsure.map(|why| format!("; {}", why.words())).unwrap_or_default();
    let unit_of = |cell: &Cell| {
        let unit = cell.key.task.primary_metric().unit();
        if unit.is_empty() { String::new() } else { format!(" {unit}") }
    };
    let mean = |cell: &Cell, arm: Arm| {
        let Some((arm, mean)) = cell.arm(arm).and_then(|a| Some((a, a.mean?))) else {
            return dash.to_owned();
        };
        let unit = unit_of(cell);
        match arm.interval {
            Some(i) => format!("{mean:.3}{unit} [{:.3}, {:.3}] (n={})", i.low, i.high, arm.n),
            None => format!("{mean:.3}{unit} (n={}{})", arm.n, why(arm.unsure)),
        }
    };
    // The difference in the metric's unit first, with its interval; what it is of the control beside it.
    let gain = |cell: &Cell, against: Arm| {
        let Some(gain) = cell.gain(against) else { return dash.to_owned() };
        let unit = unit_of(cell);
        let cut = if gain.difference.clipped { ", cut to the metric's range" } else { "" };
        let interval = match gain.difference.interval {
            Some(i) => format!(" [{:+.3}, {:+.3}{cut}]", i.low, i.high),
            None => String::new(),
        };
        let relative = match gain.mean {
            // What rounds to nothing has no sign.
            Some(percent) if percent.abs() < 0.05 => "0.0 %".into(),
            Some(percent) => format!("{percent:+.1} %"),
            None => "relative undefined: control at 0".into(),
        };
        let unsure = why(gain.difference.unsure);
        format!("{:+.3}{unit}{interval} ({relative}; n={}{unsure})", gain.difference.value, gain.pairs.len())
    };
    let row = |cell: &Cell| {
        [
            cell.key.backbone.clone(),
            format!(
                "{} ({}, {} is better{})",
                cell.key.task.label(),
                cell.key.task.primary_metric().label(),
                direction(cell.direction),
                if paper.analysis.unlearnt.contains(&cell.key.task) {
                    "; not above the baseline"
                } else {
                    ""
                }
            ),
            mean(cell, Arm::Pretrained),
            mean(cell, Arm::Scratch),
            gain(cell, Arm::Specialist),
            gain(cell, Arm::Scratch),
        ]
    };
    paper.analysis.cells.iter().map(row).collect()
}

/// What was not counted, beside the table.
fn note(paper: Paper<'_>) -> String {
    let c = paper.analysis.counts;
    let data = if paper.synthetic { " Synthetic data (computed phantoms)." } else { "" };
    format!(
        "Means over seeds (n) with 95 % intervals from crossed seeds and test patients (none for a single seed); \
         gains as differences in the metric's unit, and in brackets in percent of the control; \
         {} of {} planned runs have a result, {} \
         failed, {} were stopped.{data}",
        c.succeeded, c.planned, c.failed, c.stopped
    )
}

/// The table in Markdown.
pub fn markdown(paper: Paper<'_>) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|c| escape::markdown(c)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut out = line(&HEAD.map(str::to_owned));
    out.push_str(&format!("|{}\n", "---|".repeat(HEAD.len())));
    cells(paper, "–").iter().for_each(|row| out.push_str(&line(row)));
    format!("{out}\n{}\n", note(paper))
}

/// The table in LaTeX; needs the package booktabs.
pub fn latex(paper: Paper<'_>) -> String {
    let line = |cells: &[String]| {
        format!("  {} \\\\\n", cells.iter().map(|c| escape::latex(c)).collect::<Vec<_>>().join(" & "))
    };
    let mut out = String::from("\\begin{table}\n\\centering\n\\begin{tabular}{llrrrr}\n  \\toprule\n");
    out.push_str(&line(&HEAD.map(str::to_owned)));
    out.push_str("  \\midrule\n");
    cells(paper, "–").iter().for_each(|row| out.push_str(&line(row)));
    out.push_str("  \\bottomrule\n\\end{tabular}\n");
    out.push_str(&format!(
        "\\caption{{{}: {}}}\n\\end{{table}}\n",
        escape::latex(paper.name),
        escape::latex(&note(paper))
    ));
    out
}
