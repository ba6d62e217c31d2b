//! Why runs fail: one table of kinds, each with its name, what it means and what to do about it.

use std::{error::Error, fmt, io};

use serde::{Deserialize, Serialize};

/// Makes [`FailureKind`] of its table: a name on the wire, a title, and what to do next.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $title:literal, $hint:literal;)*) => {
        /// What kind of thing went wrong with a run.
        ///
        /// In JSON it is its name. Records of other versions may name kinds that are not known here: they are kept as
        /// they are.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum FailureKind {
            $($(#[$doc])* $variant,)*
            /// A name that this version does not know.
            Unknown(UnknownKind),
        }

        impl FailureKind {
            /// All kinds that are known, in the order of the table.
            pub const ALL: &'static [FailureKind] = &[$(FailureKind::$variant),*];

            /// The name in JSON, in the database and on the command line.
            pub fn as_str(&self) -> &str {
                match self {
                    $(FailureKind::$variant => $name,)*
                    FailureKind::Unknown(kind) => &kind.0,
                }
            }

            /// What it means, in a few words and without a full stop.
            pub fn title(&self) -> &'static str {
                match self {
                    $(FailureKind::$variant => $title,)*
                    FailureKind::Unknown(_) => "Something went wrong",
                }
            }

            /// What to do about it where nothing more is known; empty for a kind that is not known.
            pub fn hint(&self) -> &'static str {
                match self {
                    $(FailureKind::$variant => $hint,)*
                    FailureKind::Unknown(_) => "",
                }
            }
        }

        impl From<String> for FailureKind {
            fn from(name: String) -> Self {
                match name.as_str() {
                    $($name => FailureKind::$variant,)*
                    _ => FailureKind::Unknown(UnknownKind(name)),
                }
            }
        }
    };
}

kinds! {
    /// The worker's process is gone and left no last word.
    WorkerDied = "worker-died", "The worker died",
        "Read worker.log in the run's directory; then continue the run from its checkpoint, or repeat it.";
    NonFiniteLoss = "non-finite-loss", "The loss became infinite or NaN",
        "Repeat the run with a smaller learning rate (lr) or a smaller clip_norm.";
    BadData = "bad-data", "The data could not be used",
        "Check the data set (transferscope dataset check NAME) and start the run again.";
    BadCheckpoint = "bad-checkpoint", "The checkpoint could not be loaded",
        "Check the checkpoint (transferscope backbone inspect FILE), or use the scratch arm.";
    /// Out of range, not for this device, or not for each other.
    BadSettings = "bad-settings", "The settings do not fit",
        "Start a new run with other settings; the message says which ones do not fit.";
    /// What was stored of the run cannot be read or is not there.
    BadRequest = "bad-request", "The stored request of the run could not be used",
        "Start the run again from the page or the command line; do not edit request.json.";
    Device = "device", "The device could not be used",
        "Start the server with --device cpu or --device auto, or install the NVIDIA driver.";
    Disk = "disk", "A file could not be written",
        "Make room on the disk that holds the data folder, or check its permissions, and repeat the run.";
    OutOfMemory = "out-of-memory", "The machine ran out of memory",
        "Repeat the run with a smaller batch_size, run fewer workers at once (serve --jobs), or give the machine more memory.";
    OutOfDeviceMemory = "out-of-device-memory", "The GPU ran out of memory",
        "Repeat the run with a smaller batch_size, with precision=bfloat16, or on another device.";
    /// A defect of ours.
    Internal = "internal", "Something went wrong in the program",
        "This is a defect of the program. Repeat the run; if it comes again, report it with the run's worker.log.";
}

/// The name of a kind that this version does not know. Only reading makes one, so that every other name stands in the
/// table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKind(String);

impl FailureKind {
    /// The kind that the machine itself names, in an error or in what caused it: a full disk, exhausted memory.
    pub fn of_machine(error: &(dyn Error + 'static)) -> Option<Self> {
        io_kinds(error).find_map(|kind| match kind {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(Self::Disk),
            io::ErrorKind::OutOfMemory => Some(Self::OutOfMemory),
            _ => None,
        })
    }
}

impl From<FailureKind> for String {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Unknown(UnknownKind(name)) => name,
            known => known.as_str().to_owned(),
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// By hand: a string of which examples are known, since other versions have other kinds.
#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for FailureKind {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let each = Self::ALL.iter().map(|kind| format!("{kind}: {}", kind.title())).collect::<Vec<_>>();
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some(format!(
                "What kind of failure it is; other versions may have more kinds. {}",
                each.join("; ")
            )))
            .examples(Self::ALL.iter().map(Self::as_str))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for FailureKind {}

/// Why a run did not succeed, in words for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Failure {
    /// Stable, machine-readable.
    pub kind: FailureKind,
    /// What happened and where.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Failure {
    /// A failure with the hint of its kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let hint = kind.hint().to_owned();
        Self { kind, message: message.into(), hint }
    }

    /// The same with a hint that knows more than its kind's.
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }
}

/// Whether an error, or what caused it, says that there is no room (`ENOSPC`, `EDQUOT`), which somebody may make.
pub fn is_full(error: &(dyn Error + 'static)) -> bool {
    FailureKind::of_machine(error) == Some(FailureKind::Disk)
}

/// The kinds of the I/O errors in a chain of causes, the outermost first.
fn io_kinds<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = io::ErrorKind> + 'a {
    std::iter::successors(Some(error), |error| cause(*error))
        .filter_map(|error| error.downcast_ref::<io::Error>().map(io::Error::kind))
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        // An I/O error passes over the error inside it: its source is that one's.
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    #[test]
    fn names_go_round_and_belong_to_one_kind() {
        let names: BTreeSet<_> = FailureKind::ALL.iter().map(FailureKind::as_str).collect();
        assert_eq!(names.len(), FailureKind::ALL.len());
        for kind in FailureKind::ALL {
            let json = serde_json::to_string(kind).unwrap();
            assert_eq!(json, format!("\"{kind}\""));
            assert_eq!(serde_json::from_str::<FailureKind>(&json).unwrap(), *kind);
            assert!(!kind.title().ends_with('.') && kind.hint().ends_with('.'), "{kind}");
        }
    }

    #[test]
    fn names_on_the_wire_stay() {
        // Records of earlier versions hold them.
        for name in [
            "worker-died",
            "non-finite-loss",
            "bad-data",
            "bad-checkpoint",
            "bad-settings",
            "bad-request",
            "device",
            "disk",
            "out-of-memory",
            "internal",
        ] {
            assert!(FailureKind::ALL.contains(&FailureKind::from(name.to_owned())), "{name}");
        }
    }

    #[test]
    fn a_kind_of_another_version_is_kept_as_it_is() {
        for name in ["melted", "", "Disk", "bad data \u{1f525}"] {
            let failure = serde_json::json!({ "kind": name, "message": "m", "hint": "h" });
            let read: Failure = serde_json::from_value(failure.clone()).unwrap();
            assert!(matches!(&read.kind, FailureKind::Unknown(_)), "{name:?}");
            assert_eq!((read.kind.as_str(), read.kind.title()), (name, "Something went wrong"));
            assert_eq!(serde_json::to_value(&read).unwrap(), failure);
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("could not write: {source}")]
    struct Outer {
        source: io::Error,
    }

    #[test]
    fn the_machines_word_is_found_behind_other_errors() {
        let kind = |error: io::Error| {
            let wrapped = Outer { source: io::Error::other(Outer { source: io::Error::other(error) }) };
            FailureKind::of_machine(&wrapped)
        };
        assert_eq!(kind(io::ErrorKind::StorageFull.into()), Some(FailureKind::Disk));
        assert_eq!(kind(io::ErrorKind::OutOfMemory.into()), Some(FailureKind::OutOfMemory));
        assert_eq!(kind(io::ErrorKind::PermissionDenied.into()), None);
        // Words alone are not the machine's.
        assert_eq!(kind(io::Error::other("No space left on device (os error 28)")), None);
        assert!(!is_full(&fmt::Error));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_system_calls_a_full_disk_is_one() {
        let (enomem, enospc, edquot) = (12, 28, 122);
        for full in [enospc, edquot] {
            assert!(is_full(&io::Error::from_raw_os_error(full)), "{full}");
        }
        let memory = io::Error::from_raw_os_error(enomem);
        assert_eq!(FailureKind::of_machine(&memory), Some(FailureKind::OutOfMemory));
    }

    /// The page about all kinds.
    fn page() -> String {
        let mut page = "# Why runs fail\n\n\
            A run that failed or was lost says so in `failure` (pages, `GET /api/v1/runs/{id}`, `events.jsonl`): its \
            `kind`, what happened (`message`) and what to do (`hint`). The hint of a run may know more than this table. \
            A kind that a version does not know is shown as it is.\n\n\
            | kind | what it means | what to do |\n|---|---|---|\n"
            .to_owned();
        for kind in FailureKind::ALL {
            page.push_str(&format!("| `{kind}` | {} | {} |\n", kind.title(), kind.hint()));
        }
        page.push_str(
            "\nThe table is `FailureKind` in `domain/src/failure.rs`; \
             `TRANSFERSCOPE_WRITE_DOCS=1 cargo test -p transferscope-domain` writes this page anew.\n",
        );
        page
    }

    #[test]
    fn the_reference_page_is_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/failures.md");
        if std::env::var_os("TRANSFERSCOPE_WRITE_DOCS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, page()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            written,
            page(),
            "write it anew: TRANSFERSCOPE_WRITE_DOCS=1 cargo test -p transferscope-domain"
        );
    }
}
