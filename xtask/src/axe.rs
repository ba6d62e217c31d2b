//! axe-core, which looks for what keeps people from using a page: fetched once from npm into the target folder, for
//! the browser tests alone. Nothing of it is shipped (MPL-2.0).

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::tools;
use crate::workspace::Workspace;

/// The version that the pages are held against.
const VERSION: &str = "4.14.1";
/// BLAKE3 of its `axe.min.js`.
const HASH: &str = "a0ed4373d1e8caa6416959a32966c75840c12038c33fc4b8d68e50eed251640d";
/// How long npm may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// The script, fetched now if it is not there yet.
///
/// # Errors
/// When npm is missing and may not be installed, when it cannot fetch the package, or when what it fetched is not what
/// is expected.
pub fn script(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join(format!("axe-core-{VERSION}"));
    let script = folder.join("package").join("axe.min.js");
    if fs::read(&script).is_ok_and(|content| is_expected(&content)) {
        return Ok(script);
    }
    if tools::find("npm").is_none() {
        if !tools::can_install() {
            bail!(
                "the browser tests need axe-core {VERSION} and npm to fetch it; on Debian: apt-get install npm"
            );
        }
        tools::install(&["npm"])?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    println!("Fetching axe-core {VERSION} with npm");
    let mut pack = Command::new("npm");
    pack.args(["pack", "--silent", &format!("axe-core@{VERSION}")]).current_dir(&folder);
    tools::run_within(&mut pack, PATIENCE)?;
    let archive = format!("axe-core-{VERSION}.tgz");
    tools::run(Command::new("tar").args(["xzf", &archive]).current_dir(&folder))?;
    let content = fs::read(&script).with_context(|| format!("{archive} holds no {}", script.display()))?;
    if !is_expected(&content) {
        bail!("{} is not the file that is expected: BLAKE3 {HASH}", script.display());
    }
    Ok(script)
}

fn is_expected(content: &[u8]) -> bool {
    blake3::hash(content).to_hex().as_str() == HASH
}
