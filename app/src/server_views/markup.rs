//! Addresses in documents that were made before: only those in tags are changed, never text that looks like one.

use std::borrow::Cow;

/// Attributes that hold an address.
const ADDRESSES: [&str; 4] = ["href", "src", "action", "formaction"];

/// A document with each address on this site, one that begins with a single slash, as `change` makes it of the
/// attribute's name and value: both anew, or as they are.
///
/// Documents are those that our own views made: attributes stand in double quotes, `<` in a text is an entity, and a
/// comment, a script or a style ends as HTML says.
pub fn with_addresses(html: &str, change: impl Fn(&str, &str) -> Option<(String, String)>) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at(at);
        out.push_str(text);
        let end = if tag.starts_with("<!--") { tag.find("-->").map(|n| n + 3) } else { end_of_tag(tag) };
        let (tag, after) = tag.split_at(end.unwrap_or(tag.len()));
        out.push_str(&changed(tag, &change));
        let raw = ["script", "style"]
            .into_iter()
            .find(|name| tag[1..].strip_prefix(name).is_some_and(|t| t.starts_with([' ', '>'])));
        let body = raw.and_then(|name| after.find(&format!("</{name}"))).unwrap_or(0);
        out.push_str(&after[..body]);
        rest = &after[body..];
    }
    out.push_str(rest);
    out
}

/// Where a tag ends: the first `>` outside of quotes.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut quoted = false;
    tag.bytes()
        .position(|b| {
            quoted ^= b == b'"';
            b == b'>' && !quoted
        })
        .map(|n| n + 1)
}

fn changed<'a>(tag: &'a str, change: &impl Fn(&str, &str) -> Option<(String, String)>) -> Cow<'a, str> {
    if tag.starts_with("<!") || tag.starts_with("</") {
        return Cow::Borrowed(tag);
    }
    let mut out = String::with_capacity(tag.len());
    let mut rest = tag;
    // An attribute: its name up to `="`, its value up to the next quote.
    while let Some((before, after)) = rest.split_once("=\"") {
        let Some((value, after)) = after.split_once('"') else { break };
        let name = before.rsplit([' ', '\n', '\t']).next().unwrap_or_default();
        let ours = ADDRESSES.contains(&name) && value.starts_with('/') && !value.starts_with("//");
        let new = ours.then(|| change(name, value)).flatten();
        let (name, value) = new.unwrap_or_else(|| (name.to_owned(), value.to_owned()));
        let kept = before.len() - before.rsplit([' ', '\n', '\t']).next().unwrap_or_default().len();
        out.push_str(&before[..kept]);
        out.push_str(&name);
        out.push_str("=\"");
        out.push_str(&value);
        out.push('"');
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(html: &str) -> String {
        with_addresses(html, |name, value| Some((name.to_owned(), format!("/ts{value}"))))
    }

    #[test]
    fn addresses_in_tags_change_and_texts_stay() {
        let html = "<!DOCTYPE html><p title=\"a > href=/x\">see href=\"/x\" &lt;a href=\"/y\"></p><a class=\"b\" href=\"/runs\">x</a>";
        let expected = html.replace("href=\"/runs\"", "href=\"/ts/runs\"");
        assert_eq!(below(html), expected);
        for same in [
            "<a href=\"https://a/\">",
            "<a href=\"//evil\">",
            "<a href=\"#x\" data-href=\"/x\">",
            "<!-- <a href=\"/x\"> -->",
            "<script type=\"application/json\">\"<a href=\\\"/x\\\">\" href=\"/x\"</script>",
            "<style>a[href=\"/x\"]{}</style>",
            "<a href=\"/x",
            "a < b",
        ] {
            assert_eq!(below(same), same);
        }
        assert_eq!(
            below("<form method=\"post\" action=\"/a\"><img src=\"/b\">"),
            "<form method=\"post\" action=\"/ts/a\"><img src=\"/ts/b\">"
        );
    }
}
