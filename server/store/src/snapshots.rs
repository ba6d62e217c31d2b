//! Frozen pages of experiments.

use transferscope_domain::{
    ExperimentId, ShareSlug,
    api::{FrozenLink, SnapshotView},
};

use crate::{
    Result, Store, StoreError,
    error::{from_json, from_name, to_json},
    now_ms,
    records::Kind,
};

/// Version of a snapshot's data.
pub const SNAPSHOT_SCHEMA: u32 = 1;

/// A page to be kept.
#[derive(Debug, Clone)]
pub struct NewSnapshot {
    pub slug: ShareSlug,
    pub title: String,
    pub experiments: Vec<ExperimentId>,
    pub created_ms: i64,
    /// A whole document.
    pub html: String,
    /// SVG.
    pub picture: Option<String>,
    /// JSON.
    pub data: String,
}

/// A page as it was kept.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Snapshot {
    pub title: String,
    pub created_ms: i64,
    revoked_ms: Option<i64>,
    pub html: String,
    pub picture: Option<String>,
    pub content_hash: String,
}

impl Store {
    /// Keeps a page.
    ///
    /// # Errors
    /// `Conflict` when there is a link of this slug.
    pub async fn create_snapshot(&self, new: &NewSnapshot) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "insert into snapshots
                (slug, schema, title, experiments, created_ms, html, picture, data, content_hash)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.slug.as_str())
        .bind(SNAPSHOT_SCHEMA)
        .bind(&new.title)
        .bind(to_json("experiment ids", &new.experiments)?)
        .bind(new.created_ms)
        .bind(&new.html)
        .bind(&new.picture)
        .bind(&new.data)
        .bind(blake3::hash(new.data.as_bytes()).to_hex().as_str())
        .execute(&mut *tx)
        .await
        .map_err(|e| StoreError::on_unique(e, || format!("there is a link {} already", new.slug)))?;
        let kept = self.keep_row(&mut tx, Kind::Snapshot, new.slug.as_str()).await?;
        self.commit(tx, kept).await
    }

    /// The page of a link; none where no page has this link.
    ///
    /// # Errors
    /// `Gone` for a revoked one.
    pub async fn snapshot(&self, slug: &ShareSlug) -> Result<Option<Snapshot>> {
        let found: Option<Snapshot> = sqlx::query_as(
            "select title, created_ms, revoked_ms, html, picture, content_hash from snapshots where slug = ?",
        )
        .bind(slug.as_str())
        .fetch_optional(self.read())
        .await?;
        match found {
            Some(Snapshot { revoked_ms: Some(_), .. }) => {
                Err(StoreError::Gone { what: "link", id: slug.to_string() })
            }
            found => Ok(found),
        }
    }

    /// The numbers of a frozen page.
    ///
    /// # Errors
    /// `NotFound`, `Gone`; `Corrupt` when the data is not what was hashed.
    pub async fn snapshot_data(&self, slug: &ShareSlug) -> Result<SnapshotView> {
        let snapshot = self.snapshot(slug).await?.ok_or_else(|| StoreError::not_found("link", slug))?;
        let (schema, experiments, data): (u32, String, String) =
            sqlx::query_as("select schema, experiments, data from snapshots where slug = ?")
                .bind(slug.as_str())
                .fetch_one(self.read())
                .await?;
        if blake3::hash(data.as_bytes()).to_hex().as_str() != snapshot.content_hash {
            let message = format!("the data of link {slug} does not match its hash");
            return Err(StoreError::Corrupt { what: "snapshot", message });
        }
        Ok(SnapshotView {
            slug: slug.clone(),
            schema,
            title: snapshot.title,
            created_ms: snapshot.created_ms,
            experiments: from_json("experiment ids", &experiments)?,
            content_hash: snapshot.content_hash,
            data: from_json("snapshot", &data)?,
        })
    }

    /// Links to frozen pages that show an experiment, newest first, without the revoked ones.
    ///
    /// # Errors
    /// `Database` only.
    pub async fn snapshots_of(&self, experiment: &ExperimentId) -> Result<Vec<FrozenLink>> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "select slug, title, created_ms from snapshots
            where revoked_ms is null and exists (select 1 from json_each(experiments) where value = ?)
            order by created_ms desc, slug",
        )
        .bind(experiment.as_str())
        .fetch_all(self.read())
        .await?;
        rows.into_iter()
            .map(|(slug, title, created_ms)| {
                Ok(FrozenLink { slug: from_name("slug", &slug)?, title, created_ms })
            })
            .collect()
    }

    /// Ends a link to a frozen page, and says whether there was one that had not ended.
    ///
    /// # Errors
    /// `Gone` for one that was revoked before.
    pub(crate) async fn revoke_snapshot(&self, slug: &ShareSlug) -> Result<bool> {
        if self.is_revoked(slug).await? {
            return Err(StoreError::Gone { what: "link", id: slug.to_string() });
        }
        let mut tx = self.begin().await?;
        let now = now_ms();
        let done = sqlx::query("update snapshots set revoked_ms = ? where slug = ? and revoked_ms is null")
            .bind(now)
            .bind(slug.as_str())
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let kept = self.keep_revoked(Kind::Snapshot, slug.as_str(), now).await?;
        self.commit(tx, kept).await?;
        Ok(true)
    }

    /// Whether a link led to a frozen page until somebody ended it.
    pub(crate) async fn is_revoked(&self, slug: &ShareSlug) -> Result<bool> {
        let revoked: Option<Option<i64>> =
            sqlx::query_scalar("select revoked_ms from snapshots where slug = ?")
                .bind(slug.as_str())
                .fetch_optional(self.read())
                .await?;
        Ok(revoked.flatten().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::new_slug;

    #[tokio::test]
    async fn a_page_is_kept_until_it_is_revoked() {
        let store = Store::open_temp().await.unwrap();
        let experiment: ExperimentId = "someexperi".parse().unwrap();
        let new = NewSnapshot {
            slug: new_slug(),
            title: "A study".into(),
            experiments: vec![experiment.clone()],
            created_ms: 5,
            html: "<html></html>".into(),
            picture: None,
            data: "{\"a\":1}".into(),
        };
        store.create_snapshot(&new).await.unwrap();
        assert!(matches!(store.create_snapshot(&new).await, Err(StoreError::Conflict(_))));
        let kept = store.snapshot(&new.slug).await.unwrap().unwrap();
        assert_eq!((kept.html, kept.title), (new.html.clone(), new.title.clone()));
        let data = store.snapshot_data(&new.slug).await.unwrap();
        assert_eq!((data.data["a"].as_i64(), data.schema), (Some(1), SNAPSHOT_SCHEMA));
        assert_eq!(store.snapshots_of(&experiment).await.unwrap()[0].slug, new.slug);
        assert!(store.snapshots_of(&"another".parse().unwrap()).await.unwrap().is_empty());
        let unknown = new_slug();
        assert_eq!(store.snapshot(&unknown).await.unwrap(), None);

        store.revoke_share(&new.slug).await.unwrap();
        assert!(matches!(store.snapshot(&new.slug).await, Err(StoreError::Gone { .. })));
        assert!(matches!(store.share(&new.slug).await, Err(StoreError::Gone { .. })));
        assert!(matches!(store.revoke_share(&new.slug).await, Err(StoreError::Gone { .. })));
        assert!(store.snapshots_of(&experiment).await.unwrap().is_empty());
        assert!(matches!(store.revoke_share(&unknown).await, Err(StoreError::NotFound { .. })));
    }
}
