//! A database made anew from files: the questions that only that asks. The order of things, and reading the run
//! directories, is the business of whoever rebuilds.

use std::{collections::BTreeMap, path::Path};

use transferscope_domain::{ExperimentId, RunId, RunState, experiment::ExperimentSpec};

use crate::{
    NewRun, Result, Store, StoreError,
    error::to_json,
    records::{Ended, Kind, Record, read_record},
    restore::{listing, restore_places, restore_row},
    runs::insert,
    state::{change, state},
};

/// What came of the files of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    pub rows: usize,
    /// Files that could not be taken, in words.
    pub skipped: Vec<String>,
}

impl Store {
    /// Takes in every file of a kind.
    ///
    /// # Errors
    /// When the folder cannot be listed or the database does not answer; a file that makes no sense is skipped.
    pub async fn restore(&self, kind: Kind) -> Result<Restored> {
        let mut restored = Restored::default();
        let listing = listing(&self.root().join(kind.folder()))?;
        for id in &listing.made {
            let path = self.record_path(kind, id);
            let row = match read_record::<Record>(&path) {
                Ok(record) => record.row,
                Err(error) => {
                    restored.skipped.push(format!("{}: {error}", path.display()));
                    continue;
                }
            };
            let mut tx = self.begin().await?;
            match restore_row(&mut tx, kind, &row).await {
                Ok(()) => {
                    tx.commit().await?;
                    restored.rows += 1;
                }
                Err(StoreError::Full) => return Err(StoreError::Full),
                Err(error) => restored.skipped.push(format!("{}: {error}", path.display())),
            }
        }
        for id in &listing.revoked {
            let path = self.revoked_path(kind, id);
            match read_record::<Ended>(&path) {
                Ok(ended) => drop(self.restore_revoked(kind, id, ended.t_ms).await?),
                Err(error) => restored.skipped.push(format!("{}: {error}", path.display())),
            }
        }
        Ok(restored)
    }

    /// Adds an experiment of which only its runs are left.
    ///
    /// # Errors
    /// `Database` only; one that is there stays as it is.
    pub async fn restore_experiment(
        &self,
        id: &ExperimentId,
        spec: &ExperimentSpec,
        created_ms: i64,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("insert or ignore into experiments (id, name, spec, created_ms) values (?, ?, ?, ?)")
            .bind(id.as_str())
            .bind(&spec.name)
            .bind(to_json("experiment", spec)?)
            .bind(created_ms)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The experiments that are stored.
    ///
    /// # Errors
    /// `Database` only.
    pub async fn experiment_ids(&self) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar("select id from experiments").fetch_all(self.read()).await?)
    }

    /// The ids of all runs.
    ///
    /// # Errors
    /// `Database` only.
    pub async fn run_ids(&self) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar("select id from runs").fetch_all(self.read()).await?)
    }

    /// Adds runs as they arrived, waiting; what became of them is in their logs. All or none.
    ///
    /// # Errors
    /// `Conflict` when an id is taken.
    pub async fn restore_runs(&self, runs: &[NewRun]) -> Result<()> {
        let mut tx = self.begin().await?;
        for run in runs {
            insert(&mut tx, run, self.arrival_of(run)).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Stops a run as a file says, where its log has not ended it otherwise; says whether it did.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn restore_stop(&self, id: &RunId, t_ms: i64) -> Result<bool> {
        let mut tx = self.begin().await?;
        let open = !state(&mut tx, id).await?.is_final();
        if open {
            change(&mut tx, id.as_str(), RunState::Stopped, None, t_ms).await?;
            tx.commit().await?;
        }
        Ok(open)
    }

    /// Takes a run out again, whose directory turned out to be damaged.
    ///
    /// # Errors
    /// `Database` only.
    pub async fn leave_out(&self, id: &RunId) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("delete from runs where id = ?").bind(id.as_str()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Says of a run that has not ended that a worker is at it now.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn restore_worker(&self, id: &RunId, stopping: bool, now_ms: i64) -> Result<()> {
        let mut tx = self.begin().await?;
        let next = match state(&mut tx, id).await? {
            RunState::Queued | RunState::Running if stopping => RunState::Stopping,
            RunState::Queued => RunState::Preparing,
            _ => return Ok(()),
        };
        change(&mut tx, id.as_str(), next, None, now_ms).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Puts waiting runs where they stood.
    ///
    /// # Errors
    /// `Database` only.
    pub async fn restore_queue(&self, places: &BTreeMap<String, f64>) -> Result<usize> {
        let mut tx = self.begin().await?;
        let changed = restore_places(&mut tx, places, &BTreeMap::new()).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Brings everything into the one file, on the disk, and closes it.
    ///
    /// # Errors
    /// When the disk is full or does not answer.
    pub async fn finish(self, path: &Path) -> Result<()> {
        self.fold().await?;
        self.close().await;
        let synced = std::fs::File::open(path).and_then(|f| f.sync_all());
        synced.map_err(|source| StoreError::Folder { path: path.display().to_string(), source })
    }
}
