//! Backbones: the ones that ship inside the program, and the ones in `DATA/backbones`, which were
//! pre-trained here or added from a file ([`add`]).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use transferscope_domain::{Architecture, Backbone, api::Made, backbone::is_name, report::LoadReport};

use crate::checkpoint::{
    self, CheckpointError, CheckpointFile, EncoderWeights, KeyMap, Pick,
    architecture::{Hints, infer},
};

pub mod add;
mod beside;
mod card;
pub mod inspect;

use card::AnyCard;
pub use card::{AddedCard, Card};

struct Shipped {
    card: &'static str,
    weights: &'static [u8],
}

const SHIPPED: [Shipped; 3] = [
    Shipped {
        card: include_str!("../backbones/profound-conv-mini.json"),
        weights: include_bytes!("../backbones/profound-conv-mini.safetensors"),
    },
    Shipped {
        card: include_str!("../backbones/profound-vit-mini.json"),
        weights: include_bytes!("../backbones/profound-vit-mini.safetensors"),
    },
    Shipped {
        card: include_str!("../backbones/provicnet-mini.json"),
        weights: include_bytes!("../backbones/provicnet-mini.safetensors"),
    },
];

const BUILT_IN: &str = "builtin:";
const CARD: &str = "card.json";
const WEIGHTS: &str = "weights.safetensors";
/// Key of the weights' metadata: the tensors that the added file did not have, with commas between.
const DEFAULTED: &str = "defaulted";

fn shipped() -> impl Iterator<Item = (Card, &'static [u8])> {
    SHIPPED.iter().filter_map(|s| Some((serde_json::from_str(s.card).ok()?, s.weights)))
}

/// Every backbone that a run can start from, the shipped ones first. A folder of
/// `DATA/backbones` that cannot be read is left out with a warning.
pub fn registry(data_dir: &Path) -> Vec<Backbone> {
    static SHIPPED: LazyLock<Vec<Backbone>> = LazyLock::new(|| {
        let backbone = |(card, weights): (Card, &'static [u8])| {
            let file = checkpoint::open_bytes(BUILT_IN, weights);
            card.backbone(hash(weights), file.ok().and_then(architecture))
        };
        shipped().map(backbone).collect()
    });
    let mut all = SHIPPED.clone();
    for folder in folders(&data_dir.join("backbones")) {
        match stored(&folder) {
            Ok(backbone) if all.iter().all(|b| b.name != backbone.name) => all.push(backbone),
            Ok(backbone) => {
                tracing::warn!(name = backbone.name, "a second backbone of this name is left out")
            }
            Err(reason) => {
                tracing::warn!(folder = %folder.display(), reason, "a backbone folder is left out")
            }
        }
    }
    all
}

/// Cards of the backbones that were added from files.
fn added_in(backbones: &Path) -> Vec<AddedCard> {
    let card = |folder: PathBuf| match read_card(&folder) {
        Ok(AnyCard::Added(card)) => Some(*card),
        _ => None,
    };
    folders(backbones).into_iter().filter_map(card).collect()
}

/// The folders of all backbones, sorted; hidden ones are being written.
fn folders(backbones: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(backbones).into_iter().flatten().filter_map(Result::ok);
    let visible = entries.filter(|e| !e.file_name().as_encoded_bytes().starts_with(b"."));
    let mut folders: Vec<PathBuf> = visible.map(|e| e.path()).collect();
    folders.sort();
    folders
}

fn read_card(folder: &Path) -> Result<AnyCard, String> {
    let bytes = fs::read(folder.join(CARD)).map_err(|e| format!("{CARD}: {e}"))?;
    let card = AnyCard::parse(&bytes).map_err(|e| format!("{CARD}: {e}"))?;
    let folder_name = folder.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    if !is_name(card.name()) || card.name() != folder_name {
        return Err(format!("{CARD} names {:?}, not the folder", card.name()));
    }
    Ok(card)
}

fn stored(folder: &Path) -> Result<Backbone, String> {
    let path = folder.join(WEIGHTS);
    match read_card(folder)? {
        AnyCard::Added(card) if path.is_file() => Ok(card.backbone()),
        AnyCard::Added(_) => Err(format!("{WEIGHTS} is missing")),
        AnyCard::Pretrained(card) => {
            // What the card says is trusted here: a run compares the hash before it starts.
            if let (Some(hash), Some(architecture)) = (&card.weights_hash, &card.architecture)
                && path.is_file()
            {
                let (hash, architecture) = (hash.clone(), architecture.clone());
                return Ok(card.backbone(hash, Some(architecture)));
            }
            let weights = fs::read(&path).map_err(|e| format!("{WEIGHTS}: {e}"))?;
            let hash = hash(&weights);
            let file = checkpoint::open_bytes(WEIGHTS, weights);
            Ok(card.backbone(hash, file.ok().and_then(architecture)))
        }
    }
}

/// What the weights tell of their network; none where they do not tell enough.
fn architecture(mut file: CheckpointFile) -> Option<Architecture> {
    infer(&KeyMap::find(&mut file, &Pick::default()).ok()?, Hints::default()).ok()
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// The load report and the making of a backbone, as far as its card tells.
pub fn card(data_dir: &Path, name: &str) -> (Option<LoadReport>, Option<Made>) {
    let of = |card: Card| (None, Some(card.made()));
    if let Some((card, _)) = shipped().find(|(card, _)| card.name == name) {
        return of(card);
    }
    if !is_name(name) {
        return (None, None);
    }
    match read_card(&data_dir.join("backbones").join(name)) {
        Ok(AnyCard::Added(card)) => (Some(card.load_report), None),
        Ok(AnyCard::Pretrained(card)) => of(*card),
        Err(_) => (None, None),
    }
}

/// What a request names to start from a backbone of the [`registry`]: `builtin:NAME`, or a file relative to the run
/// directory.
pub fn checkpoint_reference(data_dir: &Path, run_dir: &Path, backbone: &Backbone) -> String {
    let name = &backbone.name;
    if shipped().any(|(card, _)| card.name == *name) {
        return format!("{BUILT_IN}{name}");
    }
    let up = run_dir.strip_prefix(data_dir).map_or(2, |inside| inside.components().count());
    format!("{}backbones/{name}/{WEIGHTS}", "../".repeat(up))
}

/// The tensors of a checkpoint that a request names.
///
/// # Errors
/// When it is not there, damaged, or another one than `hash` says.
pub fn read(
    run_dir: &Path,
    reference: &str,
    expected_hash: Option<&str>,
) -> Result<EncoderWeights, CheckpointError> {
    let missing = |reason: &str| CheckpointError::Damaged { path: reference.into(), reason: reason.into() };
    let checked = |bytes: &[u8]| match expected_hash {
        Some(expected) if expected != hash(bytes) => {
            Err(missing("its content has changed since the run was submitted"))
        }
        _ => Ok(()),
    };
    let mut file = match reference.strip_prefix(BUILT_IN) {
        Some(name) => {
            let found = shipped().find(|(card, _)| card.name == name);
            let weights = found.ok_or_else(|| missing("this program ships no such checkpoint"))?.1;
            checked(weights)?;
            checkpoint::open_bytes(reference, weights)?
        }
        None => {
            let path = run_dir.join(reference);
            let bytes = fs::read(&path)
                .map_err(|source| CheckpointError::Read { path: path.display().to_string(), source })?;
            checked(&bytes)?;
            checkpoint::open_bytes(reference, bytes)?
        }
    };
    let defaulted = file.metadata().get(DEFAULTED).map(String::as_str).unwrap_or_default();
    let defaulted = defaulted.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Ok(EncoderWeights { tensors: file.weights()?, defaulted })
}

#[cfg(test)]
mod tests;
