//! Python's pickle format, read without Python: values become inert objects, and nothing that the
//! file names is ever looked up or called.
//!
//! `torch.save` writes a program for Python's unpickler that puts dictionaries, numbers and
//! references to storages together by naming classes and functions. Those that a state dict needs
//! are known here by name ([`torch_call`]); whatever else is named becomes [`Object::Made`],
//! which says by what and holds nothing.
//!
//! Objects refer to each other by [`Id`], so that shared, nested and even circular ones cost what
//! their bytes in the file cost, to build and to drop.
//!
//! # Source
//! Opcodes: CPython `Lib/pickletools.py`, protocols 2 to 5. Calls: PyTorch `torch/serialization.py`
//! and `torch/_utils.py`. Written from that documentation.

mod machine;
mod objects;

pub(crate) use machine::parse;
pub(crate) use objects::{Id, Object, Objects, printable};

#[cfg(test)]
mod tests;
