//! One hash over many inputs: has anything changed since the last build?

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Collects files and words into one hash. The order of calls is part of the result.
#[derive(Default)]
pub struct Digest {
    hasher: blake3::Hasher,
}

impl Digest {
    /// Adds a named value, such as a compiler's version.
    pub fn word(&mut self, name: &str, value: &str) {
        for part in [name, value] {
            self.hasher.update(&(part.len() as u64).to_le_bytes());
            self.hasher.update(part.as_bytes());
        }
    }

    /// Adds a file, or a folder with everything below it, by relative path and content.
    ///
    /// # Errors
    /// When something below `path` cannot be read. A `path` that does not exist counts as such.
    pub fn tree(&mut self, root: &Path, path: &str) -> Result<()> {
        let full = root.join(path);
        if full.is_dir() {
            let mut names = Vec::new();
            for entry in fs::read_dir(&full).with_context(|| format!("cannot list {}", full.display()))? {
                let name = entry.with_context(|| format!("cannot list {}", full.display()))?.file_name();
                names.push(name.to_string_lossy().into_owned());
            }
            names.sort();
            for name in names.iter().filter(|name| !name.starts_with('.')) {
                self.tree(root, &format!("{path}/{name}"))?;
            }
        } else {
            let content = fs::read(&full).with_context(|| format!("cannot read {}", full.display()))?;
            self.word(path, "");
            self.hasher.update(&(content.len() as u64).to_le_bytes());
            self.hasher.update(&content);
        }
        Ok(())
    }

    /// The hash in hexadecimal digits.
    pub fn finish(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(root: &Path) -> String {
        let mut digest = Digest::default();
        digest.tree(root, "src").expect("the folder can be read");
        digest.finish()
    }

    #[test]
    fn changes_with_content_and_with_names_and_with_nothing_else() {
        let root = std::env::temp_dir().join(format!("xtask-digest-{}", std::process::id()));
        fs::create_dir_all(root.join("src/part")).expect("a folder");
        fs::write(root.join("src/part/a.rs"), "one").expect("a file");
        fs::write(root.join("src/b.rs"), "two").expect("a file");
        let first = digest_of(&root);
        fs::write(root.join("src/b.rs"), "two").expect("the same again");
        fs::write(root.join("src/.b.rs.swp"), "an editor's file").expect("a hidden file");
        assert_eq!(digest_of(&root), first);
        fs::write(root.join("src/b.rs"), "too").expect("another content");
        let second = digest_of(&root);
        assert_ne!(second, first);
        fs::rename(root.join("src/b.rs"), root.join("src/c.rs")).expect("another name");
        assert_ne!(digest_of(&root), second);
        fs::remove_dir_all(&root).expect("clean up");
    }

    #[test]
    fn words_do_not_run_into_one_another() {
        let (mut left, mut right) = (Digest::default(), Digest::default());
        left.word("ab", "c");
        right.word("a", "bc");
        assert_ne!(left.finish(), right.finish());
    }
}
