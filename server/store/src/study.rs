//! Everything that the analysis of an experiment asks for, in a few questions however many runs there are.

use std::collections::HashMap;

use transferscope_domain::{
    ExperimentId, MetricKind, RunState, Task, TaskKind, alignment::AlignmentValue, metric::Split,
    study::RunRecord,
};

use crate::{
    Result, Store, cases,
    error::{from_name, to_json},
    rows::unsigned,
    rows::{RunRow, latest_metrics, select_runs},
};

impl Store {
    /// The runs of an experiment with curves, scores and alignment, in the order of its plan. A run that was repeated
    /// is there several times.
    ///
    /// # Errors
    /// `Database` only; an unknown experiment has no runs.
    pub async fn study_records(&self, id: &ExperimentId) -> Result<Vec<RunRecord>> {
        let mut tx = self.read().begin().await?;
        let rows: Vec<RunRow> = sqlx::query_as(select_runs!("where r.experiment_id = ? order by r.number"))
            .bind(id.as_str())
            .fetch_all(&mut *tx)
            .await?;
        let ids: Vec<&str> = rows.iter().map(|r| r.id.as_str()).collect();
        let wanted = to_json("run ids", &ids)?;
        let metrics = latest_metrics(&mut tx, &ids).await?;

        let names: Vec<String> = TaskKind::ALL.iter().map(|t| t.primary_metric().name(Split::Val)).collect();
        let points: Vec<(String, String, f64, f64)> = sqlx::query_as(
            "select run_id, name, epoch, value
            from metric_points
            where run_id in (select value from json_each(?1)) and name in (select value from json_each(?2))
            order by run_id, name, step",
        )
        .bind(&wanted)
        .bind(to_json("metric names", &names)?)
        .fetch_all(&mut *tx)
        .await?;
        let mut curves: HashMap<(String, String), Vec<(f64, f64)>> = HashMap::new();
        for (run, name, epoch, value) in points {
            curves.entry((run, name)).or_default().push((epoch, value));
        }

        let mut cases = cases::test_cases(&mut tx, &wanted).await?;

        type Row = (String, f64, String, u32, String, f64, Option<f64>, f64, u32);
        let values: Vec<Row> = sqlx::query_as(
            "select run_id, epoch, layer, depth, metric, value, p, bandwidth, n
            from alignment_values
            where run_id in (select value from json_each(?))
            order by run_id, depth, epoch",
        )
        .bind(&wanted)
        .fetch_all(&mut *tx)
        .await?;
        let mut alignment: HashMap<String, Vec<AlignmentValue>> = HashMap::new();
        for (run, epoch, layer, depth, metric, value, p, bandwidth, n) in values {
            let value = AlignmentValue { epoch, layer, depth, metric, value, p, bandwidth, n };
            alignment.entry(run).or_default().push(value);
        }

        rows.iter()
            .map(|row| {
                let request = row.request()?;
                let state: RunState = from_name("run state", &row.state)?;
                let metric = request.task.primary_metric();
                let of_run = metrics.get(&row.id);
                let value = |name: &str| of_run.and_then(|m| m.get(name)).copied();
                let succeeded = state == RunState::Succeeded;
                Ok(RunRecord {
                    provenance: (&request).into(),
                    curve: curves.remove(&(row.id.clone(), metric.name(Split::Val))).unwrap_or_default(),
                    value: value(&metric.name(Split::Test)).filter(|_| succeeded),
                    baseline: best_baseline(request.task, metric, &value).filter(|_| succeeded),
                    cases: cases.scores.remove(&row.id).unwrap_or_default(),
                    patients: cases.patients.remove(&row.id).unwrap_or_default(),
                    alignment: alignment.remove(&row.id).unwrap_or_default(),
                    parameters: row.parameters.map(unsigned),
                    seconds: row.seconds,
                    id: request.id,
                    state,
                    backbone: request.backbone,
                    family: request.family,
                    task: request.task,
                    arm: request.arm,
                    seed: request.seed,
                    training: request.training,
                })
            })
            .collect()
    }
}

/// The simple baseline that did best on the same cases.
pub(crate) fn best_baseline(
    task: Task,
    metric: MetricKind,
    value: &dyn Fn(&str) -> Option<f64>,
) -> Option<(String, f64)> {
    task.baselines()
        .iter()
        .filter_map(|b| Some((*b, value(&metric.baseline_name(Split::Test, b))?)))
        .reduce(|best, next| if metric.direction().better(next.1, best.1) { next } else { best })
        .map(|(name, value)| (name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use transferscope_domain::{event::EventBody, experiment::ExperimentSpec};

    use super::*;
    use crate::testing::{metric, new_run, say, started};

    #[tokio::test]
    async fn a_record_holds_what_its_run_said() {
        let store = Store::open_temp().await.unwrap();
        let (done, waiting) = (new_run(), new_run());
        let spec = ExperimentSpec::quick("phantom");
        let created = store.create_experiment(&spec, vec![done.clone(), waiting.clone()]).await.unwrap();
        let end = EventBody::Finished { step: 10, seconds: 3.0, peak_memory_bytes: 1 };
        let said = [
            started(1, 0),
            metric("val/dice", 0, 0.1),
            metric("val/dice", 10, 0.6),
            metric("val/loss", 10, 9.0),
            metric("test/dice", 10, 0.55),
            metric("test/dice@mean-shape", 10, 0.4),
            end,
        ];
        say(&store, &done.request.id, said).await;
        let records = store.study_records(&created.id).await.unwrap();
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].curve.iter().map(|p| p.1).collect::<Vec<_>>(), [0.1, 0.6]);
        assert_eq!(records[0].value, Some(0.55));
        assert_eq!(records[0].baseline, Some(("mean-shape".into(), 0.4)));
        assert_eq!((records[1].state, records[1].value), (RunState::Queued, None));
        assert!(records[0].differences(&records[1]).is_empty());
        let unknown = "no-such-thing".parse().unwrap();
        assert!(store.study_records(&unknown).await.unwrap().is_empty());
    }
}
