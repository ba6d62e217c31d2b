//! `transferscope doctor`: what works on this machine, and what to do about what does not.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use transferscope_ml::{
    backbone::registry,
    data::manifest,
    device::{self, Probe},
};
use transferscope_server::{
    config::default_site_dir,
    data_dir::{DataDir, DataDirError},
    storage::database,
};

use super::{Context, output};

/// Less room than this stops runs from writing their checkpoints.
const ROOM_NEEDED: u64 = 500_000_000;
/// Less room than this is used up by a larger experiment.
const ROOM_WISHED: u64 = 5_000_000_000;
/// Memory that a default run on the CPU may take.
const MEMORY_WISHED: u64 = 2_500_000_000;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The browser bundle, as in `serve`.
    #[arg(long, env = "TRANSFERSCOPE_SITE_DIR", value_name = "FOLDER")]
    site_dir: Option<std::path::PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// Works, with less comfort.
    Warn,
    /// The product cannot run.
    Fail,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    found: String,
    /// What to do about it; empty where there is nothing to do.
    action: String,
}

fn check(name: &'static str, status: Status, found: impl Into<String>, action: impl Into<String>) -> Check {
    Check { name, status, found: found.into(), action: action.into() }
}

/// Looks at everything and prints it.
///
/// # Errors
/// When stdout is closed.
pub fn run(context: &Context, args: &Args) -> Result<ExitCode> {
    let mut checks =
        vec![check("program", Status::Ok, format!("transferscope {}", env!("CARGO_PKG_VERSION")), "")];
    checks.extend(graphics(&device::probe()));
    checks.push(memory());
    match DataDir::open(&context.data_dir) {
        Ok(data) => {
            let root = data.root().display();
            checks.push(check("data folder", Status::Ok, format!("{root} can be written"), ""));
            checks.extend(data.open_to_others().map(|warning| {
                let (found, action) = warning.split_once("; ").unwrap_or((&warning, ""));
                check("permissions", Status::Warn, found, sentence(action))
            }));
            checks.push(stored(&data));
            checks.push(room(&data));
            checks.push(lock(&data));
            checks.extend(contents(&data));
        }
        Err(error) => checks.push(check(
            "data folder",
            Status::Fail,
            error.to_string(),
            "Give a folder that you may write: --data-dir FOLDER or TRANSFERSCOPE_DATA_DIR.",
        )),
    }
    let site = args.site_dir.clone().unwrap_or_else(default_site_dir);
    checks.push(bundle(&site));
    let fails = checks.iter().any(|c| c.status == Status::Fail);
    if context.json {
        output::json(&checks)?;
    } else {
        for Check { name, status, found, action } in &checks {
            let mark = match status {
                Status::Ok => "ok  ",
                Status::Warn => "note",
                Status::Fail => "FAIL",
            };
            output::print(&format!("{mark}  {name:<16}  {found}"))?;
            if !action.is_empty() {
                output::print(&format!("{:24}-> {action}", ""))?;
            }
        }
    }
    Ok(if fails { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn graphics(probe: &Probe) -> Vec<Check> {
    match &probe.problem {
        Some(problem) => vec![check(
            "GPU",
            Status::Warn,
            format!("{problem}; runs train on the CPU"),
            "Nothing to do for the mini backbones. For larger ones use a machine with an NVIDIA GPU and its driver.",
        )],
        None => probe
            .cards
            .iter()
            .enumerate()
            .map(|(index, card)| {
                let found = format!("cuda:{index} {} with {}", card.name, output::bytes(card.memory_bytes));
                check("GPU", Status::Ok, found, "")
            })
            .collect(),
    }
}

fn memory() -> Check {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = text
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:"))
        .and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok())
        .map(|kib| kib * 1024);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match available {
        Some(bytes) if bytes < MEMORY_WISHED => check(
            "memory",
            Status::Warn,
            format!("{} free, {cores} cores", output::bytes(bytes)),
            "A default run takes up to 2 GB: close other programs, or use a smaller batch_size.",
        ),
        Some(bytes) => {
            check("memory", Status::Ok, format!("{} free, {cores} cores", output::bytes(bytes)), "")
        }
        None => {
            check("memory", Status::Ok, format!("free memory not known on this system, {cores} cores"), "")
        }
    }
}

fn room(data: &DataDir) -> Check {
    match data.free_bytes() {
        Ok(bytes) if bytes < ROOM_NEEDED => check(
            "disk",
            Status::Fail,
            format!("{} free", output::bytes(bytes)),
            "Make room, or put the data folder on another disk: runs cannot write their checkpoints.",
        ),
        Ok(bytes) if bytes < ROOM_WISHED => check(
            "disk",
            Status::Warn,
            format!("{} free", output::bytes(bytes)),
            "Enough for a few dozen runs; make room before a large experiment.",
        ),
        Ok(bytes) => check("disk", Status::Ok, format!("{} free", output::bytes(bytes)), ""),
        Err(error) => check("disk", Status::Warn, format!("free room not known: {error}"), ""),
    }
}

/// The database, looked at without changing it; a server may be at work on it.
fn stored(data: &DataDir) -> Check {
    let looked = super::runtime().and_then(|runtime| {
        runtime.block_on(async { database::check(data).await.map_err(anyhow::Error::from) })
    });
    match looked {
        Ok(None) => check("database", Status::Ok, "none yet; the first start creates it", ""),
        Ok(Some(runs)) => {
            check("database", Status::Ok, format!("{} ({runs} runs)", data.database().display()), "")
        }
        Err(error) => {
            let words = error.to_string();
            let (found, action) = words.split_once("; ").unwrap_or((&words, ""));
            check("database", Status::Fail, found, sentence(action))
        }
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).chain(['.']).collect()).unwrap_or_default()
}

fn lock(data: &DataDir) -> Check {
    match data.running_server() {
        Ok(None) => check(
            "server",
            Status::Ok,
            "none runs on this data folder",
            "Start one with: transferscope serve",
        ),
        Ok(Some(info)) => check("server", Status::Ok, format!("pid {} serves {}", info.pid, info.url), ""),
        Err(error @ DataDirError::Locked { .. }) => check(
            "server",
            Status::Warn,
            error.to_string(),
            "A process uses the folder but does not report an address: wait a moment, or end it.",
        ),
        Err(error) => check(
            "server",
            Status::Fail,
            error.to_string(),
            "Check the folder's file system and permissions.",
        ),
    }
}

fn contents(data: &DataDir) -> Vec<Check> {
    let sets = match manifest::list(&data.datasets()) {
        Ok(sets) if sets.is_empty() && matches!(data.running_server(), Ok(Some(_))) => check(
            "data sets",
            Status::Warn,
            "none yet",
            "The server generates the built-in phantoms now, unless it was told not to; its page Data sets shows how far they are.",
        ),
        Ok(sets) if sets.is_empty() => check(
            "data sets",
            Status::Warn,
            "none yet",
            "The first `transferscope serve` generates the built-in phantoms. To add your own data: transferscope dataset add FOLDER",
        ),
        Ok(sets) => {
            let names: Vec<_> =
                sets.iter().map(|s| format!("{} ({} cases)", s.name, s.cases.len())).collect();
            check("data sets", Status::Ok, names.join(", "), "")
        }
        Err(error) => {
            check("data sets", Status::Fail, error.to_string(), "Check the permissions of the data folder.")
        }
    };
    let backbones: Vec<_> =
        registry(data.root()).into_iter().filter(|b| b.pretrained).map(|b| b.name).collect();
    let pretrained = if backbones.is_empty() {
        check(
            "checkpoints",
            Status::Warn,
            "no backbone has a pre-trained checkpoint",
            "Make one with: transferscope pretrain (the scratch and specialist arms work without).",
        )
    } else {
        check("checkpoints", Status::Ok, backbones.join(", "), "")
    };
    vec![sets, pretrained]
}

fn bundle(site: &std::path::Path) -> Check {
    let found = std::fs::read_dir(site.join("pkg"))
        .is_ok_and(|entries| entries.flatten().any(|e| e.path().extension().is_some_and(|x| x == "wasm")));
    if found {
        check("browser bundle", Status::Ok, site.display().to_string(), "")
    } else {
        check(
            "browser bundle",
            Status::Warn,
            format!("none in {}", site.display()),
            "Pages can be read without it, but charts are not interactive: build it with `cargo xtask build`, or name its folder with --site-dir.",
        )
    }
}
