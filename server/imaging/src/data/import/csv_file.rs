//! Reading a table whose cells are parted by commas, semicolons or tabs, every complaint with its line.

use std::{
    fs::File,
    io::{Cursor, Read},
    path::{Path, PathBuf},
};

use csv::{Reader, ReaderBuilder, StringRecord, Trim};

use super::text;
use crate::data::DataError;

/// A table with more bytes is refused.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// An open table.
pub struct CsvFile {
    path: PathBuf,
    reader: Reader<Cursor<Vec<u8>>>,
    headers: StringRecord,
    /// Lines above the header.
    above: u64,
    /// In words, how it was read where that was guessed.
    pub note: Option<String>,
}

/// A line of it.
pub struct Record<'a> {
    path: &'a Path,
    headers: &'a StringRecord,
    cells: StringRecord,
    above: u64,
}

impl CsvFile {
    /// Opens a table, of which the column `wanted` is to be read, and reads its header; none where there is
    /// no such file.
    ///
    /// # Errors
    /// When it cannot be read, is no text or is too large to be such a table.
    pub fn open(path: &Path, wanted: &str) -> Result<Option<Self>, DataError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(DataError::io(path)(e)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(DataError::io(path))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(DataError::refused(path, format!("a table of more than {MAX_BYTES} bytes")));
        }
        let (text, guessed) = text::decoded(&bytes).map_err(|reason| damaged(path, &reason))?;
        let text::Separated { separator, text, above, passed_over } = text::separated(&text, wanted);
        let mut reader = ReaderBuilder::new()
            .trim(Trim::All)
            .flexible(true)
            .delimiter(separator)
            .from_reader(Cursor::new(text.as_bytes().to_vec()));
        let headers = reader.headers().map_err(|e| damaged(path, &e))?.clone();
        let name = path.file_name().unwrap_or_default().display();
        let encoding = guessed.map(|encoding| {
            format!("{name} does not say how its letters are encoded: it was read as {encoding}")
        });
        let titles = (passed_over > 0).then(|| {
            let lines = if passed_over == 1 { "1 line".into() } else { format!("{passed_over} lines") };
            format!("{name}: {lines} above its header ignored")
        });
        let notes: Vec<String> = encoding.into_iter().chain(titles).collect();
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        Ok(Some(Self { path: path.to_owned(), reader, headers, above: above as u64, note }))
    }

    /// The number of the column of this name, whatever its case, blanks and underscores; none where there is
    /// none.
    ///
    /// # Errors
    /// When the column stands there twice.
    pub fn column(&self, name: &str) -> Result<Option<usize>, DataError> {
        let wanted = text::plain(name);
        let mut columns = self.headers.iter().enumerate().filter(|(_, h)| text::plain(h) == wanted);
        let first = columns.next().map(|(i, _)| i);
        match columns.next() {
            None => Ok(first),
            Some(_) => Err(DataError::refused(&self.path, format!("two columns {name}: one was expected"))),
        }
    }

    /// Names of the columns that are none of `known`.
    pub fn others(&self, known: &[&str]) -> Vec<&str> {
        let known: Vec<String> = known.iter().map(|name| text::plain(name)).collect();
        self.headers.iter().filter(|h| !h.is_empty() && !known.contains(&text::plain(h))).collect()
    }

    /// The names of all columns.
    pub fn headers(&self) -> Vec<String> {
        self.headers.iter().map(str::to_owned).collect()
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

    /// The next line that is not empty. Cells that are missing at its end are empty, and empty ones too many
    /// are nothing: spreadsheets write both.
    ///
    /// # Errors
    /// When it is damaged or has more cells than the header.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, DataError> {
        let mut cells = StringRecord::new();
        loop {
            match self.reader.read_record(&mut cells) {
                Ok(true) if cells.iter().all(str::is_empty) => {}
                Ok(true) => break,
                Ok(false) => return Ok(None),
                Err(e) => return Err(damaged(&self.path, &e)),
            }
        }
        let record = Record { path: &self.path, headers: &self.headers, cells, above: self.above };
        let filled =
            (0..record.cells.len()).rfind(|i| !record.cell(*i).is_empty()).map_or(0, |last| last + 1);
        if filled > self.headers.len() {
            let columns = self.headers.len();
            return Err(record.refused(format!("{filled} cells where the header has {columns}")));
        }
        Ok(Some(record))
    }
}

fn damaged(path: &Path, error: &impl std::fmt::Display) -> DataError {
    DataError::refused(path, format!("not a readable table: {error}"))
}

impl Record<'_> {
    /// The text of a cell.
    pub fn cell(&self, column: usize) -> &str {
        self.cells.get(column).unwrap_or_default()
    }

    /// A cell that says yes, no, or nothing, in the words of several languages' spreadsheets.
    ///
    /// # Errors
    /// When it says something else.
    pub fn yes_or_no(&self, column: usize) -> Result<Option<bool>, DataError> {
        let text = self.cell(column);
        match text.to_lowercase().as_str() {
            "yes" | "y" | "true" | "1" | "1.0" | "1,0" | "ja" | "wahr" | "oui" | "vrai" | "verdadero" => {
                Ok(Some(true))
            }
            "no" | "n" | "false" | "0" | "0.0" | "0,0" | "nein" | "falsch" | "non" | "faux" | "falso" => {
                Ok(Some(false))
            }
            "" | "unknown" | "?" | "na" | "n/a" | "#n/a" | "#nv" | "nan" | "-" => Ok(None),
            _ => {
                let name = self.headers.get(column).unwrap_or_default();
                Err(self.refused(format!("{name} {text:?}: yes, no or unknown was expected")))
            }
        }
    }

    /// The number in a cell, with a point or a comma before its decimals; none where it is no finite number.
    pub fn number(&self, column: usize) -> Option<f64> {
        self.cell(column).replace(',', ".").parse().ok().filter(|v: &f64| v.is_finite())
    }

    /// The whole number from 0 in a cell, which a spreadsheet may have given decimals; none where it is no
    /// such number.
    pub fn whole(&self, column: usize) -> Option<u32> {
        let number = self.number(column)?;
        (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u32)
    }

    /// This line is refused for `reason`.
    pub fn refused(&self, reason: impl std::fmt::Display) -> DataError {
        let line = self.cells.position().map_or(0, csv::Position::line) + self.above;
        DataError::refused(self.path, format!("line {line}: {reason}"))
    }
}
