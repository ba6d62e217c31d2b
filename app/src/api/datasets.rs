//! The data sets, as pages that the server has rendered, and single cases.

use leptos::{prelude::*, server_fn::codec::GetUrl};
use transferscope_domain::dataset::view::CaseDetail;

use crate::{AppError, components::rendered::Rendered};

/// All data sets.
#[server(prefix = "/fn", endpoint = "datasets", input = GetUrl)]
pub async fn datasets() -> Result<Rendered, AppError> {
    use super::server::{catalogue, store};
    use crate::server_views::{datasets::Datasets, summary::row};
    use transferscope_domain::dataset::view::CheckStatus;

    let runs = store()?.runs_by_dataset().await?;
    let catalogue = catalogue()?;
    let row_of =
        |manifest| row(&manifest, &(catalogue.checked)(&manifest), runs.get(&manifest.name).copied());
    let rows: Vec<_> = (catalogue.datasets)().into_iter().map(row_of).collect();
    let preparing = (catalogue.preparing)();
    let unfinished = preparing.is_some() || rows.iter().any(|d| d.status == CheckStatus::Running);
    Ok(Rendered::new("Data sets", unfinished, view! { <Datasets datasets=rows preparing=preparing /> }))
}

/// One data set with its check and a page of its cases.
#[server(prefix = "/fn", endpoint = "dataset", input = GetUrl)]
pub async fn dataset(name: String, split: String, page: String) -> Result<Rendered, AppError> {
    use super::server::{catalogue, optional, store};
    use crate::server_views::{dataset::Dataset, summary::summary};
    use transferscope_domain::{dataset::view::CheckStatus, metric::Split};
    use transferscope_store::RunFilter;

    let chosen = match split.as_str() {
        "" => None,
        text => {
            let unknown =
                || AppError::Invalid(format!("There is no split {text:?}: use train, val or test."));
            Some(Split::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(unknown)?)
        }
    };
    let page: usize = optional(&page)?.unwrap_or(1);
    let catalogue = catalogue()?;
    let count = store()?.runs_by_dataset().await?.get(&name).copied();
    let manifest = (catalogue.datasets)().into_iter().find(|d| d.name == name).ok_or_else(|| {
        AppError::NotFound(match count {
            None => format!("There is no data set {name:?}."),
            Some(runs) => {
                let runs = crate::format::plural(runs.into(), "run");
                format!("The data set {name} is no longer in the data folder; what {runs} on it recorded can still be seen.")
            }
        })
    })?;
    let filter = RunFilter { dataset: Some(name.clone()), limit: Some(10), ..RunFilter::default() };
    let runs = store()?.runs(&filter).await?.runs;
    let page = summary(&manifest, (catalogue.checked)(&manifest), (chosen, page), runs, count);
    let unfinished = page.row.status == CheckStatus::Running;
    Ok(Rendered::new(&name, unfinished, view! { <Dataset page=page split=split /> }))
}

/// One case with what a viewer needs.
#[server(prefix = "/fn", endpoint = "case", input = GetUrl)]
pub async fn case(dataset: String, case: String) -> Result<CaseDetail, AppError> {
    let catalogue = super::server::catalogue()?;
    (catalogue.case)(dataset, case).await
}
