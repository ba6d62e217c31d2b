//! Names of an encoder's tensors: the folders of names in which it lies, and what wrappers of modules add to them.

use super::form::Form;

/// Parts of names that wrappers of modules add: of several GPUs, of compiled and of sharded models.
const WRAPPING: [&str; 4] =
    ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "parametrized_module"];

/// A name without what wrappers add.
pub(super) fn unwrapped(name: &str) -> String {
    let mut parts: Vec<&str> = name.split('.').filter(|part| !WRAPPING.contains(part)).collect();
    let wrapped = parts.iter().take_while(|part| **part == "module").count();
    parts.drain(..wrapped);
    parts.join(".")
}

fn root(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// The name below a folder of names if a tensor belongs to the encoder that lies there; `prefix` is empty or
/// ends with a dot.
pub(crate) fn inside<'a>(form: &Form, prefix: &str, name: &'a str) -> Option<&'a str> {
    if let Some(own) = name.strip_prefix(prefix)
        && (form.belongs)(root(own), own)
    {
        return Some(own);
    }
    let around = |folder: &str| name.strip_prefix(folder).filter(|own| form.around.contains(&root(own)));
    let mut folders = prefix.match_indices('.').map(|(at, _)| &prefix[..=at]).chain([""]);
    folders.find_map(around)
}

/// The name of what is in a block of a transformer without the block's chunk: DINOv2 trains in chunks of blocks,
/// `blocks.CHUNK.BLOCK.*`, where blocks are numbered through.
pub(crate) fn unchunked(own: &str) -> String {
    let found = || {
        let (chunk, rest) = own.strip_prefix("blocks.")?.split_once('.')?;
        let (block, _) = rest.split_once('.')?;
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        (number(chunk) && number(block)).then(|| format!("blocks.{rest}"))
    };
    found().unwrap_or_else(|| own.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_come_off() {
        assert_eq!(unwrapped("module.module.backbone._orig_mod.norm.bias"), "backbone.norm.bias");
        assert_eq!(unwrapped("net._fsdp_wrapped_module.norm.bias"), "net.norm.bias");
    }
}
