//! Links to comparisons: live ones name runs, frozen ones keep the data as it was.

use transferscope_domain::{
    RunId, ShareSlug,
    api::{ShareCreated, ShareRequest, ShareView},
};

use crate::{
    Result, Store, StoreError,
    error::{from_json, from_name, to_json},
    ids, now_ms,
    records::Kind,
};

/// Version of what a share row holds; a later version must go on reading earlier ones.
pub const SHARE_SCHEMA: u32 = 2;
/// Before this version nobody was asked whether patients should leave by a link.
const ASKED_SCHEMA: u32 = 2;
/// Largest text of a view's field names and values together.
const VIEW_MAX: usize = 4096;

impl Store {
    /// Stores a link to a comparison. A frozen one keeps its data as it is now, with its hash.
    ///
    /// # Errors
    /// `NotFound` when a run is unknown; `Invalid` without runs, with too many, or with a view
    /// that is too long.
    pub async fn create_share(&self, share: &ShareRequest) -> Result<ShareCreated> {
        let mut runs: Vec<RunId> = Vec::new();
        for id in &share.runs {
            if !runs.contains(id) {
                runs.push(id.clone());
            }
        }
        if runs.is_empty() {
            return Err(StoreError::Invalid { field: "runs", message: "name at least one run".into() });
        }
        let length: usize = share.view.iter().map(|(k, v)| k.len() + v.len()).sum();
        if length > VIEW_MAX {
            return Err(StoreError::Invalid {
                field: "view",
                message: format!("{length} bytes are too long for a view: {VIEW_MAX} at most"),
            });
        }
        // Read before the writing transaction begins: a large comparison must not hold up the recorder.
        let data = self.compare_data(&runs).await?;
        if let Some(missing) = data.missing.first() {
            return Err(StoreError::not_found("run", missing));
        }
        let data = if share.include_patients { data } else { data.without_patients() };
        let data = if share.frozen { Some(to_json("comparison", &data)?) } else { None };
        let hash = data.as_ref().map(|text| blake3::hash(text.as_bytes()).to_hex().to_string());
        let slug = ids::new_slug();
        let mut tx = self.begin().await?;
        sqlx::query(
            "insert into shares (slug, schema, frozen, created_ms, view, runs, patients, data, content_hash)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(slug.as_str())
        .bind(SHARE_SCHEMA)
        .bind(share.frozen)
        .bind(now_ms())
        .bind(to_json("view", &share.view)?)
        .bind(to_json("run ids", &runs)?)
        .bind(share.include_patients)
        .bind(data)
        .bind(hash)
        .execute(&mut *tx)
        .await
        .map_err(|e| StoreError::on_unique(e, || format!("there is a link {slug} already")))?;
        let kept = self.keep_row(&mut tx, Kind::Link, slug.as_str()).await?;
        self.commit(tx, kept).await?;
        Ok(ShareCreated { slug })
    }

    /// A link as stored; its `data` is what a frozen one kept.
    ///
    /// # Errors
    /// `NotFound` for an unknown link, `Gone` for a revoked one; `Corrupt` when the kept data is not what was hashed.
    pub async fn share(&self, slug: &ShareSlug) -> Result<ShareView> {
        self.share_row(slug).await?.view()
    }

    /// A frozen link, and the text of its data that was hashed.
    ///
    /// # Errors
    /// Those of [`Store::share`]; `Conflict` for a live link, which keeps no data.
    pub async fn frozen_share(&self, slug: &ShareSlug) -> Result<(ShareView, String)> {
        let row = self.share_row(slug).await?;
        let view = row.view()?;
        let data = row.data.ok_or_else(|| {
            StoreError::Conflict(format!(
                "The link {slug} is live and stores no data: make a frozen link to the comparison first."
            ))
        })?;
        Ok((view, data))
    }

    async fn share_row(&self, slug: &ShareSlug) -> Result<ShareRow> {
        let row: Option<ShareRow> = sqlx::query_as(
            "select slug, schema, frozen, created_ms, revoked_ms, view, runs, patients, data, content_hash
            from shares
            where slug = ?",
        )
        .bind(slug.as_str())
        .fetch_optional(self.read())
        .await?;
        let Some(row) = row else {
            return Err(match self.is_revoked(slug).await? {
                true => StoreError::Gone { what: "link", id: slug.to_string() },
                false => StoreError::not_found("link", slug),
            });
        };
        if row.revoked_ms.is_some() {
            return Err(StoreError::Gone { what: "link", id: slug.to_string() });
        }
        if let (Some(data), Some(hash)) = (&row.data, &row.content_hash)
            && blake3::hash(data.as_bytes()).to_hex().as_str() != hash
        {
            return Err(StoreError::Corrupt {
                what: "comparison",
                message: format!("the data of link {slug} does not match its hash"),
            });
        }
        Ok(row)
    }

    /// Ends a link; its data stays in the database.
    ///
    /// # Errors
    /// `NotFound` for an unknown link, `Gone` for one that was revoked before.
    pub async fn revoke_share(&self, slug: &ShareSlug) -> Result<()> {
        let mut tx = self.begin().await?;
        let now = now_ms();
        let done = sqlx::query("update shares set revoked_ms = ? where slug = ? and revoked_ms is null")
            .bind(now)
            .bind(slug.as_str())
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            drop(tx);
            if self.revoke_snapshot(slug).await? {
                return Ok(());
            }
            // Says which of the two it is.
            self.share_row(slug).await?;
            return Err(StoreError::not_found("link", slug));
        }
        let kept = self.keep_revoked(Kind::Link, slug.as_str(), now).await?;
        self.commit(tx, kept).await
    }
}

#[derive(sqlx::FromRow)]
struct ShareRow {
    slug: String,
    schema: u32,
    frozen: bool,
    created_ms: i64,
    revoked_ms: Option<i64>,
    view: String,
    runs: String,
    patients: bool,
    data: Option<String>,
    content_hash: Option<String>,
}

impl ShareRow {
    fn view(&self) -> Result<ShareView> {
        Ok(ShareView {
            slug: from_name("slug", &self.slug)?,
            schema: self.schema,
            frozen: self.frozen,
            created_ms: self.created_ms,
            view: from_json("view", &self.view)?,
            runs: from_json("run ids", &self.runs)?,
            include_patients: self.patients || (self.frozen && self.schema < ASKED_SCHEMA),
            data: self.data.as_deref().map(|text| from_json("comparison", text)).transpose()?,
            content_hash: self.content_hash.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{metric, say, started, step, store_with_runs};

    #[tokio::test]
    async fn a_frozen_link_stays_as_it_was_and_a_live_one_names_runs() {
        let (store, ids) = store_with_runs(2).await;
        say(&store, &ids[0], [started(1, 0), step(1, 1.0)]).await;
        let mut request = ShareRequest {
            runs: vec![ids[1].clone(), ids[0].clone(), ids[1].clone()],
            view: [("x".to_owned(), "step".to_owned())].into(),
            frozen: true,
            include_patients: false,
        };
        let frozen = store.create_share(&request).await.unwrap().slug;
        request.frozen = false;
        let live = store.create_share(&request).await.unwrap().slug;
        let before = store.share(&frozen).await.unwrap();
        say(&store, &ids[0], [metric("val/dice", 1, 0.5)]).await;
        let after = store.share(&frozen).await.unwrap();
        assert_eq!(before, after);
        assert_eq!(after.runs, [ids[1].clone(), ids[0].clone()]);
        let data = after.data.unwrap();
        assert_eq!(data.runs.iter().map(|r| &r.id).collect::<Vec<_>>(), [&ids[1], &ids[0]]);
        assert!(data.series[0].is_empty() && data.series[1].len() == 4);
        let live_view = store.share(&live).await.unwrap();
        assert_eq!((live_view.data, live_view.content_hash, live_view.schema), (None, None, SHARE_SCHEMA));

        let (_, text) = store.frozen_share(&frozen).await.unwrap();
        assert_eq!(after.content_hash.unwrap(), blake3::hash(text.as_bytes()).to_hex().to_string());
        assert!(matches!(store.frozen_share(&live).await, Err(StoreError::Conflict(_))));

        store.revoke_share(&live).await.unwrap();
        assert!(matches!(store.share(&live).await, Err(StoreError::Gone { .. })));
        assert!(matches!(store.revoke_share(&live).await, Err(StoreError::Gone { .. })));
        let unknown = "no-such-link".parse().unwrap();
        assert!(matches!(store.revoke_share(&unknown).await, Err(StoreError::NotFound { .. })));
    }

    #[tokio::test]
    async fn a_link_needs_known_runs_and_a_short_view() {
        let (store, ids) = store_with_runs(1).await;
        let mut request =
            ShareRequest { runs: vec![], view: Default::default(), frozen: false, include_patients: false };
        assert!(matches!(store.create_share(&request).await, Err(StoreError::Invalid { field: "runs", .. })));
        request.runs = vec!["no-such-run".parse().unwrap()];
        assert!(matches!(store.create_share(&request).await, Err(StoreError::NotFound { .. })));
        request.runs = ids;
        request.view.insert("x".into(), "y".repeat(5000));
        assert!(matches!(store.create_share(&request).await, Err(StoreError::Invalid { field: "view", .. })));
    }
}
