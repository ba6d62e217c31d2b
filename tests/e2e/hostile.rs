//! Text that wants to be a program, in every field that a person, a specification, a data set or a checkpoint can bring:
//! on every page it is text, nothing of it runs, and the pages' policy has nothing to complain of.

use std::{fmt::Write, path::Path};

use serde_json::{Value, json};
use transferscope_tests::{TestServer, call_ok};

use super::{Browser, Driver, site};

/// Ends whatever it gets into, and marks the window if it runs. `{}` says where it came from.
fn hostile(field: &str) -> String {
    format!(
        "{field}</title></script>--><img src=x onerror=\"owned='{field}'\">\"'><script>owned='{field}'</script>"
    )
}

/// The same without what a folder's name cannot have.
fn hostile_name(field: &str) -> String {
    format!("{field} \"'><img src=x onerror=owned='{field}'> & #? 100%25 😀")
}

/// A NIfTI file of 16 x 64 x 64 voxels with a bright block, or a mask of it.
fn nifti(path: &Path, block: f32) {
    let [nx, ny, nz] = [64usize, 64, 16];
    let mut header = vec![0u8; 352];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348i32.to_le_bytes());
    for (i, n) in [3i16, 64, 64, 16, 1, 1, 1, 1].into_iter().enumerate() {
        put(40 + 2 * i, &n.to_le_bytes());
    }
    put(70, &16i16.to_le_bytes());
    put(72, &32i16.to_le_bytes());
    for (i, mm) in [1.0f32, 1.0, 1.0, 3.0, 1.0, 1.0, 1.0, 1.0].into_iter().enumerate() {
        put(76 + 4 * i, &mm.to_le_bytes());
    }
    put(108, &352f32.to_le_bytes());
    put(112, &1f32.to_le_bytes());
    put(254, &1i16.to_le_bytes());
    let rows = [[1.0f32, 0.0, 0.0, -32.0], [0.0, 1.0, 0.0, -32.0], [0.0, 0.0, 3.0, -24.0]];
    for (i, value) in rows.concat().into_iter().enumerate() {
        put(280 + 4 * i, &value.to_le_bytes());
    }
    put(344, b"n+1\0");
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                let inside = [x, y].iter().all(|v| (16..48).contains(v)) && (4..12).contains(&z);
                let texture = ((x * 7 + y * 13 + z * 29) % 17) as f32;
                let value = if block < 3.0 {
                    if inside { block } else { 0.0 }
                } else {
                    texture + if inside { block } else { 10.0 }
                };
                header.extend(value.to_le_bytes());
            }
        }
    }
    std::fs::write(path, header).expect("a file is written");
}

/// A data set whose cases and patients are called so.
fn add_dataset(data: &Path, folder: &Path) -> Vec<String> {
    let mut table = String::from("case_id,patient_id,cspca\n");
    let mut names = Vec::new();
    for n in 0..6 {
        let (case, patient) = (hostile_name(&format!("case{n}")), hostile(&format!("patient{n}")));
        let at = folder.join(&case);
        std::fs::create_dir_all(&at).expect("a folder is made");
        for (image, block) in [("t2w", 100.0), ("adc", 60.0), ("hbv", 140.0)] {
            nifti(&at.join(format!("{image}.nii")), block + n as f32);
        }
        nifti(&at.join("gland.nii"), 1.0);
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        writeln!(table, "{},{},{}", quoted(&case), quoted(&patient), n % 2).expect("a text grows");
        names.push(case);
    }
    std::fs::write(folder.join("cases.csv"), table).expect("a table is written");
    let folder = folder.display().to_string();
    call_ok(data, &["dataset", "add", &folder, "--name", "hostile"]);
    names
}

fn add_backbone(data: &Path, folder: &Path) {
    let shipped =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/ml/backbones/provicnet-mini.safetensors");
    let file = folder.join(format!("{}.safetensors", hostile_name("file")));
    std::fs::copy(shipped, &file).expect("the shipped weights");
    let (file, source, licence, note) =
        (file.display().to_string(), hostile("source"), hostile("licence"), hostile("note"));
    let add = [
        "backbone",
        "add",
        &file,
        "--name",
        "hostile",
        "--source",
        &source,
        "--licence",
        &licence,
        "--note",
        &note,
    ];
    call_ok(data, &add);
}

impl Browser {
    /// Opens a page and sees that nothing on it has run and nothing was refused.
    async fn look(&self, url: &str, shown: &[&str]) {
        self.open(url).await;
        self.until("the page is there", 20, "document.querySelector('main, body > *')").await;
        for text in shown {
            let literal = serde_json::to_string(text).expect("a text");
            self.until(
                &format!("{text} as text"),
                20,
                &format!("document.documentElement.textContent.includes({literal})"),
            )
            .await;
        }
        // What is loaded late has its chance.
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        let owned = self.js("return window.owned || '';").await;
        assert_eq!(owned, "", "text from {owned} ran on {url}");
        let complaints: Vec<String> = self
            .complaints()
            .await
            .into_iter()
            // Pages that are not there, and questions that make no sense, are asked for on purpose.
            .filter(|c| !c.contains("status of 4"))
            .collect();
        assert!(complaints.is_empty(), "the console complains on {url}: {complaints:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_is_text_everywhere() {
    let Some(site) = site() else { return };
    let site = site.display().to_string();
    let server = TestServer::start_with(&["--site-dir", &site]).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let images = folder.path().join(hostile_name("folder"));
    let cases = add_dataset(&server.data, &images);
    add_backbone(&server.data, folder.path());
    let (experiment, other) = (hostile("experiment"), hostile("other"));
    let spec = |name: &str| {
        json!({
            "name": name, "backbones": ["hostile"], "tasks": ["super-resolution"], "arms": ["pretrained", "scratch"],
            "dataset": "hostile", "seeds": [0], "epochs": 1, "overrides": {"batch_size": 2, "samples_per_case": 1},
        })
    };
    let first = server.submit(spec(&experiment)).await;
    for run in &first.runs {
        server
            .wait_for(&run.id, transferscope_tests::RUN_PATIENCE, "ended", |r| r.run.state.is_final())
            .await;
    }
    let second = server.submit(spec(&other)).await;
    let (status, _) = server.post(&format!("/api/v1/experiments/{}/cancel", second.id), &Value::Null).await;
    assert_eq!(status, 200);
    // A failure in the words of a file's name.
    let prepared = std::fs::read_dir(server.data.join("datasets/hostile/prepared")).expect("prepared cases");
    let whole: Vec<_> = prepared
        .flatten()
        .map(|file| (file.path(), std::fs::read(file.path()).expect("a prepared case")))
        .collect();
    for (path, _) in &whole {
        std::fs::write(path, b"cut off").expect("a file is damaged");
    }
    let third = server.submit(spec(&hostile("third"))).await;
    for run in &third.runs {
        server
            .wait_for(&run.id, transferscope_tests::RUN_PATIENCE, "ended", |r| r.run.state.is_final())
            .await;
    }
    for (path, bytes) in &whole {
        std::fs::write(path, bytes).expect("a file is whole again");
    }
    let scored: transferscope_domain::api::CaseScores =
        server.get(&format!("/api/v1/runs/{}/cases", first.runs[0].id)).await;
    let tested = scored.cases.iter().find(|c| c.split == "test").expect("a test case").case_id.clone();
    assert!(cases.contains(&tested), "{tested}");
    let ids = |runs: &[transferscope_domain::api::CreatedRun]| {
        runs.iter().map(|r| r.id.to_string()).collect::<Vec<_>>().join(",")
    };
    let share = async |body: Value| {
        let (status, made) = server.post("/api/v1/shares", &body).await;
        assert_eq!(status, 201, "{made}");
        made["slug"].as_str().expect("a link").to_owned()
    };
    let runs: Vec<&str> = first.runs.iter().map(|r| r.id.as_str()).collect();
    let view = json!({"metric": hostile("metric"), "hide": hostile("hide")});
    let frozen = share(json!({"runs": runs, "frozen": true, "include_patients": true, "view": view})).await;
    let live = share(json!({"runs": runs, "frozen": false, "view": view})).await;
    let (_, snapshot) = server.post("/api/v1/snapshots", &json!({"experiments": [first.id]})).await;
    let (_, both) = server.post("/api/v1/snapshots", &json!({"experiments": [first.id, second.id]})).await;
    let slug = |made: &Value| made["slug"].as_str().expect("a link").to_owned();
    let part = |name: &str| {
        name.bytes().fold(String::new(), |mut text, b| {
            write!(text, "%{b:02X}").expect("a text grows");
            text
        })
    };

    let driver = Driver::start();
    let browser = driver.browser(1280, false).await;
    let no_text: &[&str] = &[];
    let (named, case) = (&[experiment.as_str()][..], [tested.as_str()]);
    let (patient, note) = (hostile("patient0"), [hostile("note"), hostile("licence"), hostile("source")]);
    let notes: Vec<&str> = note.iter().map(String::as_str).collect();
    let pages = [
        ("/".to_owned(), no_text),
        ("/new".into(), no_text),
        (format!("/new?name={}&checked=1&tasks={}", part(&hostile("name")), part(&hostile("task"))), no_text),
        ("/runs".into(), named),
        (format!("/runs?experiment={}", first.id), named),
        (format!("/runs?dataset={}&backbone={}", part(&hostile("query")), part(&hostile("query"))), no_text),
        (format!("/runs/{}", first.runs[0].id), no_text),
        (format!("/runs/{}", third.runs[0].id), no_text),
        ("/queue".into(), no_text),
        ("/experiments".into(), named),
        (format!("/experiments/{}", first.id), named),
        (format!("/experiments/{}", third.id), no_text),
        (format!("/experiments/compare?id={}&id={}", first.id, second.id), named),
        (format!("/compare?runs={}&metric={}", ids(&first.runs), part(&hostile("metric"))), no_text),
        (format!("/s/{frozen}"), &case[..]),
        (format!("/s/{live}"), no_text),
        (format!("/s/{}", slug(&snapshot)), named),
        (format!("/s/{}", slug(&both)), named),
        ("/backbones".into(), no_text),
        ("/backbones/hostile".into(), &notes[..]),
        ("/datasets".into(), no_text),
        ("/datasets/hostile".into(), &[cases[0].as_str(), patient.as_str()][..]),
        (format!("/datasets/hostile/{}", part(&cases[0])), &[cases[0].as_str(), patient.as_str()][..]),
        (format!("/nowhere/{}", part(&hostile("path"))), no_text),
        (format!("/runs/{}", part(&hostile("id"))), no_text),
        (format!("/?task={}&metric={}", part(&hostile("task")), part(&hostile("metric"))), no_text),
    ];
    for (path, shown) in &pages {
        browser.look(&format!("{}{path}", server.url), shown).await;
    }
    let title = browser.js("return document.title;").await;
    assert!(!title.as_str().unwrap_or_default().is_empty());
    browser.look(&format!("{}/experiments/{}", server.url, first.id), named).await;
    let title = browser.js("return document.title;").await;
    assert_eq!(
        title.as_str(),
        Some(format!("{experiment} · Transferscope").as_str()),
        "the title as it was given"
    );

    // The link to a case with signs of an address in its name leads to it, clicked and loaded anew.
    browser.open(&format!("{}/datasets/hostile", server.url)).await;
    browser.until("the cases", 20, "document.querySelectorAll('#cases tbody tr').length === 6").await;
    let name = browser.js("return document.querySelector('#cases tbody th a').textContent;").await;
    assert!(name.as_str().is_some_and(|name| cases.iter().any(|case| case == name)), "{name}");
    browser.js("document.querySelector('#cases tbody th a').click(); return 0;").await;
    let heading = name.to_string();
    for _ in 0..2 {
        browser
            .until(
                "the case's page",
                20,
                &format!(
                    "document.querySelector('h1') && document.querySelector('h1').textContent === {heading}"
                ),
            )
            .await;
        browser.until("its slices", 30, "document.querySelectorAll('.slice-sheet').length >= 3").await;
        browser.js("location.reload(); return 0;").await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    browser.assert_quiet("the case").await;

    // Files that leave open from a disk.
    for slug in [frozen, slug(&snapshot), slug(&both)] {
        let (status, html) = server.get_raw(&format!("/s/{slug}/export.html")).await;
        assert_eq!(status, 200);
        let file = folder.path().join(format!("{slug}.html"));
        std::fs::write(&file, html).expect("a file is written");
        browser.look(&format!("file://{}", file.display()), no_text).await;
    }

    // The net below: markup that gets into a page by a mistake of ours does not run there, and the browser says so.
    browser.open(&server.url).await;
    browser
        .js("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"owned=1\">'); return 0;")
        .await;
    browser.js("const s = document.createElement('script'); s.textContent = 'owned=2'; document.body.append(s); return 0;").await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(browser.js("return window.owned || '';").await, "", "the policy holds");
    let complaints = browser.complaints().await;
    assert!(complaints.iter().any(|c| c.contains("Content Security Policy")), "{complaints:?}");
    browser.quit().await;
}
