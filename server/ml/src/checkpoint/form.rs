//! The ways in which files hold encoders: how one is found among a file's tensors, and what each of them is.

use transferscope_domain::Architecture;

use super::{architecture::Hints, change::Change, error::Fault, key_map::KeyMap};

/// A way in which files hold an encoder of a family.
#[derive(Debug)]
pub(crate) struct Form {
    /// How the name of the tensor ends by which an encoder is found; what comes before it is the encoder's folder.
    pub landmark: &'static str,
    /// Whether an encoder of this form lies in a folder with this landmark.
    pub is_here: fn(&Folder<'_>) -> bool,
    /// Whether a tensor in the folder is the encoder's, by the first part of its name there and by all of it.
    pub belongs: fn(&str, &str) -> bool,
    /// First parts of the names of layers that may also lie in a folder around the encoder's.
    pub around: &'static [&'static str],
    /// What one of the encoder's tensors is, by its name in the folder and its shape.
    pub known: fn(&str, &[usize]) -> Result<Known, Fault>,
    /// Tensors that files of this form do not have, and that start at one value.
    pub constants: &'static [Constant],
    /// What is said of a file of this form.
    pub note: Option<&'static str>,
    /// The architecture of which these are the weights, or in words why it cannot be told.
    pub infer: fn(&KeyMap, Hints) -> Result<Architecture, String>,
}

/// A tensor that is not in a file: one value everywhere.
#[derive(Debug)]
pub(crate) struct Constant {
    pub name: &'static str,
    /// The tensor of the encoder that has its shape.
    pub shaped_as: &'static str,
    pub value: f32,
}

/// What a tensor of an encoder is by its authors' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// All of the tensor of this name.
    Whole(String),
    /// All of it, of another shape and with its numbers in another order.
    Changed { name: String, shape: Vec<usize>, change: Change },
    /// Part `number` of the three that are joined to the tensor of this name.
    Third { name: String, number: usize },
    /// The positions of the patches alone; the class token has none.
    PatchPositions,
}

/// A folder of names in a state dict, by the landmark that lies in it.
pub(crate) struct Folder<'a> {
    /// Names of all tensors of the state dict, without what wrappers add.
    all: &'a [String],
    /// Empty, or ends with a dot.
    prefix: &'a str,
    /// Dimensions of the landmark.
    rank: usize,
}

impl<'a> Folder<'a> {
    pub(super) fn new(all: &'a [String], prefix: &'a str, rank: usize) -> Self {
        Self { all, prefix, rank }
    }

    /// Dimensions of the landmark.
    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    /// Names in the folder, without it.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let Self { all, prefix, .. } = *self;
        all.iter().filter_map(move |name| name.strip_prefix(prefix))
    }
}
