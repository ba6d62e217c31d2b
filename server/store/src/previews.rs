//! Preview pictures of a run: their captions; the files are in the run directory.

use sqlx::SqliteConnection;
use transferscope_domain::{RunId, api::PreviewView};

use crate::Result;

/// Pictures of a run, latest epoch first.
pub(crate) async fn of_run(conn: &mut SqliteConnection, id: &RunId) -> Result<Vec<PreviewView>> {
    let rows: Vec<(f64, String, String, String)> = sqlx::query_as(
        "select epoch, case_id, file, caption
        from previews
        where run_id = ?
        order by step desc, case_id, file",
    )
    .bind(id.as_str())
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(epoch, case_id, file, caption)| PreviewView { epoch, case_id, file, caption })
        .collect())
}
