//! A table that scrolls by itself, with a caption for those who do not see it.

use leptos::prelude::*;

/// A column's name and whether it holds numbers.
pub type Column = (&'static str, bool);

/// `rows` under `columns`; `caption` says what the table is.
pub fn table<const N: usize>(
    caption: &'static str,
    columns: [Column; N],
    rows: impl IntoView,
) -> impl IntoView {
    let head = columns
        .into_iter()
        .map(|(name, number)| view! { <th scope="col" class:data-table__number=number>{name}</th> })
        .collect_view();
    view! {
        <div class="table-scroll" role="region" aria-label=caption tabindex="0">
            <table class="data-table">
                <caption class="visually-hidden">{caption}</caption>
                <thead>
                    <tr>{head}</tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}
