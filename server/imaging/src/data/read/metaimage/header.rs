//! The lines of text at the start.

use std::{
    collections::BTreeMap,
    io::{BufRead, Read},
};

/// A header with more bytes than this is none.
const MAX_BYTES: u64 = 64 * 1024;

/// The `Key = Value` lines.
#[derive(Debug)]
pub struct Header(BTreeMap<String, String>);

impl Header {
    /// Reads lines up to and with `ElementDataFile`, after which the data begin in a single file.
    ///
    /// # Errors
    /// In words: no such line, or a line that is none.
    pub fn read(source: &mut impl BufRead) -> Result<Self, String> {
        let mut entries = BTreeMap::new();
        let mut left = MAX_BYTES;
        loop {
            let mut line = Vec::new();
            let n = source.take(left).read_until(b'\n', &mut line).map_err(|e| e.to_string())? as u64;
            left -= n;
            // The last line of a header that is a file of its own may end without a line break.
            if n == 0 || (line.last() != Some(&b'\n') && left == 0) {
                return Err("not a MetaImage: its header has no line ElementDataFile".into());
            }
            let text = std::str::from_utf8(&line).map_err(|_| "not a MetaImage: its header is no text")?;
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            let (key, value) = text
                .split_once('=')
                .map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()))
                .ok_or_else(|| {
                    format!("not a MetaImage: {:?} in its header", text.chars().take(40).collect::<String>())
                })?;
            let last = key == "ElementDataFile";
            entries.insert(key, value);
            if last {
                return Ok(Self(entries));
            }
        }
    }

    /// The value of the first of these keys that is there; MetaImage has several names for some.
    pub fn get(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|k| self.0.get(*k)).map(String::as_str)
    }

    /// The value of a key that must be there.
    ///
    /// # Errors
    /// In words, when it is not.
    pub fn require(&self, key: &str) -> Result<&str, String> {
        self.get(&[key]).ok_or_else(|| format!("its header has no {key}"))
    }

    /// Whether a key that may be absent says True.
    ///
    /// # Errors
    /// In words, when it says neither True nor False.
    pub fn is_true(&self, keys: &[&str]) -> Result<bool, String> {
        match self.get(keys).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => Err(format!("{} = {other:?}: True or False was expected", keys[0])),
        }
    }

    /// The numbers of a key that may be absent.
    ///
    /// # Errors
    /// In words, when there are not `count`.
    pub fn floats(&self, keys: &[&str], count: usize) -> Result<Option<Vec<f64>>, String> {
        let Some(text) = self.get(keys) else { return Ok(None) };
        text.split_whitespace()
            .map(|v| v.parse().ok())
            .collect::<Option<Vec<f64>>>()
            .filter(|values| values.len() == count)
            .map(Some)
            .ok_or_else(|| format!("{} = {text:?}: {count} numbers were expected", keys[0]))
    }
}
