//! Reading a table of comma-separated values, every complaint with its line.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use csv::{Reader, ReaderBuilder, StringRecord, Trim};

use crate::data::DataError;

/// A table with more bytes is refused.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// An open table.
pub struct CsvFile {
    path: PathBuf,
    reader: Reader<File>,
    headers: StringRecord,
}

/// A line of it.
pub struct Record<'a> {
    path: &'a Path,
    cells: StringRecord,
}

impl CsvFile {
    /// Opens a table and reads its header; none where there is no such file.
    ///
    /// # Errors
    /// When it cannot be read or is too large to be such a table.
    pub fn open(path: &Path) -> Result<Option<Self>, DataError> {
        let size = match std::fs::metadata(path) {
            Ok(metadata) => metadata.len(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(DataError::io(path)(e)),
        };
        if size > MAX_BYTES {
            return Err(DataError::refused(path, format!("{size} bytes: at most {MAX_BYTES} are read")));
        }
        let mut reader =
            ReaderBuilder::new().trim(Trim::All).from_path(path).map_err(|e| damaged(path, &e))?;
        let headers = reader.headers().map_err(|e| damaged(path, &e))?.clone();
        Ok(Some(Self { path: path.to_owned(), reader, headers }))
    }

    /// The number of the column of this name; none where there is none.
    ///
    /// # Errors
    /// When the column stands there twice.
    pub fn column(&self, name: &str) -> Result<Option<usize>, DataError> {
        let mut columns =
            self.headers.iter().enumerate().filter(|(_, h)| h.trim_start_matches('\u{feff}') == name);
        let first = columns.next().map(|(i, _)| i);
        match columns.next() {
            None => Ok(first),
            Some(_) => Err(DataError::refused(&self.path, format!("two columns {name}: one was expected"))),
        }
    }

    /// The number of a column that must be there.
    ///
    /// # Errors
    /// When it is not, or stands there twice.
    pub fn require(&self, name: &str) -> Result<usize, DataError> {
        self.column(name)?.ok_or_else(|| {
            let known = self.headers.iter().collect::<Vec<_>>().join(", ");
            DataError::refused(&self.path, format!("no column {name}, only {known}"))
        })
    }

    /// The next line.
    ///
    /// # Errors
    /// When it is no text or has another number of cells than the header.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, DataError> {
        let mut cells = StringRecord::new();
        match self.reader.read_record(&mut cells) {
            Ok(true) => Ok(Some(Record { path: &self.path, cells })),
            Ok(false) => Ok(None),
            Err(e) => Err(damaged(&self.path, &e)),
        }
    }
}

fn damaged(path: &Path, error: &csv::Error) -> DataError {
    DataError::refused(path, format!("not a readable table: {error}"))
}

impl Record<'_> {
    /// The text of a cell.
    pub fn cell(&self, column: usize) -> &str {
        self.cells.get(column).unwrap_or_default()
    }

    /// A cell that says yes, no, or nothing.
    ///
    /// # Errors
    /// When it says something else.
    pub fn yes_or_no(&self, column: usize) -> Result<Option<bool>, DataError> {
        let text = self.cell(column);
        match text.to_ascii_lowercase().as_str() {
            "yes" | "y" | "true" | "1" | "1.0" => Ok(Some(true)),
            "no" | "n" | "false" | "0" | "0.0" => Ok(Some(false)),
            "" | "unknown" | "?" | "na" | "n/a" | "nan" => Ok(None),
            _ => Err(self.refused(format!("{text:?}: yes, no or unknown was expected"))),
        }
    }

    /// This line is refused for `reason`.
    pub fn refused(&self, reason: impl std::fmt::Display) -> DataError {
        let line = self.cells.position().map_or(0, csv::Position::line);
        DataError::refused(self.path, format!("line {line}: {reason}"))
    }
}
