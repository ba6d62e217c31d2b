//! Rows and the files beside them brought into agreement, once at each start of a server.
//!
//! A row without a file gets one: rows of versions that kept none, and of a power cut that took the file. A file without
//! a row, or with a stop that the row does not know, counts: it was written in a transaction whose commit was cut off
//! (see [`crate::records`]), or the database is an older copy.

use std::{collections::BTreeMap, fs, path::Path};

use serde::de::DeserializeOwned;
use sqlx::{AssertSqlSafe, SqliteConnection};
use transferscope_domain::{ExperimentId, RunId, RunState, ShareSlug};

use crate::{
    Result, Store,
    error::to_json,
    records::{
        ARRIVAL_FILE, Arrival, Ended, Kind, Places, QUEUE_FILE, RECORD_SCHEMA, Record, STOPPED_FILE,
        cannot_keep, places_of, read_record, row_of, write_file,
    },
    restore::{listing, restore_places, restore_row},
    state::change,
};

/// What was brought into agreement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Files that were written.
    pub files: usize,
    /// Rows that were added or changed.
    pub rows: usize,
    /// Experiments that were never finished being made and are gone.
    pub dropped: usize,
    /// Files that cannot be read, in words.
    pub unreadable: Vec<String>,
}

impl Store {
    /// Brings rows and files into agreement. `complete` says that every run directory with a result is in the database;
    /// then an experiment without a row was never finished being made, and its file goes.
    ///
    /// # Errors
    /// When a file cannot be written (`Full` where the disk is full), or the database does not answer.
    pub async fn reconcile(&self, complete: bool) -> Result<Reconciled> {
        let mut done = Reconciled::default();
        for kind in Kind::ALL {
            self.reconcile_rows(kind, complete, &mut done).await?;
        }
        self.reconcile_runs(&mut done).await?;
        self.reconcile_queue(&mut done).await?;
        Ok(done)
    }

    async fn reconcile_rows(&self, kind: Kind, complete: bool, done: &mut Reconciled) -> Result<()> {
        let listing = listing(&self.root().join(kind.folder()))?;
        let mut conn = self.read().acquire().await?;
        let rows = ended_by_id(&mut conn, kind).await?;
        for (id, revoked) in rows.iter().filter(|(id, _)| is_name(kind, id)) {
            if !listing.made.contains(id) {
                let mut row = row_of(&mut conn, kind, id).await?;
                if let Some(revoked) = row.get_mut("revoked_ms") {
                    *revoked = serde_json::Value::Null;
                }
                write(&self.record_path(kind, id), &Record { schema: RECORD_SCHEMA, row })?;
                done.files += 1;
            }
            if let Some(t_ms) = revoked.filter(|_| !listing.revoked.contains(id)) {
                write(&self.revoked_path(kind, id), &Ended { schema: RECORD_SCHEMA, t_ms })?;
                done.files += 1;
            }
        }
        drop(conn);
        for id in listing.made.iter().filter(|id| !rows.contains_key(*id)) {
            let path = self.record_path(kind, id);
            if kind == Kind::Experiment && complete {
                fs::remove_file(&path).map_err(|e| cannot_keep(path.display().to_string(), e))?;
                done.dropped += 1;
            } else if let Some(record) = read::<Record>(&path, done) {
                let mut tx = self.begin().await?;
                restore_row(&mut tx, kind, &record.row).await?;
                tx.commit().await?;
                done.rows += 1;
            }
        }
        for id in &listing.revoked {
            let already = rows.get(id).is_some_and(Option::is_some);
            if !already && let Some(ended) = read::<Ended>(&self.revoked_path(kind, id), done) {
                done.rows += usize::from(self.restore_revoked(kind, id, ended.t_ms).await?);
            }
        }
        Ok(())
    }

    async fn reconcile_runs(&self, done: &mut Reconciled) -> Result<()> {
        let rows: Vec<(String, i64, i64, bool, String, i64)> = sqlx::query_as(
            "select id, number, created_ms, synthetic, state, coalesce(finished_ms, state_ms) from runs",
        )
        .fetch_all(self.read())
        .await?;
        for (id, number, created_ms, synthetic, state, ended_ms) in rows {
            let dir = self.run_path(&id);
            if !dir.is_dir() {
                continue;
            }
            let (arrival, stopped) = (dir.join(ARRIVAL_FILE), dir.join(STOPPED_FILE));
            // Thousands of them at the first start of this version: what a power cut takes is written at the next one.
            let note = |path: &Path, text: String| {
                write_file(path, text.as_bytes(), false)
                    .map_err(|e| cannot_keep(path.display().to_string(), e))
            };
            if !is_written(&arrival) {
                let record = Arrival { schema: RECORD_SCHEMA, number, created_ms, synthetic };
                note(&arrival, to_json("record", &record)?)?;
                done.files += 1;
            }
            if state == RunState::Stopped.as_str() && !is_written(&stopped) {
                note(&stopped, to_json("record", &Ended { schema: RECORD_SCHEMA, t_ms: ended_ms })?)?;
                done.files += 1;
            }
            let waits = [RunState::Queued.as_str(), RunState::Lost.as_str()].contains(&state.as_str());
            if waits
                && stopped.exists()
                && let Some(ended) = read::<Ended>(&stopped, done)
            {
                let mut tx = self.begin().await?;
                change(&mut tx, &id, RunState::Stopped, None, ended.t_ms).await?;
                tx.commit().await?;
                done.rows += 1;
            }
        }
        Ok(())
    }

    async fn reconcile_queue(&self, done: &mut Reconciled) -> Result<()> {
        let path = self.root().join(QUEUE_FILE);
        let mut conn = self.read().acquire().await?;
        let rows = places_of(&mut conn).await?;
        drop(conn);
        if !path.exists() {
            if !rows.is_empty() {
                write(&path, &Places { schema: RECORD_SCHEMA, places: rows })?;
                done.files += 1;
            }
        } else if let Some(kept) = read::<Places>(&path, done) {
            let mut tx = self.begin().await?;
            let changed = restore_places(&mut tx, &kept.places, &rows).await?;
            tx.commit().await?;
            done.rows += changed;
        }
        Ok(())
    }

    /// Ends a link as a file says, and says whether the row did not know.
    pub(crate) async fn restore_revoked(&self, kind: Kind, id: &str, t_ms: i64) -> Result<bool> {
        let question = match kind {
            Kind::Experiment => return Ok(false),
            Kind::Link => "update shares set revoked_ms = ? where slug = ? and revoked_ms is null",
            Kind::Snapshot => "update snapshots set revoked_ms = ? where slug = ? and revoked_ms is null",
        };
        let mut tx = self.begin().await?;
        let changed = sqlx::query(question).bind(t_ms).bind(id).execute(&mut *tx).await?.rows_affected();
        tx.commit().await?;
        Ok(changed > 0)
    }
}

/// All rows of a table, with the time at which each was revoked.
async fn ended_by_id(conn: &mut SqliteConnection, kind: Kind) -> Result<BTreeMap<String, Option<i64>>> {
    let ended = if kind.is_link() { "revoked_ms" } else { "null" };
    let question = format!("select {}, {ended} from {}", kind.key(), kind.table());
    let rows: Vec<(String, Option<i64>)> = sqlx::query_as(AssertSqlSafe(question)).fetch_all(conn).await?;
    Ok(rows.into_iter().collect())
}

/// Whether a file is there with something in it.
fn is_written(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| about.len() > 0)
}

/// Whether an id can be the name of a file.
pub(crate) fn is_name(kind: Kind, id: &str) -> bool {
    match kind {
        Kind::Experiment => id.parse::<ExperimentId>().is_ok(),
        Kind::Link | Kind::Snapshot => id.parse::<ShareSlug>().is_ok(),
    }
}

/// Whether a text is a run's id.
pub fn is_run(id: &str) -> bool {
    id.parse::<RunId>().is_ok()
}

/// Writes a record where there is none.
pub(crate) fn write<T: serde::Serialize>(path: &Path, value: &T) -> Result<()> {
    let text = to_json("record", value)?;
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| write_file(path, text.as_bytes(), true));
    written.map_err(|e| cannot_keep(path.display().to_string(), e))
}

/// Reads a file; one that cannot be read is named and passed over.
fn read<T: DeserializeOwned>(path: &Path, done: &mut Reconciled) -> Option<T> {
    match read_record(path) {
        Ok(value) => Some(value),
        Err(error) => {
            done.unreadable.push(format!("{}: {error}", path.display()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use transferscope_domain::{api::ShareRequest, experiment::ExperimentSpec, run::QueueMove};

    use super::*;
    use crate::StoreError;
    use crate::{NewSnapshot, ids::new_slug, testing::new_run};

    /// A database with something of everything that it alone would know, and the directories of its runs.
    async fn folder() -> (tempfile::TempDir, Store, ShareSlug, Vec<RunId>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("transferscope.db")).await.unwrap();
        let runs = vec![new_run(), new_run(), new_run()];
        let ids: Vec<RunId> = runs.iter().map(|r| r.request.id.clone()).collect();
        for id in &ids {
            fs::create_dir_all(folder.path().join("runs").join(id.as_str())).unwrap();
        }
        store.create_experiment(&ExperimentSpec::quick("phantom"), runs).await.unwrap();
        store.move_run(&ids[2], QueueMove::First).await.unwrap();
        store.request_stop(&ids[1], 7).await.unwrap();
        let share = ShareRequest {
            runs: ids.clone(),
            view: Default::default(),
            frozen: true,
            include_patients: false,
        };
        let slug = store.create_share(&share).await.unwrap().slug;
        store.revoke_share(&slug).await.unwrap();
        let page = NewSnapshot {
            slug: new_slug(),
            title: "A study".into(),
            experiments: Vec::new(),
            created_ms: 5,
            html: "<p>é\u{2028}</p>".into(),
            picture: None,
            data: "{}".into(),
        };
        store.create_snapshot(&page).await.unwrap();
        (folder, store, slug, ids)
    }

    /// All files of records below a folder with their contents.
    fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut open = vec![root.to_owned()];
        while let Some(path) = open.pop() {
            for entry in fs::read_dir(path).unwrap().map(|e| e.unwrap().path()) {
                if entry.is_dir() {
                    open.push(entry);
                } else if entry.extension().is_some_and(|e| e == "json" || e == "part") {
                    found.insert(
                        entry.strip_prefix(root).unwrap().display().to_string(),
                        fs::read(&entry).unwrap(),
                    );
                }
            }
        }
        found
    }

    #[tokio::test]
    async fn rows_of_a_version_without_files_get_the_files_that_this_one_writes() {
        let (folder, store, slug, ids) = folder().await;
        assert_eq!(store.reconcile(true).await.unwrap().rows, 0);
        let written = files(folder.path());
        let wanted = [
            format!("links/{slug}.json"),
            format!("links/{slug}.revoked.json"),
            format!("runs/{}/stopped.json", ids[1]),
            "queue.json".into(),
        ];
        for name in &wanted {
            assert!(written.contains_key(name), "{name}: {:?}", written.keys());
        }
        assert_eq!(written.len(), 1 + 2 + 1 + 1 + 1 + 3, "{:?}", written.keys());
        for name in written.keys() {
            fs::remove_file(folder.path().join(name)).unwrap();
        }
        let done = store.reconcile(true).await.unwrap();
        assert_eq!((done.files, done.rows, done.dropped), (written.len(), 0, 0));
        assert_eq!(files(folder.path()), written);
        assert_eq!(store.reconcile(true).await.unwrap(), Reconciled::default());
    }

    #[tokio::test]
    async fn files_that_are_ahead_of_their_rows_count() {
        let (folder, store, slug, ids) = folder().await;
        store.reconcile(true).await.unwrap();
        let before = (store.queue(1).await.unwrap(), store.share(&slug).await.unwrap_err().to_string());
        // As if every commit after the experiment's had been cut off.
        let mut tx = store.begin().await.unwrap();
        for sql in [
            "delete from shares",
            "delete from snapshots",
            "update runs set place = null, state = 'queued', finished_ms = null",
        ] {
            sqlx::query(sql).execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
        let done = store.reconcile(true).await.unwrap();
        assert_eq!((done.files, done.rows), (0, 1 + 1 + 1 + 1 + 1), "{done:?}");
        assert_eq!(
            (store.queue(1).await.unwrap(), store.share(&slug).await.unwrap_err().to_string()),
            before
        );
        assert_eq!(store.run(&ids[1]).await.unwrap().run.finished_ms, Some(7));

        // An experiment whose commit was cut off was promised to nobody, unless its runs have begun.
        let orphan = folder.path().join("experiments/someorphan.json");
        let any = fs::read_dir(folder.path().join("experiments")).unwrap().next().unwrap().unwrap().path();
        let text = fs::read_to_string(&any).unwrap();
        let id = any.file_stem().unwrap().to_str().unwrap().to_owned();
        fs::write(&orphan, text.replace(&id, "someorphan").replace("\"number\":1", "\"number\":9")).unwrap();
        assert_eq!(store.reconcile(true).await.unwrap().dropped, 1);
        assert!(!orphan.exists());
        fs::write(&orphan, "{ not whole").unwrap();
        let done = store.reconcile(false).await.unwrap();
        assert!(done.unreadable.len() == 1 && orphan.exists(), "{done:?}");
    }

    #[tokio::test]
    async fn what_is_not_kept_is_not_stored() {
        let (folder, store, _, ids) = folder().await;
        let before = files(folder.path());
        fs::remove_dir_all(folder.path().join("links")).unwrap();
        fs::write(folder.path().join("links"), "a file where a folder should be").unwrap();
        let share = ShareRequest {
            runs: ids.clone(),
            view: Default::default(),
            frozen: false,
            include_patients: false,
        };
        let error = store.create_share(&share).await.unwrap_err();
        assert!(matches!(error, StoreError::Record { .. }), "{error}");
        let shares: i64 =
            sqlx::query_scalar("select count(*) from shares").fetch_one(store.read()).await.unwrap();
        assert_eq!(shares, 1);
        fs::remove_file(folder.path().join("links")).unwrap();
        store.create_share(&share).await.unwrap();
        assert_eq!(files(folder.path()).len(), before.len() - 2 + 1);
    }
}
