//! What the new-experiment form can choose from.

use leptos::{prelude::*, server_fn::codec::GetUrl};

#[cfg(feature = "ssr")]
use crate::data::choices::Timing;
use crate::{AppError, data::choices::Choices};

/// What the form offers.
#[server(prefix = "/fn", endpoint = "choices", input = GetUrl)]
pub async fn form_choices() -> Result<Choices, AppError> {
    use super::server::{catalogue, store};
    use transferscope_domain::RunState;
    use transferscope_store::RunFilter;

    let catalogue = catalogue()?;
    let filter = RunFilter { state: Some(RunState::Succeeded), limit: Some(500), ..RunFilter::default() };
    let finished = store()?.runs(&filter).await?.runs;
    let mut datasets = (catalogue.datasets)();
    for case in datasets.iter_mut().flat_map(|d| &mut d.cases) {
        case.prepared.clear();
        case.hash.clear();
    }
    Ok(Choices {
        backbones: (catalogue.backbones)(),
        datasets,
        preparing: (catalogue.preparing)(),
        timings: timings(&finished),
    })
}

/// Median time of each kind among finished runs.
#[cfg(feature = "ssr")]
fn timings(finished: &[transferscope_domain::api::RunView]) -> Vec<Timing> {
    let mut kinds: Vec<(Timing, Vec<f64>)> = Vec::new();
    for run in finished {
        // A run that was interrupted counts its idle time too, and says nothing.
        let (Some(start), Some(end), 1) = (run.started_ms, run.finished_ms, run.attempts) else { continue };
        let seconds = (end - start).max(0) as f64 / 1000.0 / f64::from(run.training.epochs.max(1));
        let same = |t: &Timing| {
            (&t.backbone, t.task, t.arm, &t.dataset) == (&run.backbone, run.task, run.arm, &run.dataset)
                && t.label_share == run.training.label_share
        };
        match kinds.iter_mut().find(|(t, _)| same(t)) {
            Some((_, all)) => all.push(seconds),
            None => kinds.push((
                Timing {
                    backbone: run.backbone.clone(),
                    task: run.task,
                    arm: run.arm,
                    dataset: run.dataset.clone(),
                    label_share: run.training.label_share,
                    seconds_per_epoch: 0.0,
                },
                vec![seconds],
            )),
        }
    }
    kinds
        .into_iter()
        .map(|(mut timing, mut all)| {
            all.sort_by(f64::total_cmp);
            timing.seconds_per_epoch = all[all.len() / 2];
            timing
        })
        .collect()
}
