//! Comparisons: by a list of runs, or by the short name of a shared one.

use leptos::{prelude::*, server_fn::codec::GetUrl};
use transferscope_domain::{
    RunId,
    api::{CompareData, ShareView},
};

use crate::AppError;

/// Run ids of a query's `runs` values, each of which may hold several between commas; doubles
/// count once.
///
/// # Errors
/// Says which text is no id.
pub fn run_ids(values: &[String]) -> Result<Vec<RunId>, String> {
    let mut ids: Vec<RunId> = Vec::new();
    for text in values.iter().flat_map(|v| v.split(',')).map(str::trim).filter(|t| !t.is_empty()) {
        let id: RunId = text.parse().map_err(|e| format!("{e}."))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// What a comparison of runs draws; `runs` is a list between commas.
#[server(prefix = "/fn", endpoint = "compare", input = GetUrl)]
pub async fn compare(runs: String) -> Result<CompareData, AppError> {
    let ids = run_ids(&[runs]).map_err(AppError::Invalid)?;
    if ids.is_empty() {
        return Ok(CompareData::default());
    }
    Ok(super::server::store()?.compare_data(&ids).await?)
}

/// A shared comparison with its data: as it was for a frozen link, as it is for a live one.
#[server(prefix = "/fn", endpoint = "shared", input = GetUrl)]
pub async fn shared(slug: String) -> Result<ShareView, AppError> {
    let slug = slug.parse().map_err(|e| AppError::NotFound(format!("There is no such link: {e}.")))?;
    let store = super::server::store()?;
    let mut share = store.share(&slug).await?;
    if share.data.is_none() {
        let data = store.compare_data(&share.runs).await?;
        share.data = Some(if share.include_patients { data } else { data.without_patients() });
    }
    Ok(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_repeated_fields_mean_the_same() {
        let ids = |v: &[&str]| run_ids(&v.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        let expected: Vec<RunId> = vec!["aaaa".parse().unwrap(), "bbbb".parse().unwrap()];
        assert_eq!(ids(&["aaaa,bbbb"]).unwrap(), expected);
        assert_eq!(ids(&["aaaa", "bbbb", "aaaa,"]).unwrap(), expected);
        assert_eq!(ids(&[""]).unwrap(), []);
        assert!(ids(&["../x"]).is_err());
    }
}
