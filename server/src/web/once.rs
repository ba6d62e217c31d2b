//! A form that is sent several times at once counts once: a double click on a button, or an impatient second one, starts
//! one experiment and one repeat, and every click comes to it.
//!
//! Only forms: a program that asks twice means two.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::response::Parts,
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::OnceCell;

use super::{BODY_MAX, error::ApiError, extract::has_type, state::AppState};

/// How long after its first sending the same form is taken for the same click.
const WINDOW: Duration = Duration::from_millis(1500);

/// Forms that were sent just now, by their address and fields; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Once {
    sent: Arc<Mutex<HashMap<blake3::Hash, Sent>>>,
}

#[derive(Debug, Clone)]
struct Sent {
    at: Instant,
    answer: Arc<OnceCell<(Parts, Bytes)>>,
}

impl Once {
    fn answer(&self, form: blake3::Hash) -> Arc<OnceCell<(Parts, Bytes)>> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is still being answered is the same click however long that takes; an error may be tried again.
        sent.retain(|_, sent| match sent.answer.get() {
            None => true,
            Some((head, _)) => sent.at.elapsed() < WINDOW && head.status.is_redirection(),
        });
        let new = || Sent { at: Instant::now(), answer: Arc::default() };
        Arc::clone(&sent.entry(form).or_insert_with(new).answer)
    }
}

/// Answers a form that is the same as one just before with that one's answer. Must not be dropped half way
/// (`to_its_end`), else the next one would begin anew.
pub async fn forms_once(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if !has_type(request.headers(), "application/x-www-form-urlencoded") {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let Ok(fields) = to_bytes(body, BODY_MAX).await else {
        return ApiError::TooLarge { limit: BODY_MAX }.into_response();
    };
    let mut form = blake3::Hasher::new();
    form.update(head.uri.to_string().as_bytes()).update(b"\n").update(&fields);
    let answer = state.once.answer(form.finalize());
    let ask = || async {
        let (head, body) = next.run(Request::from_parts(head, Body::from(fields))).await.into_parts();
        // A redirect, or a problem in words.
        (head, to_bytes(body, BODY_MAX).await.unwrap_or_default())
    };
    let (head, body) = answer.get_or_init(ask).await;
    Response::from_parts(head.clone(), Body::from(body.clone()))
}
