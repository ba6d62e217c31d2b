//! Charts from what the API answers.

use std::collections::BTreeMap;

use transferscope_domain::{
    MetricKind, Objective, Task, TaskKind,
    api::{AlignmentView, CompareData, MetricSeries, Point, RunView},
    metric::Split,
};

use crate::{
    format,
    labels::{share_label, way_label},
    palette::{Dash, Marker, Style, style_of, styles_of},
};

use super::{
    AlignmentLayers, CasePairs, Convergence, LayerHeatmap,
    alignment_layers::{AlignmentPoint, AlignmentSeries},
    case_pairs::Pair,
    convergence::{Curve, Reference, Sample},
};

/// The alignment metric that the charts show.
const D2P: &str = "d2p";

/// Names of the series that the charts of one run need.
pub fn run_series(task: Task) -> Vec<String> {
    let judged = if task == TaskKind::Pretraining {
        vec![MetricKind::MaskedError, MetricKind::Dice]
    } else {
        vec![task.primary_metric()]
    };
    let mut names = vec![MetricKind::Loss.name(Split::Train), MetricKind::Loss.name(Split::Val)];
    names.extend(judged.into_iter().map(|m| m.name(Split::Val)));
    names
}

/// The validation metric that tells how well a run goes, besides its loss; none where there is none.
pub fn judged(run: &RunView) -> Option<MetricKind> {
    match run.pretraining.as_ref().map(|p| p.objective) {
        None => Some(run.task.primary_metric()),
        Some(Objective::Mae) => Some(MetricKind::MaskedError),
        Some(Objective::PatchContrast) => Some(MetricKind::Dice),
        Some(Objective::SelfDistillation) => None,
    }
}

/// Names of the series that a comparison can choose from: those that the data holds, validation first.
pub fn compare_metrics(data: &CompareData) -> Vec<String> {
    let mut names: Vec<String> =
        data.series.iter().flatten().filter(|s| !s.points.is_empty()).map(|s| s.name.clone()).collect();
    let rank = |name: &str| {
        let primary = data.runs.iter().any(|r| r.task.primary_metric().name(Split::Val) == name);
        (!primary, !name.starts_with("val/"), !name.ends_with("/loss"))
    };
    names.sort_by(|a, b| (rank(a), a).cmp(&(rank(b), b)));
    names.dedup();
    names
}

/// The series a comparison shows first.
pub fn default_metric(data: &CompareData) -> String {
    let primary = data.runs.first().map(|r| r.task.primary_metric().name(Split::Val));
    compare_metrics(data)
        .into_iter()
        .next()
        .or(primary)
        .unwrap_or_else(|| MetricKind::Loss.name(Split::Train))
}

/// A metric's full name in words: `val/dice` is "Validation Dice", `test/dice@mean-shape` "Test Dice, mean-shape".
pub fn metric_words(name: &str) -> String {
    let split = match name.split_once('/').map(|(s, _)| s) {
        Some("train") => "Training ",
        Some("val") => "Validation ",
        Some("test") => "Test ",
        _ => "",
    };
    let Some(kind) = MetricKind::of_name(name) else { return name.to_owned() };
    // Names and abbreviations stay as they are.
    let kept = kind == MetricKind::Dice || kind.label().as_bytes().get(1).is_some_and(u8::is_ascii_uppercase);
    let label = if kept { kind.label().to_owned() } else { kind.label().to_lowercase() };
    let (name, baseline) = name.split_once('@').map_or((name, None), |(name, of)| (name, Some(of)));
    let class = name.split_once('.').map(|(_, c)| c.replace('_', " "));
    let parts = [Some(format!("{split}{label}")), class, baseline.map(str::to_owned)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Names that tell runs apart in as few words as possible: only what differs between them.
pub fn labels(runs: &[RunView]) -> Vec<String> {
    type Part = fn(&RunView) -> String;
    let parts: [Part; 7] = [
        |r| r.backbone.clone(),
        |r| r.task.label().to_lowercase(),
        |r| way_label(r.arm, r.training.adaptation).to_lowercase(),
        |r| share_label(r.training.label_share).unwrap_or_else(|| "all cases".into()),
        |r| format!("seed {}", r.seed),
        |r| r.dataset.clone(),
        |r| format::plural(u64::from(r.training.epochs), "epoch"),
    ];
    let differs: Vec<&Part> =
        parts.iter().filter(|part| runs.iter().any(|r| part(r) != part(&runs[0]))).collect();
    let name = |r: &RunView| {
        if differs.is_empty() {
            format!("{}, {}, seed {}", r.backbone, r.arm.label().to_lowercase(), r.seed)
        } else {
            differs.iter().map(|part| part(r)).collect::<Vec<_>>().join(", ")
        }
    };
    let mut names: Vec<String> = runs.iter().map(name).collect();
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for n in &names {
        *count.entry(n.clone()).or_default() += 1;
    }
    for (n, r) in names.iter_mut().zip(runs) {
        if count[n] > 1 {
            *n = format!("{n} ({})", r.id);
        }
    }
    names
}

fn styles(runs: &[RunView]) -> Vec<Style> {
    styles_of(runs)
}

/// When a run's clock starts: at its first value.
fn start_ms(series: &[MetricSeries]) -> i64 {
    series.iter().flat_map(|s| s.points.first()).map(|p| p.t_ms).min().unwrap_or(0)
}

fn samples(series: &[MetricSeries], name: &str) -> Vec<Sample> {
    let start = start_ms(series);
    let of = |p: &Point| Sample {
        step: p.step,
        epoch: p.epoch,
        seconds: (p.t_ms - start).max(0) as f64 / 1000.0,
        value: p.value,
    };
    series.iter().find(|s| s.name == name).map(|s| s.points.iter().map(of).collect()).unwrap_or_default()
}

/// Training and validation loss of one run.
pub fn loss(run: &RunView, series: &[MetricSeries]) -> Convergence {
    let (train, val) = (MetricKind::Loss.name(Split::Train), MetricKind::Loss.name(Split::Val));
    let own = style_of(run);
    // Every step of training is many noisy values: grey keeps the run's colour for what is judged.
    let neutral = if own.index == 7 { 0 } else { 7 };
    let training = Style { index: neutral, marker: Marker::Plus, dash: Dash::Solid };
    let validation = Style { dash: Dash::Solid, ..own };
    let mut curves = vec![Curve {
        key: train.clone(),
        label: "training".into(),
        style: training,
        samples: samples(series, &train),
        band: Vec::new(),
    }];
    let validated = samples(series, &val);
    if !validated.is_empty() {
        let label = "validation".into();
        curves.push(Curve { key: val, label, style: validation, samples: validated, band: Vec::new() });
    }
    Convergence { title: "Loss".into(), metric: train, curves, references: Vec::new() }
}

/// The validation metric of one run by which it is [`judged`].
pub fn primary(run: &RunView, series: &[MetricSeries]) -> Convergence {
    let metric = judged(run).unwrap_or(run.task.primary_metric());
    let name = metric.name(Split::Val);
    let references = run
        .task
        .baselines()
        .iter()
        .filter_map(|b| {
            let value = run.metrics.get(&metric.baseline_name(Split::Val, b))?;
            Some(Reference { label: (*b).to_owned(), value: *value })
        })
        .collect();
    let curve = Curve {
        key: run.id.to_string(),
        label: "validation".into(),
        style: Style { dash: Dash::Solid, ..style_of(run) },
        samples: samples(series, &name),
        band: Vec::new(),
    };
    Convergence { title: metric_words(&name), metric: name, curves: vec![curve], references }
}

fn note(view: &AlignmentView) -> String {
    format!("{} kernel, {} estimator, {} samples", view.kernel.to_uppercase(), view.estimator, view.n)
}

/// The last measured value of each layer.
fn last_points(view: &AlignmentView, layers: &[String]) -> Vec<Option<AlignmentPoint>> {
    layers
        .iter()
        .map(|layer| {
            view.values
                .iter()
                .filter(|v| v.metric == D2P && &v.layer == layer)
                .max_by(|a, b| a.epoch.total_cmp(&b.epoch))
                .map(|v| AlignmentPoint { value: v.value, p: v.p })
        })
        .collect()
}

/// The alignment of one run, as last measured.
pub fn alignment(run: &RunView, view: Option<&AlignmentView>) -> AlignmentLayers {
    let layers = view.map(|v| v.layers.clone()).unwrap_or_default();
    let series = view.map(|v| AlignmentSeries {
        key: run.id.to_string(),
        label: "after fine-tuning".into(),
        style: Style { dash: Dash::Solid, ..style_of(run) },
        values: last_points(v, &layers),
    });
    AlignmentLayers {
        title: "Alignment by layer".into(),
        layers,
        series: series.into_iter().collect(),
        note: view.map(note).unwrap_or_default(),
    }
}

/// Alignment over epochs; none unless it was measured more than once.
pub fn drift(view: Option<&AlignmentView>) -> Option<LayerHeatmap> {
    let view = view?;
    let mut epochs: Vec<f64> = view.values.iter().filter(|v| v.metric == D2P).map(|v| v.epoch).collect();
    epochs.retain(|e| e.is_finite());
    epochs.sort_by(f64::total_cmp);
    epochs.dedup();
    if epochs.len() < 2 {
        return None;
    }
    let value = |layer: &String, epoch: f64| {
        let of = |v: &&transferscope_domain::alignment::AlignmentValue| {
            v.metric == D2P && &v.layer == layer && v.epoch == epoch
        };
        view.values.iter().find(of).map(|v| v.value)
    };
    let values = view.layers.iter().map(|l| epochs.iter().map(|e| value(l, *e)).collect()).collect();
    Some(LayerHeatmap {
        title: "Drift by layer and epoch".into(),
        layers: view.layers.clone(),
        epochs,
        values,
    })
}

/// One metric of several runs.
pub fn compare(data: &CompareData, metric: &str) -> Convergence {
    let curves = labels(&data.runs)
        .into_iter()
        .zip(styles(&data.runs))
        .zip(&data.runs)
        .enumerate()
        .map(|(i, ((label, style), run))| Curve {
            key: run.id.to_string(),
            label,
            style,
            samples: data.series.get(i).map(|s| samples(s, metric)).unwrap_or_default(),
            band: Vec::new(),
        })
        .collect();
    Convergence { title: metric_words(metric), metric: metric.to_owned(), curves, references: Vec::new() }
}

/// Places of runs that differ in nothing but their seed, in the order of their first ones.
pub fn seed_groups(runs: &[RunView]) -> Vec<Vec<usize>> {
    let alike = |a: &RunView, b: &RunView| {
        (&a.backbone, a.task, a.arm, &a.dataset, &a.training)
            == (&b.backbone, b.task, b.arm, &b.dataset, &b.training)
    };
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        match groups.iter_mut().find(|g| alike(&runs[g[0]], run)) {
            Some(group) => group.push(i),
            None => groups.push(vec![i]),
        }
    }
    groups
}

/// One metric of several runs, those that differ in their seed as their mean with a band from the lowest to the
/// highest, at the steps that all of them have.
pub fn compare_seeds(data: &CompareData, metric: &str) -> Convergence {
    let groups = seed_groups(&data.runs);
    // Seeds tell no group from another.
    let firsts: Vec<RunView> =
        groups.iter().map(|g| RunView { seed: 0, ..data.runs[g[0]].clone() }).collect();
    let curves = labels(&firsts)
        .into_iter()
        .zip(styles(&firsts))
        .zip(&groups)
        .map(|((label, style), group)| {
            let of = |i: &usize| data.series.get(*i).map(|s| samples(s, metric)).unwrap_or_default();
            let all: Vec<Vec<Sample>> = group.iter().map(of).filter(|s| !s.is_empty()).collect();
            let (samples, band) = mean_and_band(&all);
            let n = all.len();
            let label = label.strip_suffix(", seed 0").unwrap_or(&label).to_owned();
            // A curve without a band is one seed, which must not look as if seeds agreed.
            let label = if n > 0 { format!("{label}, {}", format::plural(n as u64, "seed")) } else { label };
            Curve { key: data.runs[group[0]].id.to_string(), label, style, samples, band }
        })
        .collect();
    Convergence { title: metric_words(metric), metric: metric.to_owned(), curves, references: Vec::new() }
}

/// Means, and lowest and highest values, over curves at the steps that all of them have.
fn mean_and_band(all: &[Vec<Sample>]) -> (Vec<Sample>, Vec<(f64, f64)>) {
    let [first, others @ ..] = all else { return Default::default() };
    if others.is_empty() {
        return (first.clone(), Vec::new());
    }
    let at =
        |curve: &[Sample], step: u64| curve.binary_search_by_key(&step, |s| s.step).ok().map(|i| curve[i]);
    let together = |sample: &Sample| {
        let rest: Option<Vec<Sample>> = others.iter().map(|c| at(c, sample.step)).collect();
        let samples: Vec<Sample> = std::iter::once(*sample).chain(rest?).collect();
        let mean = |of: fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / samples.len() as f64;
        let values = || samples.iter().map(|s| s.value);
        let band = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        Some((Sample { seconds: mean(|s| s.seconds), value: mean(|s| s.value), ..*sample }, band))
    };
    first.iter().filter_map(together).unzip()
}

/// The alignment of several runs; layers of different architectures stand side by side.
pub fn compare_alignment(data: &CompareData) -> AlignmentLayers {
    let mut layers: Vec<String> = Vec::new();
    for view in data.alignment.iter().flatten() {
        for layer in &view.layers {
            if !layers.contains(layer) {
                layers.push(layer.clone());
            }
        }
    }
    let series = labels(&data.runs)
        .into_iter()
        .zip(styles(&data.runs))
        .zip(&data.runs)
        .enumerate()
        .filter_map(|(i, ((label, style), run))| {
            let view = data.alignment.get(i)?.as_ref()?;
            let values = last_points(view, &layers);
            Some(AlignmentSeries { key: run.id.to_string(), label, style, values })
        })
        .collect();
    AlignmentLayers {
        title: "Alignment by layer".into(),
        layers,
        series,
        note: data.alignment.iter().flatten().next().map(note).unwrap_or_default(),
    }
}

/// The test cases that two runs of one task have both scored; none where the tasks differ.
pub fn case_pairs(data: &CompareData, a: usize, b: usize) -> Option<CasePairs> {
    let (run_a, run_b) = (data.runs.get(a)?, data.runs.get(b)?);
    if run_a.task != run_b.task || a == b {
        return None;
    }
    let kind = run_a.task.case_metric();
    let scores = |i: usize| -> BTreeMap<&str, f64> {
        data.cases
            .get(i)
            .into_iter()
            .flatten()
            .filter(|c| c.split == Split::Test.as_str())
            .filter_map(|c| Some((c.case_id.as_str(), *c.scores.get(kind.as_str())?)))
            .collect()
    };
    let of_b = scores(b);
    let pairs = scores(a)
        .into_iter()
        .filter_map(|(case, score)| Some(Pair { case_id: case.to_owned(), a: score, b: *of_b.get(case)? }))
        .collect();
    let labels = labels(&data.runs);
    Some(CasePairs {
        title: format!("{} case by case", kind.label()),
        kind,
        a_label: labels[a].clone(),
        b_label: labels[b].clone(),
        b_style: styles(&data.runs)[b],
        pairs,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use transferscope_domain::{
        Arm, Family, RunState, TrainingSpec, alignment::AlignmentValue, report::CaseScore,
    };

    use super::*;

    pub(crate) fn run(id: &str, arm: Arm, seed: u64) -> RunView {
        RunView {
            id: id.parse().unwrap(),
            state: RunState::Succeeded,
            backbone: "provicnet-mini".into(),
            task: TaskKind::Segmentation.into(),
            arm,
            seed,
            dataset: "phantom".into(),
            synthetic: true,
            experiment: None,
            progress: 1.0,
            eta_s: None,
            phase: None,
            device: "cpu".into(),
            metrics: BTreeMap::new(),
            primary: None,
            failure: None,
            training: TrainingSpec::default_for(Family::Provicnet, TaskKind::Segmentation),
            pretraining: None,
            created_ms: 0,
            started_ms: None,
            finished_ms: None,
            heartbeat_ms: None,
            attempts: 1,
            queue_position: None,
        }
    }

    pub(crate) fn data() -> CompareData {
        let runs = vec![run("run-a", Arm::Pretrained, 0), run("run-b", Arm::Scratch, 0)];
        let curve = |name: &str, best: f64| MetricSeries {
            name: name.into(),
            points: (0..5)
                .map(|i| (i * 10, i as f64, 1000 + i as i64 * 500, best * i as f64 / 4.0).into())
                .collect(),
        };
        let case = |id: &str, score: f64| CaseScore {
            case_id: id.into(),
            patient_id: id.into(),
            split: "test".into(),
            scores: BTreeMap::from([("dice".into(), score)]),
        };
        let layer = |layer: &str, depth, epoch, value| AlignmentValue {
            epoch,
            layer: layer.into(),
            depth,
            metric: D2P.into(),
            value,
            p: Some(0.01),
            bandwidth: 1.0,
            n: 8,
        };
        let view = AlignmentView {
            layers: vec!["block1".into(), "block2".into()],
            kernel: "rbf".into(),
            bandwidth: vec![1.0, 1.0],
            estimator: "unbiased".into(),
            n: 8,
            values: vec![
                layer("block2", 1, 2.0, 0.4),
                layer("block1", 0, 2.0, 0.1),
                layer("block1", 0, 1.0, 0.9),
            ],
        };
        CompareData {
            series: vec![
                vec![curve("train/loss", 1.0), curve("val/dice", 0.9)],
                vec![curve("val/dice", 0.7), curve("val/loss", 0.7)],
            ],
            cases: vec![vec![case("c1", 0.9), case("c2", 0.8)], vec![case("c2", 0.7), case("c3", 0.1)]],
            alignment: vec![Some(view), None],
            previews: vec![Vec::new(), Vec::new()],
            runs,
            ..CompareData::default()
        }
    }

    #[test]
    fn labels_say_only_what_differs() {
        let mut runs = vec![run("run-a", Arm::Pretrained, 0), run("run-b", Arm::Scratch, 0)];
        assert_eq!(labels(&runs), ["pre-trained", "from scratch"]);
        runs.push(run("run-c", Arm::Scratch, 0));
        assert_eq!(labels(&runs)[1], "from scratch (run-b)");
        assert_eq!(labels(&runs[..1]), ["provicnet-mini, pre-trained, seed 0"]);
        assert!(labels(&[]).is_empty());
    }

    #[test]
    fn a_comparison_starts_with_the_primary_metric() {
        let data = data();
        assert_eq!(compare_metrics(&data), ["val/dice", "val/loss", "train/loss"]);
        assert_eq!(default_metric(&CompareData::default()), "train/loss");
        let chart = compare(&data, "val/dice");
        assert_eq!(chart.title, "Validation Dice");
        assert_eq!(chart.curves[1].samples[4].seconds, 2.0);
        assert_eq!(metric_words("test/dice.peripheral_zone"), "Test Dice, peripheral zone");
        assert_eq!(metric_words("test/dice@mean-shape"), "Test Dice, mean-shape");
        assert_eq!(metric_words("test/dice.peripheral@mean-shape"), "Test Dice, peripheral, mean-shape");
        assert_eq!(metric_words("val/auroc"), "Validation AUROC");
        assert_eq!(metric_words("val/sensitivity_at_80"), "Validation sensitivity at 80 % specificity");
    }

    #[test]
    fn seeds_become_a_mean_with_its_band() {
        let mut data = data();
        data.runs.push(run("run-c", Arm::Pretrained, 1));
        let mut curve = data.series[0][1].clone();
        for point in &mut curve.points {
            point.value += 0.2;
        }
        // A step that only this run has is left out.
        curve.points.push((50, 5.0, 9000, 1.0).into());
        data.series.push(vec![curve]);
        assert_eq!(seed_groups(&data.runs), [vec![0, 2], vec![1]]);
        let chart = compare_seeds(&data, "val/dice");
        let names: Vec<_> = chart.curves.iter().map(|c| c.label.as_str()).collect();
        assert_eq!(names, ["pre-trained, 2 seeds", "from scratch, 1 seed"]);
        let mean = &chart.curves[0];
        assert_eq!((mean.samples.len(), mean.band.len(), mean.key.as_str()), (5, 5, "run-a"));
        assert!((mean.samples[4].value - 1.0).abs() < 1e-12);
        assert!((mean.band[4].0 - 0.9).abs() < 1e-12 && (mean.band[4].1 - 1.1).abs() < 1e-12);
        assert!(chart.curves[1].band.is_empty());
        data.runs.truncate(1);
        assert_eq!(compare_seeds(&data, "val/dice").curves[0].label, "provicnet-mini, pre-trained, 1 seed");
    }

    #[test]
    fn alignment_takes_the_last_epoch_of_each_layer() {
        let data = data();
        let chart = compare_alignment(&data);
        assert_eq!(chart.series.len(), 1);
        assert_eq!(chart.series[0].values[0].unwrap().value, 0.1);
        let drift = drift(data.alignment[0].as_ref()).unwrap();
        assert_eq!(drift.values, [vec![Some(0.9), Some(0.1)], vec![None, Some(0.4)]]);
    }

    #[test]
    fn only_cases_of_both_runs_are_paired() {
        let data = data();
        let pairs = case_pairs(&data, 0, 1).unwrap();
        assert_eq!(pairs.pairs.len(), 1);
        assert_eq!((pairs.pairs[0].a, pairs.pairs[0].b), (0.8, 0.7));
        assert!(case_pairs(&data, 0, 0).is_none() && case_pairs(&data, 0, 9).is_none());
    }
}
