//! What the API and the pages say about a data set and about one case of it.

use serde::{Deserialize, Serialize};

use super::{
    CaseEntry, Contents, DatasetManifest,
    check::{CheckReport, TaskUse},
    sheet::Sheet,
};
use crate::{name::Name, task::TaskKind};

/// How far the check of a data set is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum CheckStatus {
    /// Every case is being read; ask again.
    Running,
    /// It was done at this time.
    Done { checked_ms: i64 },
    /// It could not be done.
    Failed { message: String },
}

/// A check and what it has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Checked {
    pub status: CheckStatus,
    /// Until the check is done: what the manifest says, without findings and label values.
    pub report: CheckReport,
}

/// A data set with its check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatasetDetail {
    #[serde(flatten)]
    pub manifest: DatasetManifest,
    /// Every task that can be asked for on it.
    pub tasks: Vec<DatasetTask>,
    pub check: Checked,
    /// Runs on a data set of this name.
    pub runs: u32,
}

/// A task on a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatasetTask {
    /// Its kind; with the target it is asked for as `task:target`.
    pub task: TaskKind,
    /// The mask, label or image that is to come out; none where the data set has nothing of the kind.
    pub target: Option<Name>,
    /// Images that go in, in the order of the network's channels.
    pub inputs: Vec<Name>,
    pub cases: SplitCases,
    /// Why it cannot run; none where it can.
    pub problem: Option<String>,
}

/// Numbers of cases that a task can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SplitCases {
    pub train: usize,
    pub val: usize,
    pub test: usize,
}

impl From<TaskUse> for DatasetTask {
    fn from(used: TaskUse) -> Self {
        let TaskUse { task, target, inputs, train, val, test, problem, .. } = used;
        Self { task, target, inputs, cases: SplitCases { train, val, test }, problem }
    }
}

/// One case with what a viewer needs to show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CaseDetail {
    pub dataset: String,
    pub synthetic: bool,
    pub case: CaseEntry,
    /// What the data set's images, masks and labels are.
    pub contents: Contents,
    pub images: Vec<Levels>,
    pub placement: Placement,
    /// How distortion correction bends the case, in words with Hz and mm; none where it has no
    /// echo-planar image.
    pub distortion: Option<String>,
    /// None where all slices of a channel do not fit on one picture.
    pub sheet: Option<Sheet>,
    /// The case before it in the manifest.
    pub previous: Option<String>,
    /// The case after it in the manifest.
    pub next: Option<String>,
}

/// Grey values of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Levels {
    pub channel: String,
    /// Lowest value, and one that all but the brightest few voxels stay below.
    pub range: [f64; 2],
    /// What is shown from black to white at first.
    pub window: [f64; 2],
}

/// Colours that masks are drawn in before they start over.
pub const MASK_COLOURS: u8 = 7;

/// The colour of a mask's value 1, from 1: that of a value `v` is `v - 1` further. Each mask goes on where the one before
/// it ended, so that all of a case can be told apart at once.
pub fn first_colour(contents: &Contents, mask: &str) -> u8 {
    match mask {
        // As prostate data always were.
        "zones" => 1,
        "gland" => 3,
        "lesion" => 6,
        _ => {
            let before = contents.masks.iter().take_while(|m| m.name != mask);
            let last = before.map(|m| usize::from(m.values().last().copied().unwrap_or(0))).sum::<usize>();
            (last % usize::from(MASK_COLOURS)) as u8 + 1
        }
    }
}

/// How slices lie in the patient: letters at a slice's edges (R right, L left, A front, P back,
/// S head, I feet) and its place along the slice axis.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Placement {
    pub left: char,
    pub right: char,
    pub top: char,
    pub bottom: char,
    /// Where the first slice lies along the slice axis, in mm from the scanner's origin.
    pub first_mm: f64,
    /// From one slice to the next, in mm.
    pub step_mm: f64,
}

impl Placement {
    /// Where a slice lies along the slice axis, in mm from the scanner's origin.
    pub fn position_mm(&self, slice: usize) -> f64 {
        self.first_mm + self.step_mm * slice as f64
    }
}
