//! What comes from people, files and data sets is text on every page.

use std::path::Path;

use super::*;

/// Ends an element, an attribute, a comment and a script, whatever it gets into.
const HOSTILE: &str =
    "</title></script>--><img src=x onerror=alert(1)>\"'><script>alert(1)</script>=HYPERLINK(1)";

#[tokio::test]
async fn names_that_are_markup_stay_text() {
    let app = TestApp::new().await;
    let mut body = spec(&[0]);
    body["name"] = HOSTILE.into();
    let created = app.post_json("/api/v1/experiments", body.to_string()).await.json();
    let id = created["id"].as_str().unwrap();
    let frozen = app.post_form("/experiments/freeze", &format!("id={id}")).await;
    let frozen = frozen.header(header::LOCATION).to_owned();
    let run = created["runs"][0]["id"].as_str().unwrap();
    let paths = [
        format!("/experiments/{id}"),
        "/experiments".into(),
        format!("/runs?experiment={id}"),
        format!("/runs/{run}"),
        "/queue".into(),
        "/".into(),
        format!("{frozen}/export.html"),
        frozen,
    ];
    for path in paths {
        let page = app.get(&path).await.text();
        for markup in ["<img src=x", "<script>alert", "</title></script>"] {
            assert!(!page.contains(markup), "{path}: {markup}");
        }
        let head = page.split_once("</head>").unwrap().0;
        assert_eq!(head.matches("<title>").count(), 1, "{path}: {head}");
    }
    let page = app.get(&format!("/experiments/{id}")).await.text();
    assert!(page.contains("<title>&lt;/title&gt;&lt;/script&gt;"), "{page}");
    let toml = app.get(&format!("/experiments/{id}/export/repeat.toml")).await.text();
    let again: toml::Table = toml.parse().unwrap();
    assert_eq!(again["name"].as_str(), Some(HOSTILE));
}

/// Titles are written into documents by the frame alone, which makes HTML of them.
#[test]
fn no_page_formats_its_own_title() {
    let mut found = Vec::new();
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("../app/src");
    assert!(app.join("lib.rs").is_file());
    sources(&app, &mut |path, text| {
        let own = text.contains("formatter=") && !path.ends_with("app/src/lib.rs");
        let raw = text.contains("<title inner_html") || text.contains("TitleContext");
        if own || raw {
            found.push(path.to_owned());
        }
    });
    assert!(found.is_empty(), "{found:?}");
}

/// Every address of this site goes through `base::to`, or it leads outside where the site lies below a path.
#[test]
fn no_page_writes_addresses_without_the_base() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../app/src"), &mut |path, text| {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines().filter(|l| !l.trim_start().starts_with("//")) {
            if [
                "href=\"/",
                "src=\"/",
                "action=\"/",
                "href=format!(\"/",
                "action=format!(\"/",
                "src=format!(\"/",
                "href = format!(\"/",
            ]
            .iter()
            .any(|raw| line.contains(raw))
            {
                found.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    });
    assert!(found.is_empty(), "{found:#?}");
}

fn sources(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, look);
        } else if path.extension().is_some_and(|e| e == "rs") {
            look(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}
