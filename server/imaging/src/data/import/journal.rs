//! What was done of an import before it was killed, so that it goes on where it was: a line a case.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};

use serde::{Deserialize, Serialize};
use transferscope_domain::{dataset::CaseEntry, metric::Split};

use super::patients::Known;
use crate::data::{DataError, store::JOURNAL as FILE};

/// A case that was read and stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stored {
    pub entry: CaseEntry,
    pub known: Known,
    pub right_handed: bool,
    /// Whether a mask `lesion` shows one; none without such a mask.
    pub lesion: Option<bool>,
    /// Whether a value was filled as was asked for.
    pub filled: bool,
    /// The split that the layout puts it in.
    pub split: Option<Split>,
}

/// What became of a case.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Stored(Box<Stored>),
    Refused(String),
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    case_id: String,
    /// Of its files and of how they were read.
    signature: String,
    outcome: Outcome,
}

/// The open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Mutex<File>,
    done: BTreeMap<String, Line>,
}

impl Journal {
    /// Opens the journal of a folder, with what is in it; a torn last line does not count.
    ///
    /// # Errors
    /// When it cannot be read or opened.
    pub fn open(folder: &Path) -> Result<Self, DataError> {
        let path = folder.join(FILE);
        let mut done = BTreeMap::new();
        let mut whole = 0;
        if let Ok(file) = File::open(&path) {
            let mut reader = BufReader::new(file);
            let mut text = String::new();
            while reader.read_line(&mut text).map_err(DataError::io(&path))? > 0 {
                let Some(line) = text.strip_suffix('\n').and_then(|t| serde_json::from_str::<Line>(t).ok())
                else {
                    break;
                };
                whole += text.len() as u64;
                done.insert(line.case_id.clone(), line);
                text.clear();
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(DataError::io(&path))?;
        file.set_len(whole).map_err(DataError::io(&path))?;
        Ok(Self { path, file: Mutex::new(file), done })
    }

    /// What became of a case before, if its files and how they are read are the same still, and what was stored is there.
    pub fn done(&self, case_id: &str, signature: &str, folder: &Path) -> Option<Outcome> {
        let line = self.done.get(case_id).filter(|line| line.signature == signature)?;
        let there = match &line.outcome {
            Outcome::Stored(stored) => folder.join(&stored.entry.prepared).is_file(),
            Outcome::Refused(_) => true,
        };
        there.then(|| line.outcome.clone())
    }

    /// Cases that were done before.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.done.len()
    }

    /// Writes down what became of a case.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&self, case_id: &str, signature: String, outcome: &Outcome) -> Result<(), DataError> {
        let line = Line { case_id: case_id.to_owned(), signature, outcome: outcome.clone() };
        let mut text =
            serde_json::to_string(&line).map_err(|e| DataError::refused(&self.path, e.to_string()))?;
        text.push('\n');
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(DataError::io(&self.path))
    }

    /// Removes it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(self) -> Result<(), DataError> {
        std::fs::remove_file(&self.path).map_err(DataError::io(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_known_again_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        journal.add("a", "1".into(), &Outcome::Refused("no image".into())).unwrap();
        journal.add("b", "1".into(), &Outcome::Refused("torn".into())).unwrap();
        let path = folder.path().join(FILE);
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 3]).unwrap();
        let again = Journal::open(folder.path()).unwrap();
        assert!(
            matches!(again.done("a", "1", folder.path()), Some(Outcome::Refused(why)) if why == "no image")
        );
        assert!(again.done("a", "2", folder.path()).is_none(), "its files have changed");
        assert!(again.done("b", "1", folder.path()).is_none());
        again.add("b", "1".into(), &Outcome::Refused("whole".into())).unwrap();
        assert_eq!(Journal::open(folder.path()).unwrap().len(), 2);
    }
}
