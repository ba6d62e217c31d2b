//! The program that is pictured: its server, and its API as far as pictures need it.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::tools;

/// A server on a free port; told to end when dropped.
pub struct Program {
    child: Child,
    http: reqwest::Client,
    /// `http://127.0.0.1:PORT`
    pub url: String,
}

/// A call of the program on a data folder, without settings from the environment.
fn command(program: &Path, data: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TRANSFERSCOPE_")) {
        command.env_remove(name);
    }
    command.arg("--data-dir").arg(data).stdin(Stdio::null());
    command
}

/// Runs a command of the program to its end.
///
/// # Errors
/// When it fails.
pub fn call(program: &Path, data: &Path, args: &[&str]) -> Result<()> {
    tools::run(command(program, data).args(args))
}

impl Program {
    /// Starts the server of a data folder and waits until it listens.
    ///
    /// # Errors
    /// When it cannot be started or ends at once.
    pub fn serve(program: &Path, data: &Path, site: &Path) -> Result<Self> {
        let mut command = command(program, data);
        command.args(["serve", "--addr", "127.0.0.1:0", "--site-dir"]).arg(site).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut said = BufReader::new(child.stdout.take().context("the server has no output")?);
        let mut line = String::new();
        let url = loop {
            line.clear();
            if said.read_line(&mut line).context("the server's output is no text")? == 0 {
                bail!("the server has ended: {}", child.wait().context("its end is not known")?);
            }
            if let Some(url) = line.trim().strip_prefix("listening on ") {
                break url.to_owned();
            }
        };
        // What else it prints must not block it.
        thread::spawn(move || drop(said.read_to_end(&mut Vec::new())));
        let http = reqwest::Client::builder().no_proxy().build().context("there is no HTTP client")?;
        Ok(Self { child, http, url })
    }

    /// What an address of the API answers.
    ///
    /// # Errors
    /// When the answer is no JSON with status 200.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.send(self.http.get(format!("{}{path}", self.url)), path).await
    }

    /// What an address of the API answers to JSON.
    ///
    /// # Errors
    /// When the answer is no success with JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(self.http.post(format!("{}{path}", self.url)).json(body), path).await
    }

    async fn send(&self, request: reqwest::RequestBuilder, path: &str) -> Result<Value> {
        let answer = request.send().await.with_context(|| format!("{path} does not answer"))?;
        let status = answer.status();
        let body = answer.text().await.with_context(|| format!("{path} stopped in the middle"))?;
        if !status.is_success() {
            bail!("{path} answers {status}: {body}");
        }
        serde_json::from_str(&body).with_context(|| format!("{path} answers no JSON"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A server may be killed at any time; nothing to do about one that has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
