//! Trainings of a few steps: going on after a stop, and what a checkpoint holds.

use std::sync::atomic::{AtomicU64, Ordering};

use burn::backend::Autodiff;
use burn_flex::Flex;
use rand::RngExt;
use transferscope_domain::{Adaptation, Family, TaskKind, task::Output};

use super::*;
use crate::{
    checkpoint::read,
    init,
    model::io::TaskIo,
    observer::Progress,
    params::NamedTensor,
    train::{
        adapt::adapt,
        example::{Target, TaskPlan},
        layer_decay::grouping,
    },
};

type A = Autodiff<Flex>;

/// Stops a training after some steps.
struct StopAfter(AtomicU64);

impl Observer for StopAfter {
    fn event(&self, body: EventBody) -> std::io::Result<()> {
        if matches!(body, EventBody::Step { .. }) {
            let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        }
        Ok(())
    }
    fn progress(&self, _progress: Progress) {}
    fn should_stop(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// A volume with a bright block, and the block as its label.
fn example(i: usize) -> Example {
    let shape = [4, 16, 16];
    let labels: Vec<u8> = (0..shape.iter().product())
        .map(|at| u8::from((4..9 + i).contains(&(at % 16)) && (3..12).contains(&(at / 16 % 16))))
        .collect();
    let image: Vec<f32> =
        labels.iter().enumerate().map(|(at, l)| f32::from(*l) + 0.3 * (at as f32).sin()).collect();
    let name = format!("case-{i}");
    Example::new((&name, &name), shape, vec![image.clone(); 3], Target::Labels(labels), image)
}

/// A volume of noise that has a bright ball somewhere or none, and which of the two it is.
fn labelled(i: u64) -> Example {
    let shape = [8usize, 32, 32];
    let mut rng = init::stream(i, "labelled");
    let label = u8::from(i.is_multiple_of(2));
    let centre = [rng.random_range(2..6), rng.random_range(6..26), rng.random_range(6..26)];
    let image: Vec<f32> = (0..shape.iter().product())
        .map(|at: usize| {
            let place = [at / 1024, at / 32 % 32, at % 32];
            let away = place.iter().zip(&centre).map(|(a, b)| a.abs_diff(*b).pow(2)).sum::<usize>();
            let ball = f32::from(u8::from(label == 1 && away < 12));
            4.0 * ball + rng.random_range(-1.0..1.0f32)
        })
        .collect();
    let name = format!("case-{i}");
    Example::new((&name, &name), shape, vec![image.clone(); 3], Target::Label(label), image)
}

/// What can be told of a case is learnt from two dozen labels alone: a bright ball somewhere in noise. The network
/// of coarse patches learns it less well than the others when it starts at random.
#[test]
fn labels_of_cases_are_learnt() {
    for (family, least) in [(Family::ProfoundConv, 0.7), (Family::Provicnet, 0.95), (Family::Unet, 0.95)] {
        let device = Default::default();
        let run_dir = tempfile::tempdir().unwrap();
        for folder in ["checkpoints", "previews", "features"] {
            std::fs::create_dir_all(run_dir.path().join(folder)).unwrap();
        }
        let examples: Vec<Example> = (0..24).map(labelled).collect();
        let val: Vec<Example> = (100..124).map(labelled).collect();
        let spec = TrainingSpec { epochs: 10, ..TrainingSpec::default_for(family, TaskKind::Classification) };
        let plan = TaskPlan::usual("classification");
        let io = TaskIo { images: 3, out: plan.out(), output: Output::Label };
        let net = init::zero_init_output(init::random(Net::<A>::mini(family, io, &device), 5), Output::Label);
        let loss = TaskLoss::new(spec.loss, &examples, plan.out());
        let training = Fit {
            run_dir: run_dir.path(),
            train: &examples,
            val: &val,
            eval: EvalConfig {
                plan: &plan,
                sampling: family.into(),
                loss: &loss,
                inference: spec.inference,
                features: true,
            },
            spec: &spec,
            recipe: recipe(spec.augmentation),
            seed: 5,
            observer: &StopAfter(AtomicU64::new(u64::MAX)),
        };
        let optimiser = Optimiser::new(spec.optimiser.into(), grouping(net.layers(), &spec));
        let Fitted::Complete(done) = fit(&training, net, optimiser, None, &device).unwrap() else {
            panic!("nobody stops it")
        };
        let cases = done.best_cases.unwrap();
        let auroc = summary(cases.iter())["auroc"];
        println!("{}: AUROC {auroc:.3} at epoch {}", family.as_str(), done.best_epoch);
        assert!(auroc > least && done.best_epoch >= 1.0, "{}: {auroc}", family.as_str());
    }
}

/// Trains until the end or until `steps` are done, going on from what `run_dir` has.
fn train(run_dir: &Path, family: Family, spec: &TrainingSpec, steps: u64) -> Fitted {
    let device = Default::default();
    for folder in ["checkpoints", "previews", "features"] {
        std::fs::create_dir_all(run_dir.join(folder)).unwrap();
    }
    let (examples, val) = ((0..3).map(example).collect::<Vec<_>>(), [example(3)]);
    let io = TaskIo { images: 3, out: 2, output: Output::Classes };
    let net = Net::<A>::mini(family, io, &device);
    let net = if spec.adaptation == Adaptation::LinearProbe { net.with_probe(io, &device) } else { net };
    let net = adapt(init::random(net, 5), spec, 5, &device);
    let mut optimiser = Optimiser::new(spec.optimiser.into(), grouping(net.layers(), spec));
    let (net, from) = state::load_last(run_dir, net, &mut optimiser, &device).unwrap();
    let plan = TaskPlan::usual("segmentation:gland");
    let loss = TaskLoss::new(spec.loss, &examples, plan.out());
    let observer = StopAfter(AtomicU64::new(steps));
    let training = Fit {
        run_dir,
        train: &examples,
        val: &val,
        eval: EvalConfig {
            plan: &plan,
            sampling: family.into(),
            loss: &loss,
            inference: spec.inference,
            features: true,
        },
        spec,
        recipe: recipe(spec.augmentation),
        seed: 5,
        observer: &observer,
    };
    fit(&training, net, optimiser, from, &device).unwrap()
}

fn spec(family: Family, adaptation: Adaptation) -> TrainingSpec {
    TrainingSpec {
        epochs: 2,
        batch_size: 1,
        samples_per_case: 1,
        adaptation,
        layer_decay: 0.8,
        drop_path: 0.3,
        ..TrainingSpec::default_for(family, TaskKind::Segmentation)
    }
}

fn last(run_dir: &Path) -> Vec<NamedTensor> {
    let (mut tensors, _) = read(&state::last_path(run_dir)).unwrap();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    tensors
}

/// A training that was stopped in the middle of an epoch ends as the one that was not.
fn assert_resumes(family: Family, spec: &TrainingSpec) {
    let adaptation = spec.adaptation;
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert!(matches!(train(whole.path(), family, spec, u64::MAX), Fitted::Complete(_)));
    assert!(matches!(train(parts.path(), family, spec, 2), Fitted::Cancelled { step: 2, .. }));
    let before = last(parts.path());
    assert!(matches!(train(parts.path(), family, spec, u64::MAX), Fitted::Complete(_)));
    let (whole, parts) = (last(whole.path()), last(parts.path()));
    assert!(whole == parts, "{adaptation}: the tensors differ");

    // Moments belong to what is trained, which has moved; the rest has neither.
    let find = |tensors: &[NamedTensor], name: &str| tensors.iter().find(|t| t.name == name).cloned();
    for now in parts.iter().filter(|t| t.name.starts_with("p/")) {
        let trained = find(&parts, &now.name.replacen("p/", "m/", 1)).is_some();
        let frozen = adaptation.freezes_encoder()
            && now.name.starts_with("p/encoder.")
            && !now.name.contains(".lora.");
        assert!(!(frozen && trained), "{adaptation}: {}", now.name);
        if !trained {
            assert_eq!(find(&before, &now.name).as_ref(), Some(now), "{adaptation}: {}", now.name);
        }
    }
    assert!(parts.iter().any(|t| t.name.starts_with("m/")));
}

#[test]
fn a_stopped_training_ends_as_one_that_was_not() {
    for &adaptation in Adaptation::ALL {
        assert_resumes(Family::Provicnet, &spec(Family::Provicnet, adaptation));
    }
    assert_resumes(Family::ProfoundConv, &spec(Family::ProfoundConv, Adaptation::Lora));
    for optimiser in [transferscope_domain::Optimiser::Sgd, transferscope_domain::Optimiser::Lars] {
        let spec = TrainingSpec { optimiser, ..spec(Family::Provicnet, Adaptation::LinearProbe) };
        assert_resumes(Family::Provicnet, &spec);
    }
}
