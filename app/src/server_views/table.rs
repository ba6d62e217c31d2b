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
    table_of(caption, columns, rows)
}

/// The same with any number of columns, whose heads may be more than a name.
pub fn table_of<H: IntoView + 'static>(
    caption: impl Into<String>,
    columns: impl IntoIterator<Item = (H, bool)>,
    rows: impl IntoView,
) -> impl IntoView {
    let caption = caption.into();
    let head = columns
        .into_iter()
        .map(|(head, number)| view! { <th scope="col" class:data-table__number=number>{head}</th> })
        .collect_view();
    view! {
        <div class="table-scroll" role="region" aria-label=caption.clone() tabindex="0">
            <table class="data-table">
                <caption class="visually-hidden">{caption.clone()}</caption>
                <thead>
                    <tr>{head}</tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}
