//! What a reader chose on a page's charts: kept in the page's query, so that a link carries it.

use std::collections::BTreeMap;

use leptos::prelude::*;
use leptos_router::{
    NavigateOptions,
    hooks::{use_location, use_navigate},
};

use super::ChartOptions;
use crate::address::pairs;

/// The choices of a page, read from its query over what a share stored.
#[derive(Clone, Copy)]
pub struct ViewState {
    /// All choices, by query key.
    pub view: Memo<BTreeMap<String, String>>,
    set: StoredValue<Setter>,
}

/// Writes one choice: key and value.
type Setter = Box<dyn Fn(&str, &str) + Send + Sync>;

/// Query keys that belong to charts.
pub const KEYS: [&str; 8] = ["metric", "x", "log", "seeds", "smooth", "hide", "a", "b"];

/// The query after one choice, everything else as it was; an empty query is an empty text.
pub fn changed(search: &str, key: &str, value: &str) -> String {
    let mut all = pairs(search);
    match all.iter_mut().find(|(k, _)| k == key) {
        Some((_, old)) => value.clone_into(old),
        None => all.push((key.to_owned(), value.to_owned())),
    }
    match serde_urlencoded::to_string(all) {
        // Commas are plain in a query, and ids in lists stay readable.
        Ok(text) if !text.is_empty() => format!("?{}", text.replace("%2C", ",").replace("%2F", "/")),
        _ => String::new(),
    }
}

impl ViewState {
    /// The page's choices over `base`.
    pub fn new(base: BTreeMap<String, String>) -> Self {
        let location = use_location();
        let navigate = use_navigate();
        let search = location.search;
        let view = Memo::new(move |_| {
            let mut view = base.clone();
            let own = pairs(&search.get());
            view.extend(own.into_iter().filter(|(k, _)| KEYS.contains(&k.as_str())));
            view
        });
        let pathname = location.pathname;
        let set = move |key: &str, value: &str| {
            let query = changed(&search.get_untracked(), key, value);
            let options = NavigateOptions {
                resolve: false,
                replace: true,
                scroll: false,
                ..NavigateOptions::default()
            };
            navigate(&format!("{}{query}", pathname.get_untracked()), options);
        };
        Self { view, set: StoredValue::new(Box::new(set)) }
    }

    /// Writes one choice to the query, in place of the current entry of the history.
    pub fn set(&self, key: &str, value: &str) {
        self.set.with_value(|set| set(key, value));
    }

    /// One choice; empty where none was made.
    pub fn get(&self, key: &str) -> String {
        self.view.with(|v| v.get(key).cloned().unwrap_or_default())
    }

    /// The choices as options of a picture.
    pub fn options(&self) -> Signal<ChartOptions> {
        let view = self.view;
        Memo::new(move |_| view.with(|v| ChartOptions::from_pairs(v.iter()))).into()
    }

    /// Switches a legend entry on or off.
    pub fn toggle(&self, key: &str) {
        let mut hidden = self.view.with_untracked(|v| ChartOptions::from_pairs(v.iter())).hidden;
        match hidden.iter().position(|h| h == key) {
            Some(at) => drop(hidden.remove(at)),
            None => hidden.push(key.to_owned()),
        }
        self.set("hide", &hidden.join(","));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_choice_changes_and_the_rest_stays() {
        assert_eq!(changed("", "x", "step"), "?x=step");
        assert_eq!(changed("?runs=a1,b2&x=step", "x", "time"), "?runs=a1,b2&x=time");
        assert_eq!(changed("runs=a%26b", "metric", "val/dice"), "?runs=a%26b&metric=val/dice");
    }
}
