//! Opening the data folder's database, and saying what is wrong where that would lose something.

use std::{fs, io};

use transferscope_store::{
    Store, StoreError,
    inspect::{Found, inspect},
    reconcile::is_run,
    records::Kind,
};

use crate::{
    data_dir::DataDir,
    queue::{event_log, request_file},
};

/// Opens the database, makes it where the folder is new, and brings it up to date. Nothing is written into a file that
/// is not what it should be.
///
/// # Errors
/// `Damaged` where the file is no sound database; `Missing` where there is none, or an empty one, beside things that it
/// should know. Both name the file and the remedy.
pub async fn open(data: &DataDir) -> Result<Store, StoreError> {
    check(data).await?;
    Store::open(data.database()).await
}

/// Looks at the database without changing anything, and says how many runs it knows; none where it is still to be made.
///
/// # Errors
/// As [`open`].
pub async fn check(data: &DataDir) -> Result<Option<u64>, StoreError> {
    let path = data.database().display().to_string();
    let missing = |what: &str, beside: String| StoreError::Missing {
        found: format!("the database {path} {what} beside {beside}"),
        path: path.clone(),
    };
    match inspect(&data.database()).await? {
        Found::Nothing => {
            let is = if data.database().exists() { "is empty" } else { "is missing" };
            match kept(data, false) {
                Some(beside) => Err(missing(is, beside)),
                None => Ok(None),
            }
        }
        Found::Database { runs: 0 } => match kept(data, true) {
            Some(beside) => Err(missing("contains no run", beside)),
            None => Ok(Some(0)),
        },
        Found::Database { runs } => Ok(Some(runs)),
    }
}

/// What lies in the folder that a database should know, in words; `begun` looks at runs that have begun only, since
/// others may never have been queued.
fn kept(data: &DataDir, begun: bool) -> Option<String> {
    let file = if begun { event_log::FILE } else { request_file::FILE };
    let runs = names(&data.runs())
        .filter(|name| is_run(name) && data.runs().join(name).join(file).is_file())
        .count();
    let mut words = Vec::new();
    if runs > 0 {
        words.push(format!("{runs} run {}", if runs == 1 { "directory" } else { "directories" }));
    }
    if !begun {
        for kind in Kind::ALL {
            let count = names(&data.root().join(kind.folder())).filter(|n| n.ends_with(".json")).count();
            if count > 0 {
                words.push(format!(
                    "{count} {} in {}/",
                    if count == 1 { "file" } else { "files" },
                    kind.folder()
                ));
            }
        }
    }
    (!words.is_empty()).then(|| words.join(" and "))
}

/// The names in a folder; none where it is not there or cannot be listed.
pub(crate) fn names(folder: &std::path::Path) -> impl Iterator<Item = String> + use<> {
    let entries: io::Result<fs::ReadDir> = fs::read_dir(folder);
    entries.into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_new_folder_opens_and_a_lost_or_damaged_database_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(&folder.path().join("data")).unwrap();
        assert_eq!(check(&data).await.unwrap(), None);
        open(&data).await.unwrap().close().await;
        assert_eq!(check(&data).await.unwrap(), Some(0));

        // Made by a request whose rows never came: no reason to refuse.
        let run = data.runs().join("0123456789");
        fs::create_dir(&run).unwrap();
        fs::write(run.join(request_file::FILE), "{}").unwrap();
        open(&data).await.unwrap().close().await;

        fs::write(run.join(event_log::FILE), "").unwrap();
        let words = open(&data).await.unwrap_err().to_string();
        assert!(
            words.contains("contains no run beside 1 run directory") && words.contains("reindex"),
            "{words}"
        );
        fs::remove_file(data.database()).unwrap();
        let words = open(&data).await.unwrap_err().to_string();
        assert!(words.contains("is missing beside 1 run directory"), "{words}");
        assert!(!data.database().exists());
        fs::write(data.database(), "").unwrap();
        let words = open(&data).await.unwrap_err().to_string();
        assert!(words.contains("is empty beside"), "{words}");
        fs::write(data.database(), "nonsense").unwrap();
        let words = open(&data).await.unwrap_err().to_string();
        assert!(
            words.contains(&data.database().display().to_string()) && words.contains("reindex"),
            "{words}"
        );
        assert_eq!(fs::read(data.database()).unwrap(), b"nonsense");
    }
}
