//! One case of a data set: its slices, and what is known of them.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use transferscope_domain::dataset::view::CaseDetail;

use crate::{
    api::datasets::case,
    components::{
        loaded::loaded,
        provenance::{fact, hash_view},
        slice_viewer::SliceViewer,
    },
    format,
};

/// The page.
#[component]
pub fn CasePage() -> impl IntoView {
    let params = use_params_map();
    let wanted = Memo::new(move |_| {
        params.with(|p| (p.get("name").unwrap_or_default(), p.get("case").unwrap_or_default()))
    });
    let data = Resource::new(move || wanted.get(), |(name, id)| case(name, id));
    loaded(data, "the case", move |detail| view! { <CaseView detail=detail /> })
}

#[component]
fn CaseView(detail: CaseDetail) -> impl IntoView {
    let CaseDetail { dataset, synthetic, case, .. } = detail.clone();
    let [d, h, w] = case.shape;
    let spacing = case.spacing_mm;
    let [sd, sh, sw] = spacing.map(|s| format::number(s, 3));
    let field = [d as f64 * spacing[0], h as f64 * spacing[1], w as f64 * spacing[2]];
    let [fd, fh, fw] = field.map(|s| format::number(s, 1));
    view! {
        <Title text=format!("{} of {dataset}", case.case_id) />
        <div class="page__head">
            <div>
                <p class="breadcrumb">
                    <a href="/datasets">"Data sets"</a>" / "<a href=format!("/datasets/{dataset}")>{dataset.clone()}</a>
                </p>
                <h1>{case.case_id.clone()}</h1>
                <p class="page__lead">
                    {format!("Patient {}, {} split", case.patient_id, case.split)}
                    {synthetic.then(|| view! { " "<span class="tag tag--synthetic">"synthetic: a computed phantom"</span> })}
                </p>
            </div>
        </div>
        <SliceViewer detail=detail />
        <section class="section">
            <h2>"Grid"</h2>
            <dl class="facts">
                {fact("Slices × rows × columns", format!("{d} × {h} × {w}"))}
                {fact("Voxel size [mm]", format!("{sd} × {sh} × {sw}"))}
                {fact("Field of view [mm]", format!("{fd} × {fh} × {fw}"))}
                {fact("Channels", case.channels.join(", "))}
                {fact("Hash", hash_view(&case.hash))}
            </dl>
        </section>
    }
}
