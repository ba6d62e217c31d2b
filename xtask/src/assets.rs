//! Files for the browser: content-hashed names, compressed copies beside them, and the manifest.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

/// What the server reads to write the head of its pages: file names inside `pkg`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The script module that loads the program.
    pub js: String,
    /// The program.
    pub wasm: String,
    /// The style sheet.
    pub css: String,
}

impl Manifest {
    fn files(&self) -> [&String; 3] {
        [&self.js, &self.wasm, &self.css]
    }
}

/// The size of a file as written and as sent, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// As written.
    pub raw: usize,
    /// With brotli at its best.
    pub brotli: usize,
    /// With gzip at its best.
    pub gzip: usize,
}

/// The folder `site/pkg`.
pub struct Package {
    dir: PathBuf,
}

impl Package {
    /// Opens the folder, making it if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(site: &Path) -> Result<Self> {
        let dir = site.join("pkg");
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Self { dir })
    }

    /// Writes a file under a name with its content's hash, with a `.br` and a `.gz` beside it.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, stem: &str, extension: &str, content: &[u8]) -> Result<(String, Size)> {
        let hash = blake3::hash(content).to_hex();
        let name = format!("{stem}.{}.{extension}", &hash[..16]);
        let size = self.write_plain(&name, content)?;
        Ok((name, size))
    }

    /// Writes a file under the name given, which may hold folders, with its compressed copies.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_plain(&self, name: &str, content: &[u8]) -> Result<Size> {
        let (br, gz) = (brotli(content)?, gzip(content)?);
        for (suffix, bytes) in [("", content), (".br", &br), (".gz", &gz)] {
            replace(&self.dir.join(format!("{name}{suffix}")), bytes)?;
        }
        Ok(Size { raw: content.len(), brotli: br.len(), gzip: gz.len() })
    }

    /// Whether a file and both its compressed copies are there.
    pub fn holds(&self, name: &str) -> bool {
        !name.is_empty()
            && ["", ".br", ".gz"].iter().all(|suffix| self.dir.join(format!("{name}{suffix}")).is_file())
    }

    /// The sizes of a file that is there.
    ///
    /// # Errors
    /// When it is not.
    pub fn size(&self, name: &str) -> Result<Size> {
        let length = |suffix: &str| -> Result<usize> {
            let path = self.dir.join(format!("{name}{suffix}"));
            let data = fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok(data.len() as usize)
        };
        Ok(Size { raw: length("")?, brotli: length(".br")?, gzip: length(".gz")? })
    }

    /// The manifest, if there is one that can be read.
    pub fn manifest(&self) -> Option<Manifest> {
        serde_json::from_slice(&fs::read(self.dir.join("manifest.json")).ok()?).ok()
    }

    /// Makes the new files the current ones, and removes those of the generation before the last. The last
    /// one stays: a server that runs already still names its files in its pages.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn publish(&self, manifest: &Manifest) -> Result<()> {
        let previous = self.manifest();
        let mut text = serde_json::to_string_pretty(manifest).context("cannot write the manifest as JSON")?;
        text.push('\n');
        replace(&self.dir.join("manifest.json"), text.as_bytes())?;
        if previous.as_ref() == Some(manifest) {
            return Ok(());
        }
        let mut keep = BTreeSet::from(["manifest.json".to_owned()]);
        for name in [Some(manifest), previous.as_ref()].into_iter().flatten().flat_map(Manifest::files) {
            keep.extend(["", ".br", ".gz"].map(|suffix| format!("{name}{suffix}")));
        }
        for entry in fs::read_dir(&self.dir).with_context(|| format!("cannot list {}", self.dir.display()))? {
            let path = entry.with_context(|| format!("cannot list {}", self.dir.display()))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_file() && !keep.contains(&name) {
                fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// Writes a file so that a reader sees the old content or the new one, never a part.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let message = || format!("cannot write {}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(message)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    fs::write(&part, content).and_then(|()| fs::rename(&part, path)).with_context(message)
}

fn brotli(content: &[u8]) -> Result<Vec<u8>> {
    let mut compressed = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut &content[..], &mut compressed, &params).context("brotli failed")?;
    Ok(compressed)
}

fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).and_then(|()| encoder.finish()).context("gzip failed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn package(name: &str) -> (PathBuf, Package) {
        let site = std::env::temp_dir().join(format!("xtask-assets-{name}-{}", std::process::id()));
        let package = Package::open(&site).expect("a folder");
        (site, package)
    }

    #[test]
    fn the_name_follows_the_content_and_copies_decompress_to_it() {
        let (site, package) = package("name");
        let content = "body{margin:0}".repeat(100);
        let (name, size) = package.write("main", "css", content.as_bytes()).expect("written");
        assert_eq!(package.write("main", "css", content.as_bytes()).expect("written").0, name);
        assert_ne!(package.write("main", "css", b"body{}").expect("written").0, name);
        assert!(name.starts_with("main.") && name.ends_with(".css") && name.len() == "main..css".len() + 16);
        assert!(package.holds(&name) && size.brotli < size.raw && size.gzip < size.raw);

        let read = |suffix: &str| fs::read(site.join("pkg").join(format!("{name}{suffix}"))).expect("there");
        let mut unzipped = String::new();
        flate2::read::GzDecoder::new(&read(".gz")[..]).read_to_string(&mut unzipped).expect("gzip");
        assert_eq!(unzipped, content);
        let mut plain = Vec::new();
        brotli::BrotliDecompress(&mut &read(".br")[..], &mut plain).expect("brotli");
        assert_eq!(plain, content.as_bytes());
        fs::remove_dir_all(site).expect("clean up");
    }

    #[test]
    fn publishing_keeps_the_last_generation_and_removes_the_one_before() {
        let (site, package) = package("publish");
        let manifests: Vec<Manifest> = ["one", "two", "three"]
            .map(|content| {
                let write = |extension| package.write("a", extension, content.as_bytes()).expect("written").0;
                Manifest { js: write("js"), wasm: write("wasm"), css: write("css") }
            })
            .into();
        for manifest in &manifests {
            // Written again because publishing has removed what no manifest named.
            for name in manifest.files() {
                package.write_plain(name, b"content").expect("written");
            }
            package.publish(manifest).expect("published");
            package.publish(manifest).expect("published again, which changes nothing");
        }
        assert_eq!(package.manifest().as_ref(), Some(&manifests[2]));
        assert!(!package.holds(&manifests[0].js));
        assert!(package.holds(&manifests[1].js) && package.holds(&manifests[2].wasm));
        fs::remove_dir_all(site).expect("clean up");
    }
}
