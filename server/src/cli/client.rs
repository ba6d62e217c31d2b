//! A client of the server's API, for the commands that start runs.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::de::DeserializeOwned;
use transferscope_domain::{
    ExperimentId, RunId,
    api::{
        CreatedRun, DatasetList, ExperimentCreated, Problem, QueuePause, QueueView, RunDetail, RunList,
        RunView,
    },
    experiment::ExperimentSpec,
    pretraining::PretrainSpec,
};
use transferscope_server::data_dir::{DataDir, ServerInfo};

/// Runs asked for at once.
const PAGE: u32 = 200;

/// Talks to the server that holds a data folder.
pub struct Client {
    http: reqwest::Client,
    pub url: String,
    token: Option<String>,
}

impl Client {
    /// A client for `server`, with the write token of its data folder.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(server: &ServerInfo, data: &DataDir) -> Result<Self> {
        // The server is on this machine: no proxy may stand between.
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .context("the HTTP client cannot be made")?;
        Ok(Self { http, url: server.url.clone(), token: data.token() })
    }

    /// Starts an experiment.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses; the message names the fields.
    pub async fn submit(&self, spec: &ExperimentSpec) -> Result<ExperimentCreated> {
        self.answer(self.http.post(format!("{}/api/v1/experiments", self.url)).json(spec)).await
    }

    /// Starts a pre-training.
    ///
    /// # Errors
    /// As [`Client::submit`].
    pub async fn pretrain(&self, spec: &PretrainSpec) -> Result<CreatedRun> {
        self.answer(self.http.post(format!("{}/api/v1/pretrainings", self.url)).json(spec)).await
    }

    /// Lets a run go on from its checkpoint.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn resume(&self, id: &RunId) -> Result<RunView> {
        let mut request = self.http.post(format!("{}/api/v1/runs/{id}/resume", self.url));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        self.answer(request).await
    }

    /// Why the queue is paused; none where it is not.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn pause(&self) -> Result<Option<QueuePause>> {
        let queue: QueueView = self.answer(self.http.get(format!("{}/api/v1/queue", self.url))).await?;
        Ok(queue.paused)
    }

    /// One run, as it is now.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn run(&self, id: &RunId) -> Result<RunView> {
        let detail: RunDetail = self.answer(self.http.get(format!("{}/api/v1/runs/{id}", self.url))).await?;
        Ok(detail.run)
    }

    /// All runs of an experiment, as they are now.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn runs(&self, experiment: &ExperimentId) -> Result<Vec<RunView>> {
        let mut runs = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let limit = PAGE.to_string();
            let mut query = vec![("experiment", experiment.as_str()), ("limit", &limit)];
            query.extend(cursor.as_deref().map(|c| ("cursor", c)));
            let request = self.http.get(format!("{}/api/v1/runs", self.url)).query(&query);
            let page: RunList = self.answer(request).await?;
            runs.extend(page.runs);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(runs),
            }
        }
    }

    /// Names of the data sets that the server has.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn datasets(&self) -> Result<Vec<String>> {
        let request = self.http.get(format!("{}/api/v1/datasets", self.url));
        let list: DatasetList = self.answer(request).await?;
        Ok(list.datasets.into_iter().map(|d| d.name).collect())
    }

    async fn answer<T: DeserializeOwned>(&self, mut request: reqwest::RequestBuilder) -> Result<T> {
        // Reading may need it too.
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request
            .send()
            .await
            .map_err(|e| anyhow!("the server at {} does not answer ({e}); see its log", self.url))?;
        let status = response.status();
        let text = response.text().await.context("the server's answer broke off")?;
        if status.is_success() {
            return serde_json::from_str(&text).with_context(|| {
                format!("the server at {} seems to be of another version: restart it", self.url)
            });
        }
        match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => bail!("{}", in_words(&problem)),
            Err(_) => bail!("the server at {} answered {status}", self.url),
        }
    }
}

/// A problem document in one line.
pub fn in_words(problem: &Problem) -> String {
    if problem.errors.is_empty() {
        return if problem.detail.is_empty() { problem.title.clone() } else { problem.detail.clone() };
    }
    let fields: Vec<_> =
        problem.errors.iter().map(|(field, message)| format!("{field}: {message}")).collect();
    fields.join("; ")
}
