//! One case of a data set: its slices, and what is known of them.

use leptos::prelude::*;
use leptos_meta::Title;
use transferscope_domain::dataset::{CaseEntry, LabelInfo, view::CaseDetail};

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

/// What a label says of a case, in words; none where it is not known.
fn known(label: &LabelInfo, case: &CaseEntry) -> Option<String> {
    let class = case.label(&label.name)?;
    Some(match (&label.about, class) {
        (Some(about), "yes") => format!(" · {about}"),
        (Some(about), "no") => format!(" · no {about}"),
        (Some(about), class) => format!(" · {about}: {class}"),
        (None, class) => format!(" · {}: {class}", label.name),
    })
}

#[component]
fn CaseView(detail: CaseDetail) -> impl IntoView {
    let CaseDetail { dataset, synthetic, case, contents, distortion, .. } = detail.clone();
    let [d, h, w] = case.shape;
    let [sd, sh, sw] = case.spacing_mm.map(|s| format::number(s, 2));
    let grid = format!("{d} × {h} × {w} voxels of {sd} × {sh} × {sw} mm (slices × rows × columns)");
    let labels = contents.labels.iter().filter_map(|label| known(label, &case)).collect_view();
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
                    {labels}
                    {synthetic.then(|| view! { " "<span class="tag tag--synthetic">"synthetic: a computed phantom"</span> })}
                </p>
                <p class="page__lead">{grid}</p>
                {distortion.map(|text| view! { <p class="page__lead">{text}</p> })}
            </div>
        </div>
        <SliceViewer detail=detail />
    }
}
