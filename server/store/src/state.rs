//! A run's state: read and written.

use sqlx::SqliteConnection;
use transferscope_domain::{Failure, RunId, RunState};

use crate::{
    Result, StoreError,
    error::{from_name, to_json},
};

pub(crate) async fn state(conn: &mut SqliteConnection, id: &RunId) -> Result<RunState> {
    let text: Option<String> = sqlx::query_scalar("select state from runs where id = ?")
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    from_name("run state", &text.ok_or_else(|| StoreError::not_found("run", id))?)
}

/// Writes a state whose rules were checked; a final one gets its time, and no worker is doing
/// anything in a state without one.
pub(crate) async fn change(
    conn: &mut SqliteConnection,
    id: &str,
    next: RunState,
    failure: Option<&Failure>,
    now_ms: i64,
) -> Result<()> {
    let failure = failure.map(|f| to_json("failure", f)).transpose()?;
    // Why a run was interrupted is told until it is under way again.
    let told = matches!(next, RunState::Failed | RunState::Lost | RunState::Queued | RunState::Preparing);
    sqlx::query(
        "update runs
        set state = ?2, state_ms = ?3, failure = case when ?7 then coalesce(?4, failure) end,
            -- A clock that was set back must not end a run before its beginning.
            finished_ms = case when ?5 then max(?3, coalesce(started_ms, ?3)) else finished_ms end,
            phase = case when ?6 then phase end,
            eta_s = case when ?6 then eta_s end
        where id = ?1",
    )
    .bind(id)
    .bind(next.as_str())
    .bind(now_ms)
    .bind(failure)
    .bind(next.is_final())
    .bind(next.has_worker())
    .bind(told)
    .execute(conn)
    .await?;
    Ok(())
}
