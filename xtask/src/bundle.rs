//! The browser bundle: program, script and style sheet under `target/site/pkg`.
//!
//! Program and style sheet are built apart, each only when its inputs have changed since the last time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use wasm_bindgen_cli_support::Bindgen;

use crate::assets::{Package, Size, replace};
use crate::css;
use crate::digest::Digest;
use crate::tools;
use crate::wasm_compiler::{Compiler, TARGET};
use crate::wasm_target;
use crate::workspace::Workspace;

/// The most that the program may weigh as sent, in bytes.
pub const WASM_BROTLI_LIMIT: usize = 605_000;
/// Everything that the program is made from, relative to the workspace root.
const CODE: &[&str] =
    &["app", "domain", "frontend", "xtask/src", "Cargo.toml", "Cargo.lock", ".cargo/config.toml"];
/// Everything that the style sheet is made from.
const STYLE: &[&str] = &["style", "xtask/src", "Cargo.lock"];
/// Older releases do not know all features that the compiler writes today.
const WASM_OPT_SINCE: u32 = 120;

/// What the files of the last bundle were made from.
#[derive(Default, Serialize, Deserialize)]
struct Stamp {
    code: String,
    style: String,
}

/// Builds what has changed of the browser bundle, or all of it with `force`; returns the program's weight.
///
/// # Errors
/// When there is no compiler for the browser, the sources do not compile, or the folder cannot be written.
pub fn bundle(workspace: &Workspace, force: bool) -> Result<Size> {
    let compiler = wasm_target::compiler(workspace)?;
    let optimiser = wasm_opt();
    let package = Package::open(&workspace.site())?;
    let stamp_file = workspace.target.join("site.stamp.json");
    let last: Stamp =
        fs::read(&stamp_file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let stamp = Stamp {
        code: code_digest(workspace, &compiler, optimiser.as_ref())?,
        style: digest(workspace, STYLE)?.finish(),
    };
    let mut manifest = package.manifest().unwrap_or_default();

    if force || last.style != stamp.style || !package.holds(&manifest.css) {
        let css = css::bundle(&workspace.root.join("style/main.css"))?;
        let (name, size) = package.write("main", "css", css.as_bytes())?;
        report(&name, size);
        manifest.css = name;
    }
    let code_is_there = package.holds(&manifest.js) && package.holds(&manifest.wasm);
    if force || last.code != stamp.code || !code_is_there {
        let (js, wasm) = program(workspace, &compiler, optimiser.as_ref(), &package)?;
        manifest.js = js;
        manifest.wasm = wasm;
    }
    package.publish(&manifest)?;
    let text = serde_json::to_vec_pretty(&stamp).context("cannot write the stamp as JSON")?;
    replace(&stamp_file, &text)?;
    package.size(&manifest.wasm)
}

/// Compiles the program and writes it with its script; returns their file names.
fn program(
    workspace: &Workspace,
    compiler: &Compiler,
    optimiser: Option<&WasmOpt>,
    package: &Package,
) -> Result<(String, String)> {
    println!("Building the browser bundle with Rust {}", compiler.release());
    let start = Instant::now();
    let mut command = compiler.cargo(workspace);
    command.args([
        "build",
        "--profile",
        "wasm-release",
        "--package",
        "transferscope-frontend",
        "--target",
        TARGET,
    ]);
    tools::run(&mut command)?;
    let compiled = workspace.wasm_target().join(TARGET).join("wasm-release/transferscope_frontend.wasm");

    let bytes = fs::read(&compiled).with_context(|| format!("cannot read {}", compiled.display()))?;
    let mut output = Bindgen::new()
        .input_bytes("transferscope", bytes)
        .web(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate_output()
        .context("wasm-bindgen cannot process the compiled program")?;
    let mut wasm = output.wasm_mut().emit_wasm();
    if let Some(optimiser) = optimiser {
        match optimiser.optimise(&wasm, &workspace.wasm_target()) {
            Ok(smaller) => wasm = smaller,
            // It only saves bytes: the program is whole without it.
            Err(error) => println!("wasm-opt is left out: {error:#}"),
        }
    }
    for (folder, scripts) in output.snippets() {
        for (index, script) in scripts.iter().enumerate() {
            package.write_plain(&format!("snippets/{folder}/inline{index}.js"), script.as_bytes())?;
        }
    }
    for (path, script) in output.local_modules() {
        package.write_plain(&format!("snippets/{path}"), script.as_bytes())?;
    }
    let (wasm_name, wasm_size) = package.write("transferscope", "wasm", &wasm)?;
    let (js_name, js_size) = package.write("transferscope", "js", output.js().as_bytes())?;
    report(&wasm_name, wasm_size);
    report(&js_name, js_size);
    println!("Built the browser bundle in {:.1} s", start.elapsed().as_secs_f64());
    Ok((js_name, wasm_name))
}

fn report(name: &str, size: Size) {
    println!("  {name}: {} bytes, {} with brotli, {} with gzip", size.raw, size.brotli, size.gzip);
}

fn digest(workspace: &Workspace, paths: &[&str]) -> Result<Digest> {
    let mut digest = Digest::default();
    for path in paths {
        digest.tree(&workspace.root, path)?;
    }
    Ok(digest)
}

fn code_digest(workspace: &Workspace, compiler: &Compiler, optimiser: Option<&WasmOpt>) -> Result<String> {
    let mut digest = digest(workspace, CODE)?;
    digest.word("compiler", &compiler.version);
    digest.word("wasm-opt", &optimiser.map_or_else(String::new, |optimiser| optimiser.version.to_string()));
    Ok(digest.finish())
}

/// Binaryen's optimiser.
struct WasmOpt {
    program: PathBuf,
    version: u32,
}

/// The optimiser on `PATH`, if there is one and it is new enough.
fn wasm_opt() -> Option<WasmOpt> {
    let program = tools::find("wasm-opt")?;
    let said = tools::output(Command::new(&program).arg("--version")).ok()?;
    wasm_opt_version(&said)
        .filter(|version| *version >= WASM_OPT_SINCE)
        .map(|version| WasmOpt { program, version })
}

/// The number in `wasm-opt version 123 (version_123)`.
fn wasm_opt_version(said: &str) -> Option<u32> {
    said.split_whitespace().find_map(|word| word.parse().ok())
}

impl WasmOpt {
    fn optimise(&self, wasm: &[u8], dir: &Path) -> Result<Vec<u8>> {
        let before = dir.join("before-opt.wasm");
        let after = dir.join("after-opt.wasm");
        replace(&before, wasm)?;
        let mut command = Command::new(&self.program);
        command.arg("-Oz").arg("--strip-debug").args(WASM_FEATURES);
        tools::output(command.arg(&before).arg("-o").arg(&after))?;
        fs::read(&after).with_context(|| format!("cannot read {}", after.display()))
    }
}

/// The features that the compiler uses for this target unasked, all of them in browsers since 2022.
const WASM_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_optimiser_says_its_version_in_several_ways() {
        assert_eq!(wasm_opt_version("wasm-opt version 108"), Some(108));
        assert_eq!(wasm_opt_version("wasm-opt version 123 (version_123-12-gabc)"), Some(123));
        assert_eq!(wasm_opt_version("wasm-opt"), None);
    }
}
