//! Which encoder of a file is meant: a file may hold several state dicts, and each several networks.

use super::{
    error::Fault,
    foreign,
    form::{Folder, Form},
    names::unwrapped,
    tree::{BARE, Role, Tree, rank, role},
};
use crate::family;

/// What is asked for of a file with several encoders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pick {
    /// The key of a state dict, `model_ema` or `state.model`; `.` for a bare one.
    pub key: Option<String>,
    /// What the names of the encoder's tensors begin with: `backbone.`, `student.backbone`.
    pub prefix: Option<String>,
}

/// An encoder of a file, by where it is.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) tree: usize,
    /// Empty, or what the names begin with, dot included.
    pub(super) prefix: String,
    pub(super) form: &'static Form,
}

/// There is one of each form.
impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.tree == other.tree && self.prefix == other.prefix && std::ptr::eq(self.form, other.form)
    }
}

/// The encoder that was chosen, and what else there is, for people.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) found: Found,
    pub(super) notes: Vec<String>,
}

/// Names that are shown where a file holds no known encoder, and places of a list.
const SHOWN: usize = 5;
/// Most places of a state dict at which an encoder is looked for: each costs a look at all names.
const ENCODER_LIMIT: usize = 64;
/// Folders of an optimiser's moments in the checkpoints that runs leave.
const MOMENTS: [&str; 2] = ["m/", "v/"];

/// Finds the encoder that `pick` means, or the likeliest: the model before its teacher, a teacher before
/// running means, and those before a student.
pub(super) fn choose(trees: &[Tree], pick: &Pick) -> Result<Chosen, Fault> {
    let wanted = pick.key.as_deref();
    let prefix = pick.prefix.as_deref().map(normalised);
    if let Some(key) = wanted
        && !trees.iter().any(|tree| tree.key() == key)
    {
        let keys: Vec<String> = trees.iter().map(Tree::key).collect();
        return Err(Fault::Unsupported(format!(
            "no state dict is under the key {key:?}; there are: {}",
            first(&keys, ", ")
        )));
    }
    let all: Vec<Found> = trees.iter().enumerate().flat_map(|(at, tree)| encoders(at, tree)).collect();
    let asked = |found: &&Found| {
        wanted.is_none_or(|key| trees[found.tree].key() == key)
            && prefix.as_ref().is_none_or(|prefix| *prefix == found.prefix)
    };
    let mut fitting: Vec<&Found> = all.iter().filter(asked).collect();
    fitting.sort_by_key(|found| likeliness(trees, found));
    let Some(&best) = fitting.first() else {
        if all.is_empty() {
            return Err(Fault::Unsupported(unknown(trees, wanted)));
        }
        let places: Vec<String> = all.iter().map(|found| place(trees, found)).collect();
        return Err(Fault::Unsupported(format!(
            "there is no supported encoder under this key and prefix; the file has: {}",
            first(&places, "; ")
        )));
    };
    let same = |found: &&&Found| likeliness(trees, found) == likeliness(trees, best);
    let equal: Vec<&Found> = fitting.iter().filter(same).copied().collect();
    if equal.len() > 1 {
        let places: Vec<String> = equal.iter().map(|found| place(trees, found)).collect();
        let how = if equal.iter().all(|found| found.tree == best.tree) { "--prefix" } else { "--key" };
        return Err(Fault::Unsupported(format!(
            "it holds {} encoders, any of which could be meant; choose with {how}: {}",
            equal.len(),
            first(&places, "; ")
        )));
    }
    let mut notes = vec![format!("taken: {}", place(trees, best))];
    let others: Vec<String> =
        all.iter().filter(|found| *found != best).map(|found| place(trees, found)).collect();
    if !others.is_empty() {
        let how = if all.iter().any(|found| found.tree != best.tree) { "--key" } else { "--prefix" };
        notes.push(format!("also in the file, not used (choose with {how}): {}", first(&others, "; ")));
    }
    notes.extend(best.form.note.map(str::to_owned));
    Ok(Chosen { found: best.clone(), notes })
}

/// A prefix as it stands before names.
fn normalised(prefix: &str) -> String {
    let bare = unwrapped(prefix.trim_end_matches('.'));
    if bare.is_empty() { bare } else { bare + "." }
}

fn likeliness(trees: &[Tree], found: &Found) -> (Role, usize) {
    let (of_tree, usual) = rank(&trees[found.tree].path);
    (of_tree.max(role(found.prefix.split('.'))), usual)
}

/// Where an encoder is, for people.
fn place(trees: &[Tree], found: &Found) -> String {
    let key = trees[found.tree].key();
    let names = match found.prefix.as_str() {
        "" => String::new(),
        prefix => format!(", names that begin with {prefix:?}"),
    };
    if key == BARE { format!("the bare state dict{names}") } else { format!("the state dict {key:?}{names}") }
}

fn first(all: &[String], between: &str) -> String {
    let shown = all.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(between);
    match all.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}{between}and {more} more"),
    }
}

/// The encoders of a state dict that are known here.
fn encoders(tree_at: usize, tree: &Tree) -> Vec<Found> {
    let names: Vec<String> = tree.tensors.iter().map(|t| unwrapped(&t.name)).collect();
    let mut landmarks: Vec<&'static str> = family::forms().map(|form| form.landmark).collect();
    landmarks.sort_unstable();
    landmarks.dedup();
    let mut found: Vec<Found> = Vec::new();
    let mut looked = 0;
    for (name, tensor) in names.iter().zip(&tree.tensors) {
        let at = |landmark| Some((landmark, name.strip_suffix(landmark)?));
        let Some((landmark, prefix)) = landmarks.iter().copied().find_map(at) else { continue };
        looked += 1;
        let whole = prefix.is_empty() || prefix.ends_with('.');
        let moment = MOMENTS.iter().any(|start| prefix.starts_with(start));
        if !whole || moment || looked > ENCODER_LIMIT {
            continue;
        }
        let folder = Folder::new(&names, prefix, tensor.shape.len());
        let form = family::forms().find(|form| form.landmark == landmark && (form.is_here)(&folder));
        if let Some(form) = form {
            let new = Found { tree: tree_at, prefix: prefix.to_owned(), form };
            // Under names that differ by a wrapper only they are one, and mapping finds the doubles.
            if !found.contains(&new) {
                found.push(new);
            }
        }
    }
    found
}

/// What to say of a file without a known encoder.
fn unknown(trees: &[Tree], wanted: Option<&str>) -> String {
    let readable = family::readable();
    let all = listed(&readable);
    let looked = || trees.iter().filter(|tree| wanted.is_none_or(|key| tree.key() == key));
    for tree in looked() {
        let names: Vec<String> = tree.tensors.iter().map(|t| unwrapped(&t.name)).collect();
        let any = |start: &str| names.iter().any(|n| n.starts_with(start));
        if any("enc_down.conv_blocks.") {
            return format!("it is a ConvMAE, which is no backbone here; {all} encoders are");
        }
        if any("FusionSegmentation.") {
            return "it is ProViCNet's fusion head, which has no encoder; add the checkpoints of its encoders (T2w, and --adc, --hbv)"
                .into();
        }
        if let Some(what) = foreign::looks_like(&names, |at| tree.tensors[at].shape.len()) {
            return format!("this looks like {what}, which cannot be read yet; 3-D {all} encoders can");
        }
    }
    let names: Vec<String> = looked().flat_map(|tree| &tree.tensors).map(|t| unwrapped(&t.name)).collect();
    format!(
        "no encoder that is known here ({}) is among its {} tensors, which begin with {}",
        readable.join(", "),
        names.len(),
        first(&names[..names.len().min(SHOWN)], ", ")
    )
}

/// `a, b and c`
fn listed(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
