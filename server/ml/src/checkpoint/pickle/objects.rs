//! What a pickle can hold.

use super::super::{element::ElementType, view::View};

/// Refers to an object of [`Objects`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub(super) u32);

/// A value of a pickle.
#[derive(Debug)]
pub(crate) enum Object {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Pairs in the order in which they were set, a key set twice twice.
    Dict(Vec<(Id, Id)>),
    /// A class or function, by name.
    Global {
        module: String,
        name: String,
    },
    Storage(Storage),
    Tensor {
        /// An [`Object::Storage`].
        storage: Id,
        view: View,
    },
    /// An instance of a class and its attributes.
    Instance {
        class: Id,
        state: Option<Id>,
    },
    /// The result of a class or function that is not known here.
    Made {
        by: Id,
    },
    /// A value of another kind, e.g. bytes.
    Other(&'static str),
}

/// A reference to numbers outside the pickle.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    pub(crate) element: ElementType,
    /// Name of the archive's entry.
    pub(crate) key: String,
    /// First of the entry's elements that belongs to it, and their number.
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

/// All objects of a pickle.
#[derive(Debug)]
pub(crate) struct Objects {
    pub(super) all: Vec<Object>,
    pub(super) root: Id,
}

impl Objects {
    /// Every reference to numbers outside the pickle.
    pub(crate) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.all.iter().filter_map(|object| match object {
            Object::Storage(storage) => Some(storage),
            _ => None,
        })
    }

    pub(crate) fn root(&self) -> Id {
        self.root
    }

    pub(crate) fn get(&self, id: Id) -> &Object {
        &self.all[id.0 as usize]
    }

    pub(crate) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The pairs of a dictionary, or the attributes of an instance of `argparse.Namespace`.
    pub(crate) fn pairs(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Object::Dict(pairs) => Some(pairs),
            Object::Instance { class, state: Some(state) } if self.is(*class, "argparse", "Namespace") => {
                match self.get(*state) {
                    Object::Dict(pairs) => Some(pairs),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    pub(super) fn is(&self, id: Id, in_module: &str, named: &str) -> bool {
        matches!(self.get(id), Object::Global { module, name } if module == in_module && name == named)
    }

    /// What a value is, for messages.
    pub(crate) fn describe(&self, id: Id) -> String {
        let named = |id: Id| match self.get(id) {
            Object::Global { module, name } => printable(&format!("{module}.{name}")),
            _ => "something without a name".to_owned(),
        };
        match self.get(id) {
            Object::None => "None".into(),
            Object::Bool(_) | Object::Int(_) | Object::Float(_) => "a number".into(),
            Object::Text(_) => "a text".into(),
            Object::Tuple(_) => "a tuple".into(),
            Object::List(_) => "a list".into(),
            Object::Dict(_) => "a dictionary".into(),
            Object::Global { .. } => format!("the Python name {}", named(id)),
            Object::Storage(_) => "a storage".into(),
            Object::Tensor { .. } => "a tensor".into(),
            Object::Instance { class, .. } => format!("an object of the Python class {}", named(*class)),
            Object::Made { by } => format!("made by the Python function {}, which is not run", named(*by)),
            Object::Other(kind) => (*kind).into(),
        }
    }
}

/// Longest text of a file that is shown.
const SHOWN: usize = 200;

/// A text of a file as it may stand on a terminal and in a table.
pub(crate) fn printable(text: &str) -> String {
    let mut shown: String =
        text.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}
