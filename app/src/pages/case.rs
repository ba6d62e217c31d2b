//! One case of a data set: its slices, and what is known of them.

use leptos::prelude::*;
use leptos_meta::Title;
use transferscope_domain::dataset::view::CaseDetail;

use crate::{
    address::use_path_part,
    api::datasets::case,
    base::to,
    components::{
        loaded::{Within, loaded},
        slice_viewer::SliceViewer,
    },
    format,
};

/// The page.
#[component]
pub fn CasePage() -> impl IntoView {
    let (name, id) = (use_path_part(1), use_path_part(2));
    let data = Resource::new(move || (name.get(), id.get()), |(name, id)| case(name, id));
    loaded(data, "the case", Within::Nothing, move |detail| view! { <CaseView detail=detail /> })
}

#[component]
fn CaseView(detail: CaseDetail) -> impl IntoView {
    let CaseDetail { dataset, synthetic, case, distortion, .. } = detail.clone();
    let [d, h, w] = case.shape;
    let [sd, sh, sw] = case.spacing_mm.map(|s| format::number(s, 2));
    let grid = format!("{d} × {h} × {w} voxels of {sd} × {sh} × {sw} mm (slices × rows × columns)");
    let cancer = case.cspca.map(|yes| {
        if yes { " · clinically significant cancer" } else { " · no clinically significant cancer" }
    });
    view! {
        <Title text=format!("{} of {dataset}", case.case_id) />
        <div class="page__head">
            <div>
                <p class="breadcrumb">
                    <a href=to("/datasets")>"Data sets"</a>" / "<a href=to(&format!("/datasets/{dataset}"))>{dataset.clone()}</a>
                </p>
                <h1>{case.case_id.clone()}</h1>
                <p class="page__lead">
                    {format!("Patient {} · {} split", case.patient_id, case.split)}
                    {cancer}
                    {synthetic.then(|| view! { " "<span class="tag tag--synthetic">"synthetic: a computed phantom"</span> })}
                </p>
                <p class="page__lead">{grid}</p>
                {distortion.map(|text| view! { <p class="page__lead">{text}</p> })}
            </div>
        </div>
        <SliceViewer detail=detail />
    }
}
