//! Experiments and their runs.

use transferscope_domain::{
    ExperimentId,
    api::{CreatedRun, ExperimentCreated, ExperimentList, ExperimentSummary, ExperimentView},
    experiment::ExperimentSpec,
};

use crate::{
    NewRun, Result, Store, StoreError,
    error::{from_json, from_name, to_json},
    ids, now_ms,
    records::Kind,
    rows::{RunRow, select_runs, views},
    runs::insert,
};

/// Most experiments in a list; older ones are reached by their link.
const LIST_MAX: i64 = 500;

impl Store {
    /// Stores an experiment and queues its runs, all or none. The experiment's id is the one that
    /// the requests carry (all the same one); where they carry none, a new id is given.
    ///
    /// # Errors
    /// `Conflict` when an id is taken, `Invalid` when there is no run or the requests name
    /// different experiments.
    pub async fn create_experiment(
        &self,
        spec: &ExperimentSpec,
        runs: Vec<NewRun>,
    ) -> Result<ExperimentCreated> {
        let invalid = |message: &str| StoreError::Invalid { field: "runs", message: message.into() };
        let first = runs.first().ok_or_else(|| invalid("an experiment needs at least one run"))?;
        if runs.iter().any(|r| r.request.experiment != first.request.experiment) {
            return Err(invalid("the runs of an experiment must all name it"));
        }
        let id = first.request.experiment.clone().unwrap_or_else(ids::new_experiment_id);
        let now = now_ms();
        let mut tx = self.begin().await?;
        sqlx::query("insert into experiments (id, name, spec, created_ms) values (?, ?, ?, ?)")
            .bind(id.as_str())
            .bind(&spec.name)
            .bind(to_json("experiment", spec)?)
            .bind(now)
            .execute(&mut *tx)
            .await
            .map_err(|e| StoreError::on_unique(e, || format!("there is an experiment {id} already")))?;
        let mut created = Vec::with_capacity(runs.len());
        for mut run in runs {
            run.request.experiment = Some(id.clone());
            insert(&mut tx, &run, self.arrival_of(&run)).await?;
            let r = run.request;
            created.push(CreatedRun {
                id: r.id,
                backbone: r.backbone,
                task: r.task,
                arm: r.arm,
                seed: r.seed,
            });
        }
        let kept = self.keep_row(&mut tx, Kind::Experiment, id.as_str()).await?;
        self.commit(tx, kept).await?;
        Ok(ExperimentCreated { id, runs: created })
    }

    /// The latest experiments, newest first.
    ///
    /// # Errors
    /// `Database` only.
    pub async fn experiments(&self) -> Result<ExperimentList> {
        let rows: Vec<(String, String, i64, u32, u32)> = sqlx::query_as(
            "select e.id, e.name, e.created_ms, count(r.number),
                count(case when r.state in ('stopped', 'succeeded', 'failed') then 1 end)
            from experiments e
            left join runs r on r.experiment_id = e.id
            group by e.number
            order by e.number desc
            limit ?",
        )
        .bind(LIST_MAX)
        .fetch_all(self.read())
        .await?;
        let experiments = rows
            .into_iter()
            .map(|(id, name, created_ms, runs, finished)| {
                Ok(ExperimentSummary {
                    id: from_name("experiment id", &id)?,
                    name,
                    created_ms,
                    runs,
                    finished,
                })
            })
            .collect::<Result<_>>()?;
        Ok(ExperimentList { experiments })
    }

    /// One experiment with its runs in the order of its plan.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn experiment(&self, id: &ExperimentId) -> Result<ExperimentView> {
        let mut tx = self.read().begin().await?;
        let found: Option<(String, String, i64)> =
            sqlx::query_as("select name, spec, created_ms from experiments where id = ?")
                .bind(id.as_str())
                .fetch_optional(&mut *tx)
                .await?;
        let (name, spec, created_ms) = found.ok_or_else(|| StoreError::not_found("experiment", id))?;
        let rows: Vec<RunRow> = sqlx::query_as(select_runs!("where r.experiment_id = ? order by r.number"))
            .bind(id.as_str())
            .fetch_all(&mut *tx)
            .await?;
        let mut runs = views(&mut tx, &rows).await?;
        self.hide_paths(&mut runs);
        Ok(ExperimentView { id: id.clone(), name, spec: from_json("experiment", &spec)?, created_ms, runs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RunFilter, testing::new_run};

    #[tokio::test]
    async fn an_experiment_and_its_runs_are_stored_together_or_not_at_all() {
        let store = Store::open_temp().await.unwrap();
        let spec = ExperimentSpec::quick("phantom");
        let (one, two) = (new_run(), new_run());
        let created = store.create_experiment(&spec, vec![one.clone(), two.clone()]).await.unwrap();
        let view = store.experiment(&created.id).await.unwrap();
        assert_eq!(view.spec, spec);
        assert_eq!(view.runs.iter().map(|r| &r.id).collect::<Vec<_>>(), [&one.request.id, &two.request.id]);
        assert_eq!(view.runs[0].experiment, Some(created.id.clone()));

        // The second run's id is taken: nothing of the experiment stays.
        let refused = store.create_experiment(&spec, vec![new_run(), one]).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))));
        let list = store.experiments().await.unwrap().experiments;
        assert_eq!(list.len(), 1);
        assert_eq!((list[0].runs, list[0].finished), (2, 0));
        assert_eq!(store.runs(&RunFilter::default()).await.unwrap().runs.len(), 2);
        assert!(matches!(store.create_experiment(&spec, vec![]).await, Err(StoreError::Invalid { .. })));
    }
}
