//! Server functions: what pages ask for. Each is a thin call to the store or the catalogue;
//! answers carry the server's time, so that relative times are the same on both sides.

pub mod backbones;
pub mod compare;
pub mod datasets;
pub mod experiments;
pub mod leaderboard;
pub mod new_experiment;
pub mod queue;
pub mod run;
pub mod runs;

#[cfg(feature = "ssr")]
pub(crate) mod server {
    use leptos::prelude::use_context;
    use transferscope_domain::api::BackboneView;
    use transferscope_store::{Store, StoreError};

    use crate::{AppError, Catalogue};

    /// The store that the server lends.
    pub fn store() -> Result<Store, AppError> {
        use_context::<Store>()
            .ok_or_else(|| AppError::Internal("The page has no access to the database.".into()))
    }

    /// The catalogue that the server lends.
    pub fn catalogue() -> Result<Catalogue, AppError> {
        use_context::<Catalogue>().ok_or_else(|| {
            AppError::Internal("The page has no access to the data sets and backbones.".into())
        })
    }

    /// All backbones with the number of their runs.
    pub async fn counted_backbones() -> Result<Vec<BackboneView>, AppError> {
        let counts = store()?.runs_by_backbone().await?;
        let mut all = (catalogue()?.backbones)();
        for view in &mut all {
            view.runs = counts.get(&view.backbone.name).copied().unwrap_or(0);
        }
        Ok(all)
    }

    impl From<StoreError> for AppError {
        fn from(error: StoreError) -> Self {
            match error {
                StoreError::NotFound { what, id } => {
                    AppError::NotFound(format!("There is no {what} {id:?}."))
                }
                StoreError::Gone { what, id } => AppError::Gone(format!("The {what} {id:?} was revoked.")),
                StoreError::Invalid { field, message } => AppError::Invalid(format!("{field}: {message}.")),
                StoreError::Conflict(message) => AppError::Invalid(message),
                // Words that say what to do.
                StoreError::Full
                | StoreError::Busy(_)
                | StoreError::Damaged { .. }
                | StoreError::Missing { .. } => {
                    let words = error.to_string();
                    leptos::logging::error!("a page cannot be filled: {words}");
                    AppError::Internal(crate::format::capitalised(&words) + ".")
                }
                StoreError::Record { .. }
                | StoreError::Corrupt { .. }
                | StoreError::Database(_)
                | StoreError::Migrate(_)
                | StoreError::Folder { .. } => {
                    leptos::logging::error!("a page cannot be filled: {error}");
                    AppError::Internal("The database did not answer correctly; see the server's log.".into())
                }
            }
        }
    }

    /// Parses an optional query value; empty is none.
    pub fn optional<T: std::str::FromStr>(text: &str) -> Result<Option<T>, AppError>
    where
        T::Err: std::fmt::Display,
    {
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|e| AppError::Invalid(format!("{e}.")))
    }
}
