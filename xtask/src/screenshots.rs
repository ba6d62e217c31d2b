//! `cargo xtask screenshots`: pictures of the product at work for README and docs, taken of the real program in a
//! real browser, so that they can be renewed when the pages change.
//!
//! A page counts only if it answers with 200 and the browser's console stays free of errors. Where the data folder has
//! no finished run, a small experiment on computed phantoms comes first: a few minutes on two cores.

mod browser;
mod program;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::bundle;
use crate::tools;
use crate::workspace::Workspace;
use browser::Browser;
use program::Program;

/// Size of the pictures in pixels.
pub const WIDTH: u32 = 1280;
pub const HEIGHT: u32 = 800;
/// How long the small experiment may take.
const PATIENCE: Duration = Duration::from_secs(1800);
/// How long workers may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// Pictures above this make a repository heavy; a line says so.
const BYTES_MAX: usize = 150_000;
/// The data set of the small experiment; with the name of the built-in one, so that the server does not make that too.
const DATASET: [&str; 10] =
    ["dataset", "synth", "--name", "phantom", "--patients", "16", "--test-only", "4", "--size", "24x96x96"];

#[derive(clap::Args)]
pub struct Args {
    /// A data folder to show; default: a temporary one with a small experiment.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Folder for the pictures.
    #[arg(long, value_name = "FOLDER", default_value = "docs/images")]
    out: PathBuf,
    /// A `transferscope` program that is already built, to be used as it is.
    #[arg(long, value_name = "FILE", requires = "site_dir")]
    program: Option<PathBuf>,
    /// The browser bundle of that program.
    #[arg(long, value_name = "FOLDER", requires = "program")]
    site_dir: Option<PathBuf>,
}

/// A page to be pictured.
struct Page {
    /// File name of the picture, without theme and extension.
    name: &'static str,
    /// Address below the server's.
    path: String,
    /// A selector of what has to be there before it is worth a picture.
    awaited: &'static str,
    /// A selector of what stands at the top of the picture; the page's own top where none is given.
    top: Option<&'static str>,
    /// Whether it is pictured in the dark theme as well.
    dark: bool,
}

/// Takes all pictures.
///
/// # Errors
/// When a build fails, the program or a browser cannot be started, a run fails, or a page errs.
pub fn screenshots(workspace: &Workspace, args: &Args) -> Result<()> {
    tools::browser()?;
    let (program, site) = match (&args.program, &args.site_dir) {
        (Some(program), Some(site)) => (program.clone(), site.clone()),
        _ => {
            bundle::bundle(workspace, false)?;
            tools::run(workspace.cargo().args(["build", "--bin", "transferscope"]))?;
            (workspace.server_binary(), workspace.site())
        }
    };
    let temporary = tempfile::tempdir().context("there is no room for temporary files")?;
    let data = args.data_dir.clone().unwrap_or_else(|| temporary.path().join("data"));
    let out = workspace.root.join(&args.out);
    fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;

    let runtime = tokio::runtime::Runtime::new().context("the asynchronous runtime cannot be started")?;
    runtime.block_on(async {
        if !data.join("datasets").is_dir() {
            program::call(&program, &data, &DATASET)?;
        }
        let server = Program::serve(&program, &data, &site)?;
        if finished(&server).await?.is_empty() {
            fill(&server).await?;
        }
        let pages = pages(&finished(&server).await?, &server).await?;
        let browser = Browser::start().await?;
        let mut faults = Vec::new();
        for page in &pages {
            for dark in [false, true].into_iter().filter(|dark| !dark || page.dark) {
                let file = out.join(format!("{}{}.webp", page.name, if dark { "-dark" } else { "" }));
                match browser
                    .picture(&format!("{}{}", server.url, page.path), page.awaited, page.top, dark)
                    .await
                {
                    Ok(picture) => {
                        fs::write(&file, &picture)
                            .with_context(|| format!("cannot write {}", file.display()))?;
                        let large =
                            if picture.len() > BYTES_MAX { ", more than it should weigh" } else { "" };
                        println!("{}: {} bytes{large}", workspace.shown(&file), picture.len());
                    }
                    Err(fault) => faults.push(format!("{}: {fault:#}", page.path)),
                }
            }
        }
        browser.quit().await?;
        if !faults.is_empty() {
            bail!("pages err:\n  - {}", faults.join("\n  - "));
        }
        Ok(())
    })
}

/// Runs that have a result, newest first.
async fn finished(server: &Program) -> Result<Vec<Value>> {
    let answer = server.get("/api/v1/runs?state=succeeded&limit=200").await?;
    let runs = answer["runs"].as_array().cloned().unwrap_or_default();
    Ok(runs.into_iter().filter(|run| run["task"] != "pretraining").collect())
}

/// Starts a small experiment and waits until all of its runs have a result.
async fn fill(server: &Program) -> Result<()> {
    println!("Training a small experiment to have something to show");
    let wanted = json!({
        "name": "Two backbones, two tasks",
        "backbones": ["provicnet-mini", "profound-conv-mini"],
        "tasks": ["segmentation", "super-resolution"],
        "arms": ["pretrained", "scratch", "specialist"],
        "dataset": "phantom", "seeds": [0, 1], "epochs": 5,
        "overrides": { "samples_per_case": 1 },
    });
    let made = server.post("/api/v1/experiments", &wanted).await?;
    let asked = made["runs"].as_array().map_or(0, Vec::len);
    let id = text(&made["id"]);
    let start = Instant::now();
    loop {
        let states = states(server, id).await?;
        let with = |state: &str| states.iter().filter(|s| *s == state).count();
        let (done, failed) = (with("succeeded"), with("failed"));
        if done == asked {
            return Ok(());
        }
        if failed > 0 || start.elapsed() > PATIENCE {
            stop(server, id).await?;
            bail!(
                "{failed} of {asked} runs failed and {done} have a result after {} s",
                start.elapsed().as_secs()
            );
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Stops an experiment and waits for its workers: they outlive their server, and the data folder may go away now.
async fn stop(server: &Program, id: &str) -> Result<()> {
    server.post(&format!("/api/v1/experiments/{id}/cancel"), &json!({})).await?;
    let start = Instant::now();
    let at_work = |state: &String| ["running", "stopping"].contains(&state.as_str());
    while states(server, id).await?.iter().any(at_work) && start.elapsed() < STOP_PATIENCE {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// The states of an experiment's runs.
async fn states(server: &Program, id: &str) -> Result<Vec<String>> {
    let answer = server.get(&format!("/api/v1/runs?experiment={id}&limit=200")).await?;
    let runs = answer["runs"].as_array().into_iter().flatten();
    Ok(runs.map(|run| text(&run["state"]).to_owned()).collect())
}

/// The pages to be pictured, of the experiment that has the most results.
async fn pages(finished: &[Value], server: &Program) -> Result<Vec<Page>> {
    let size = |run: &&Value| finished.iter().filter(|r| r["experiment"] == run["experiment"]).count();
    let pretrained = finished.iter().filter(|run| run["arm"] == "pretrained");
    let shown = pretrained.max_by_key(size).or(finished.first()).context("no run has a result")?;
    let same = |run: &&Value| {
        ["task", "seed", "dataset", "experiment"].iter().all(|key| run[key] == shown[key])
            && (run["arm"] == "specialist" || run["backbone"] == shown["backbone"])
    };
    let beside: Vec<&str> = finished.iter().filter(same).take(3).map(|run| text(&run["id"])).collect();
    let dataset = text(&shown["dataset"]);
    let manifest = server.get(&format!("/api/v1/datasets/{dataset}")).await?;
    let case = manifest["cases"].as_array().into_iter().flatten().find(|case| case["cspca"] == true);
    let case = case.unwrap_or(&manifest["cases"][0]);
    let mut pages = vec![
        Page { name: "leaderboard", path: "/".into(), awaited: "tbody tr", top: None, dark: true },
        Page {
            name: "run",
            path: format!("/runs/{}", text(&shown["id"])),
            awaited: "canvas",
            top: None,
            dark: true,
        },
        Page {
            name: "compare",
            path: format!("/compare?runs={}", beside.join(",")),
            awaited: "canvas",
            top: None,
            dark: false,
        },
        Page {
            name: "case",
            path: format!("/datasets/{dataset}/{}", text(&case["case_id"])),
            awaited: "main img",
            top: None,
            dark: false,
        },
        Page { name: "backbones", path: "/backbones".into(), awaited: "tbody tr", top: None, dark: false },
    ];
    if let Some(experiment) = shown["experiment"].as_str() {
        pages.push(Page {
            name: "experiment",
            path: format!("/experiments/{experiment}"),
            awaited: "main table",
            top: Some("section:has([aria-label='Results by backbone and task'])"),
            dark: false,
        });
    }
    Ok(pages)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
