//! Unpacking what people send: zip, tar, tar.gz and tar.zst, into a folder of their own and never beyond it.
//!
//! Nothing that a header says is believed: bytes are counted as they come out, a name that leads out of the folder, a link
//! or an encrypted entry refuses the whole archive, and what was unpacked until then is removed.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::{Component, Path, PathBuf},
};

use flate2::read::MultiGzDecoder;

use super::DataError;

/// How much an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together, unpacked.
    pub bytes: u64,
    pub files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 256 << 30, files: 500_000 }
    }
}

/// Deepest folder within an archive.
const MAX_DEPTH: usize = 32;

/// Longest name of an entry, in bytes.
const MAX_NAME: usize = 1024;

/// Archives that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Zip,
    Tar,
    TarGz,
    TarZst,
}

impl Kind {
    /// Endings of names, for people.
    pub const ENDINGS: &'static str = ".zip, .tar, .tar.gz, .tgz, .tar.zst";

    /// The kind of an archive by its name; none where it is none that is read.
    pub fn of_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
        match () {
            () if ends(&[".zip"]) => Some(Kind::Zip),
            () if ends(&[".tar"]) => Some(Kind::Tar),
            () if ends(&[".tar.gz", ".tgz"]) => Some(Kind::TarGz),
            () if ends(&[".tar.zst", ".tar.zstd", ".tzst"]) => Some(Kind::TarZst),
            () => None,
        }
    }

    /// The kind by the first bytes, where they tell; a plain tar does not.
    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Some(Kind::Zip),
            [0x1f, 0x8b, ..] => Some(Kind::TarGz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Kind::TarZst),
            _ => None,
        }
    }
}

/// Unpacks an archive into a folder that is there and empty; `progress` hears the bytes of the archive that were read, and
/// says whether to go on. Gives the number of files.
///
/// # Errors
/// When the archive is damaged, encrypted or holds more than the limits, a name in it leads out of the folder, it was told
/// to stop, or writing fails; the folder is empty again then.
pub fn unpack(
    archive: &Path,
    into: &Path,
    limits: Limits,
    progress: &dyn Fn(u64) -> bool,
) -> Result<usize, DataError> {
    let mut file = File::open(archive).map_err(DataError::io(archive))?;
    let mut first = [0u8; 8];
    let read = file.read(&mut first).map_err(DataError::io(archive))?;
    file.seek(SeekFrom::Start(0)).map_err(DataError::io(archive))?;
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    let kind = Kind::of_bytes(&first[..read]).or_else(|| Kind::of_name(&name));
    let mut unpacking = Unpacking { archive, into, limits, bytes: 0, files: 0 };
    let counted = Counted { inner: BufReader::new(file), read: 0, progress };
    let done = match kind {
        Some(Kind::Zip) => unpacking.zip(counted),
        Some(Kind::Tar) => unpacking.tar(counted),
        Some(Kind::TarGz) => unpacking.tar(MultiGzDecoder::new(counted)),
        Some(Kind::TarZst) => zstd::Decoder::new(counted)
            .map_err(|e| unpacking.refused(format!("not a zstd stream: {e}")))
            .and_then(|decoder| unpacking.tar(decoder)),
        None => Err(unpacking.refused(format!("no archive that is read: {}", Kind::ENDINGS))),
    };
    if let Err(error) = done {
        empty(into);
        return Err(error);
    }
    Ok(unpacking.files)
}

/// Removes what is in a folder, as far as that can be done.
fn empty(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let removed =
            if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        if let Err(error) = removed {
            tracing::warn!("{} cannot be removed: {error}", path.display());
        }
    }
}

/// Counts what is read of an archive, and stops where that is wanted.
struct Counted<'a, R> {
    inner: R,
    read: u64,
    progress: &'a dyn Fn(u64) -> bool,
}

/// What stopping looks like to a reader.
const STOPPED: &str = "stopped";

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read += n as u64;
        if (self.progress)(self.read) { Ok(n) } else { Err(io::Error::other(STOPPED)) }
    }
}

impl<R: Seek> Seek for Counted<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// An archive on its way into a folder.
struct Unpacking<'a> {
    archive: &'a Path,
    into: &'a Path,
    limits: Limits,
    bytes: u64,
    files: usize,
}

impl Unpacking<'_> {
    fn refused(&self, reason: impl Into<String>) -> DataError {
        DataError::refused(self.archive, reason)
    }

    fn zip<R: Read + Seek>(&mut self, reader: R) -> Result<(), DataError> {
        let damaged = |e: zip::result::ZipError| format!("not a whole zip file: {e}");
        let mut zip = zip::ZipArchive::new(reader).map_err(|e| self.refused(damaged(e)))?;
        for i in 0..zip.len() {
            let mut entry = zip.by_index(i).map_err(|e| self.refused(damaged(e)))?;
            let name = entry.name().to_owned();
            if entry.is_symlink() {
                return Err(self.refused(format!("{name:?} is a link: only files and folders are taken")));
            }
            if entry.is_dir() {
                self.place(&name)?;
            } else {
                self.write(&name, &mut entry)?;
            }
        }
        Ok(())
    }

    fn tar<R: Read>(&mut self, reader: R) -> Result<(), DataError> {
        let damaged = |e: io::Error| format!("not a whole tar file: {e}");
        let mut tar = tar::Archive::new(reader);
        let mut any = false;
        for entry in tar.entries().map_err(|e| self.refused(damaged(e)))? {
            let mut entry = entry.map_err(|e| self.refused(damaged(e)))?;
            any = true;
            let path = entry.path_bytes().into_owned();
            let name = String::from_utf8(path).map_err(|e| {
                self.refused(format!(
                    "the name {:?} is not valid Unicode",
                    e.as_bytes().escape_ascii().to_string()
                ))
            })?;
            match entry.header().entry_type() {
                tar::EntryType::Directory => drop(self.place(&name)?),
                tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                    self.write(&name, &mut entry)?;
                }
                tar::EntryType::XGlobalHeader | tar::EntryType::XHeader => {}
                _ => {
                    return Err(self.refused(format!(
                        "{name:?} is a link or a device: only files and folders are taken"
                    )));
                }
            }
        }
        if any { Ok(()) } else { Err(self.refused("there is nothing in it")) }
    }

    /// Where an entry goes; its folders are made. None for what operating systems put beside the files.
    fn place(&self, name: &str) -> Result<Option<PathBuf>, DataError> {
        let odd = |why: &str| self.refused(format!("{name:?} {why}"));
        if name.len() > MAX_NAME {
            return Err(self.refused(format!("a name of {} bytes: {MAX_NAME} at most are taken", name.len())));
        }
        let slashed = name.replace('\\', "/");
        let mut within = PathBuf::new();
        for part in Path::new(&slashed).components() {
            match part {
                Component::Normal(part) => within.push(part),
                Component::CurDir => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                    return Err(odd("leads out of the archive's own folder: nothing of it was kept"));
                }
            }
        }
        let parts: Vec<String> =
            within.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        if parts.len() > MAX_DEPTH {
            return Err(odd(&format!("lies more than {MAX_DEPTH} folders deep")));
        }
        if parts.iter().any(|part| part.contains('\0') || part.contains(':')) {
            return Err(odd("is no name of a file"));
        }
        let beside = |part: &String| part == "__MACOSX" || part == ".DS_Store" || part.starts_with("._");
        if parts.iter().any(beside) || parts.is_empty() {
            return Ok(None);
        }
        let path = self.into.join(&within);
        let folder = if name.ends_with('/') { path.as_path() } else { path.parent().unwrap_or(self.into) };
        std::fs::create_dir_all(folder).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                odd("is a file and a folder at once")
            }
            _ => DataError::io(folder)(e),
        })?;
        Ok(Some(path))
    }

    fn write(&mut self, name: &str, content: &mut dyn Read) -> Result<(), DataError> {
        let Some(path) = self.place(name)? else { return Ok(()) };
        self.files += 1;
        if self.files > self.limits.files {
            return Err(self.refused(format!("more than {} files: send them in parts", self.limits.files)));
        }
        let file = File::options().write(true).create_new(true).open(&path);
        let mut file = file.map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => self.refused(format!("{name:?} is in it twice")),
            _ => DataError::io(&path)(e),
        })?;
        let mut buffer = vec![0u8; 1 << 16];
        loop {
            let n = content.read(&mut buffer).map_err(|e| {
                let why = if e.to_string().contains(STOPPED) { STOPPED.to_owned() } else { e.to_string() };
                self.refused(format!("{name:?} cannot be unpacked: {why}"))
            })?;
            if n == 0 {
                return Ok(());
            }
            self.bytes += n as u64;
            if self.bytes > self.limits.bytes {
                return Err(self.refused(format!(
                    "unpacked it is more than {} bytes, which is as much as is taken",
                    self.limits.bytes
                )));
            }
            file.write_all(&buffer[..n]).map_err(DataError::io(&path))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: Limits = Limits { bytes: 1 << 20, files: 10 };

    fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn tarred(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            // As a hostile program would write it: the library refuses to.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_entry_type(tar::EntryType::Regular);
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Unpacks bytes under a name; what is in the folder afterwards, or why not.
    fn unpacked(name: &str, bytes: &[u8], limits: Limits) -> Result<Vec<String>, String> {
        let root = tempfile::tempdir().unwrap();
        let (archive, into) = (root.path().join(name), root.path().join("into"));
        std::fs::write(&archive, bytes).unwrap();
        std::fs::create_dir(&into).unwrap();
        let done = unpack(&archive, &into, limits, &|_| true);
        let mut found = Vec::new();
        let mut folders = vec![into.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path)
                } else {
                    found.push(path.strip_prefix(&into).unwrap().display().to_string())
                }
            }
        }
        found.sort();
        let beside: Vec<_> = std::fs::read_dir(root.path()).unwrap().collect();
        assert_eq!(beside.len(), 2, "nothing is written beside the folder");
        match done {
            Ok(n) => {
                assert_eq!(n, found.len());
                Ok(found)
            }
            Err(error) => {
                assert!(found.is_empty(), "nothing is left behind: {found:?}");
                Err(error.to_string())
            }
        }
    }

    #[test]
    fn every_kind_is_unpacked_whatever_its_name_says() {
        let entries: &[(&str, &[u8])] =
            &[("set/a/t2w.nii", b"abc"), ("set/cases.csv", b"x"), ("__MACOSX/._a", b"y")];
        let expected = ["set/a/t2w.nii", "set/cases.csv"];
        let zip = zipped(entries);
        assert_eq!(unpacked("a.zip", &zip, SMALL).unwrap(), expected);
        assert_eq!(unpacked("a.bin", &zip, SMALL).unwrap(), expected);
        let tar = tarred(entries);
        assert_eq!(unpacked("a.tar", &tar, SMALL).unwrap(), expected);
        assert_eq!(unpacked("a.tar.gz", &gzipped(&tar), SMALL).unwrap(), expected);
        let zst = zstd::encode_all(tar.as_slice(), 1).unwrap();
        assert_eq!(unpacked("a.tar.zst", &zst, SMALL).unwrap(), expected);
    }

    #[test]
    fn what_would_harm_is_refused_whole() {
        for name in ["../evil", "a/../../evil", "/etc/evil", "a\\..\\..\\evil", "C:\\evil"] {
            for (kind, bytes) in [
                ("a.zip", zipped(&[("good", b"x"), (name, b"x")])),
                ("a.tar", tarred(&[("good", b"x"), (name, b"x")])),
            ] {
                let why = unpacked(kind, &bytes, SMALL).unwrap_err();
                assert!(
                    why.contains("leads out") || why.contains("no name of a file"),
                    "{kind} {name}: {why}"
                );
            }
        }
        // Bombs: what comes out counts, not what a header says.
        let bomb = vec![0u8; 4 << 20];
        assert!(
            unpacked("a.zip", &zipped(&[("big", &bomb)]), SMALL)
                .unwrap_err()
                .contains("more than 1048576 bytes")
        );
        assert!(
            unpacked("a.tgz", &gzipped(&tarred(&[("big", &bomb)])), SMALL).unwrap_err().contains("bytes")
        );
        let names: Vec<String> = (0..20).map(|i| format!("f{i}")).collect();
        let many: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &b""[..])).collect();
        assert!(unpacked("a.zip", &zipped(&many), SMALL).unwrap_err().contains("more than 10 files"));
        assert!(
            unpacked("a.tar", &tarred(&[("a", b"1"), ("a", b"2")]), SMALL).unwrap_err().contains("twice")
        );
        assert!(
            unpacked("a.tar", &tarred(&[("a", b"1"), ("a/b", b"2")]), SMALL).unwrap_err().contains("at once")
        );
        assert!(unpacked("a.rar", b"Rar!", SMALL).unwrap_err().contains("no archive that is read"));
        assert!(unpacked("a.zip", b"", SMALL).is_err() && unpacked("a.tar", b"", SMALL).is_err());
        let zip = zipped(&[("a", &[7; 1000])]);
        assert!(unpacked("a.zip", &zip[..zip.len() / 2], SMALL).is_err());
    }

    #[test]
    fn it_stops_where_that_is_wanted() {
        let root = tempfile::tempdir().unwrap();
        let (archive, into) = (root.path().join("a.tar"), root.path().join("into"));
        std::fs::write(&archive, tarred(&[("a", &[1; 4000]), ("b", &[2; 200_000])])).unwrap();
        std::fs::create_dir(&into).unwrap();
        assert!(unpack(&archive, &into, SMALL, &|read| read < 10_000).is_err());
        assert_eq!(std::fs::read_dir(&into).unwrap().count(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damaged_archives_never_panic_and_leave_nothing(at in 0usize..600, value: u8, kind in 0usize..3) {
            let entries: &[(&str, &[u8])] = &[("a/b", &[3; 100]), ("c", b"x")];
            let (name, mut bytes) = match kind {
                0 => ("a.zip", zipped(entries)),
                1 => ("a.tar", tarred(entries)),
                _ => ("a.tgz", gzipped(&tarred(entries))),
            };
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = unpacked(name, &bytes, SMALL);
        }
    }
}
