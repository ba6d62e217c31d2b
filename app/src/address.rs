//! What the address of the page that is shown says, each part decoded once.
//!
//! The router's own maps decode every value twice, so that a name with a percent sign and two hexadecimal digits comes
//! out as another name. They are good for knowing *that* something has changed.

use leptos::prelude::*;
use leptos_router::hooks::{use_location, use_params_map};

use crate::base::base;

/// Part `n` of the path, counted from 0 below the base; empty where there is none.
pub fn use_path_part(n: usize) -> Memo<String> {
    let (path, params) = (use_location().pathname, use_params_map());
    Memo::new(move |_| {
        // The path changes before the page does: only the page's own parameters say that it is for this page.
        params.track();
        path.with_untracked(|path| part(path, n))
    })
}

/// The fields of the query in their order.
pub fn use_query_pairs() -> Memo<Vec<(String, String)>> {
    let search = use_location().search;
    Memo::new(move |_| search.with(|search| pairs(search)))
}

/// The fields of a query.
pub fn pairs(search: &str) -> Vec<(String, String)> {
    serde_urlencoded::from_str(search.trim_start_matches('?')).unwrap_or_default()
}

fn part(path: &str, n: usize) -> String {
    let below = path.strip_prefix(base()).unwrap_or(path);
    below.split('/').filter(|part| !part.is_empty()).nth(n).map(decoded).unwrap_or_default()
}

/// A part of a path as text: percent codes become bytes, and what is no UTF-8 then a sign for it.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::path_part;

    #[test]
    fn a_part_of_a_path_is_decoded_once() {
        for name in ["plain", "100%25 & <b>x", "a/b", "%", "%2", "%zz", "ü😀", "a b+c", "#?\"'", "%2525"] {
            assert_eq!(part(&format!("/datasets/d/{}", path_part(name)), 2), name, "{name}");
        }
        assert_eq!(part("/datasets/d/100%", 2), "100%");
        assert_eq!(part("/datasets/d/%ff", 2), "\u{fffd}");
        assert_eq!(part("/datasets", 1), "");
        assert_eq!(
            pairs("?name=50%2525&x=a+b"),
            [("name".into(), "50%25".into()), ("x".into(), "a b".into())]
        );
    }
}
