//! The path below which people see the site, where a proxy puts it below one, and addresses of this site.
//!
//! It is the same for every page that a server sends, so it is kept once: on the server by whoever starts it, in the
//! browser by the document that came.

#[cfg(feature = "ssr")]
use std::cell::Cell;
use std::sync::OnceLock;

static BASE: OnceLock<String> = OnceLock::new();

#[cfg(feature = "ssr")]
thread_local! {
    static AT_ROOT: Cell<bool> = const { Cell::new(false) };
}

/// Says below which path the site is seen: nothing, or a path that begins with a slash and ends without one. The first
/// word counts.
#[cfg(feature = "ssr")]
pub fn set(base: &str) {
    // A second server in the same process is one of a test, at the root as the first.
    let _first = BASE.set(base.to_owned());
}

/// Does what must not depend on where the site is seen now: documents that are kept, and the list of routes.
#[cfg(feature = "ssr")]
pub fn at_root<T>(make: impl FnOnce() -> T) -> T {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            AT_ROOT.set(self.0);
        }
    }
    let _back = Back(AT_ROOT.replace(true));
    make()
}

/// The path below which the site is seen; empty where it is all of its host.
pub fn base() -> &'static str {
    #[cfg(feature = "ssr")]
    if AT_ROOT.get() {
        return "";
    }
    #[cfg(feature = "ssr")]
    return BASE.get().map_or("", String::as_str);
    #[cfg(not(feature = "ssr"))]
    BASE.get_or_init(|| {
        let root = leptos::prelude::document().document_element();
        root.and_then(|root| root.get_attribute("data-base")).unwrap_or_default()
    })
}

/// Lets the pages' functions ask below the base. Called once, before the page comes to life.
#[cfg(feature = "hydrate")]
pub fn lead_functions_below() {
    // Only a second call could fail, and it would say the same.
    let _once = leptos::server_fn::client::try_set_server_url(base());
}

/// The address of a path of this site, which begins with a slash.
pub fn to(path: &str) -> String {
    [base(), path].concat()
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_does_not_know_the_base() {
        // No other test of this crate looks at addresses below a base.
        assert_eq!(to("/runs"), "/runs");
        assert_eq!(at_root(|| to("/runs")), "/runs");
    }
}
