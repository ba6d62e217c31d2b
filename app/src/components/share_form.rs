//! Making a link to a comparison.

use leptos::prelude::*;
use leptos_router::hooks::use_location;
use transferscope_domain::RunId;

use crate::{address::pairs, base::to, charts::view_state::KEYS};

/// A plain form that posts the comparison with its present view, as a live or a frozen link.
#[component]
pub fn ShareForm(runs: Vec<RunId>) -> impl IntoView {
    let ids = runs.iter().map(RunId::as_str).collect::<Vec<_>>().join(",");
    let search = use_location().search;
    let view = Memo::new(move |_| {
        let pairs = search.with(|s| pairs(s));
        pairs.into_iter().filter(|(k, v)| KEYS.contains(&k.as_str()) && !v.is_empty()).collect::<Vec<_>>()
    });
    view! {
        <form class="share-form" method="post" action=to("/compare/share")>
            <input type="hidden" name="runs" value=ids />
            {move || {
                view
                    .get()
                    .into_iter()
                    .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
                    .collect_view()
            }}
            <fieldset class="share-form__choice">
                <legend>"Share this comparison"</legend>
                <label class="choice">
                    <input type="radio" name="frozen" value="true" checked />
                    <span>
                        <strong>"Frozen"</strong>
                        " – keeps the numbers as they are now, with a content hash"
                    </span>
                </label>
                <label class="choice">
                    <input type="radio" name="frozen" value="false" />
                    <span>
                        <strong>"Live"</strong>
                        " – shows the state of these runs when it is opened"
                    </span>
                </label>
                <label class="choice">
                    <input type="checkbox" name="include_patients" value="true" />
                    <span>
                        <strong>"With patients"</strong>
                        " – ids of patients and cases, and the labels, predictions and images of each case; otherwise cases are numbered and the rest is left out"
                    </span>
                </label>
            </fieldset>
            <button type="submit" class="button">"Make a link"</button>
        </form>
    }
}
