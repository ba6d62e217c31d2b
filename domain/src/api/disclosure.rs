//! What leaves by a link, and what people see who have not shown who they are: results, but not patients and not the
//! folders of a machine.

use std::collections::{BTreeMap, BTreeSet};

use super::{CompareData, RunView};
use crate::{
    Failure,
    report::{PROBABILITY, TRUTH},
};

impl Failure {
    /// What happened, without where: no file, no folder, no case.
    pub fn in_short(&self) -> Self {
        let message = format!("{}.", self.kind.title());
        Self { kind: self.kind.clone(), message, hint: String::new() }
    }
}

/// Runs with their failures in short.
pub fn in_short(runs: &mut [RunView]) {
    for run in runs {
        run.failure = run.failure.as_ref().map(Failure::in_short);
    }
}

impl CompareData {
    /// The same comparison without patients: cases and patients are numbered, the same in every run; what is known of a
    /// case and what was said of it are left out, and so are pictures. Scores stay: they are the comparison.
    pub fn without_patients(mut self) -> Self {
        let all = || self.cases.iter().flatten();
        let cases = numbered("case", all().map(|c| c.case_id.clone()).collect());
        let patients = numbered("patient", all().map(|c| c.patient_id.clone()).collect());
        let name = |names: &BTreeMap<String, String>, id: &str| names.get(id).cloned().unwrap_or_default();
        for case in self.cases.iter_mut().flatten() {
            case.case_id = name(&cases, &case.case_id);
            case.patient_id = name(&patients, &case.patient_id);
            case.scores.retain(|metric, _| metric != TRUTH && metric != PROBABILITY);
        }
        // The order of a run's cases was that of their names, and still is.
        self.previews.iter_mut().for_each(Vec::clear);
        in_short(&mut self.runs);
        self.numbered = true;
        self
    }
}

/// Names by number, in the order of the ids, with leading zeros so that they sort the same.
fn numbered(what: &str, ids: BTreeSet<String>) -> BTreeMap<String, String> {
    let digits = ids.len().to_string().len();
    ids.into_iter().zip(1..).map(|(id, n)| (id, format!("{what} {n:0digits$}"))).collect()
}

/// A text with absolute paths shortened: those below `folder` to what is below it, others to their last part.
///
/// A path begins with a slash at the start of a word and has a second slash; it ends with its word, or with a later one
/// where words with further slashes follow, as in a folder's name with spaces; between quotes, with the quote.
pub fn without_paths(text: &str, folder: &str) -> String {
    let folder = folder.trim_end_matches('/');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, end)) = next_path(rest) {
        out.push_str(&rest[..start]);
        let path = &rest[start..end];
        match path
            .strip_prefix(folder)
            .and_then(|below| below.strip_prefix('/'))
            .filter(|_| !folder.is_empty())
        {
            Some(below) => out.push_str(below),
            None => {
                out.push_str("…/");
                out.push_str(path.trim_end_matches('/').rsplit('/').next().unwrap_or_default());
            }
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// Where the first absolute path of a text begins and ends.
fn next_path(text: &str) -> Option<(usize, usize)> {
    let opens = |c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '(' | '[' | '{' | '<' | '=' | ':' | ',')
    };
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if c == '/' && opens(before) && !text[at + 1..].starts_with('/') {
            let end = at + end_of_path(&text[at..], before);
            if text[at + 1..end].trim_end_matches('/').contains('/') {
                return Some((at, end));
            }
        }
        before = c;
    }
    None
}

fn end_of_path(path: &str, before: char) -> usize {
    if matches!(before, '"' | '\'' | '`')
        && let Some(end) = path.find(before)
    {
        return end;
    }
    let mut end = 0;
    loop {
        let word = path[end..]
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ')' | ']' | '}' | '>'));
        let stop = word.map_or(path.len(), |n| end + n);
        let next =
            path[stop..].strip_prefix(' ').map(|n| n.split(char::is_whitespace).next().unwrap_or_default());
        match next {
            // `jane doe/x.pth`: the rest of a name with a space.
            Some(next)
                if next.contains('/') && !next.starts_with(['/', '(', '"']) && !next.contains("://") =>
            {
                end = stop + 1;
            }
            _ => {
                let ended = path[..stop].trim_end_matches(['.', ',', ';', ':', '!', '?']);
                return ended.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FailureKind, report::CaseScore};

    #[test]
    fn paths_are_shortened_and_the_rest_of_a_text_stays() {
        let short = |text: &str| without_paths(text, "/srv/data/");
        assert_eq!(short("/home/jane/x.pth: not a file"), "…/x.pth: not a file");
        assert_eq!(
            short("could not write \"/home/jane doe/a b.pth\", disk full"),
            "could not write \"…/a b.pth\", disk full"
        );
        assert_eq!(short("in /home/jane doe/x.pth: no"), "in …/x.pth: no");
        assert_eq!(short("open (/mnt/p/c1/t2w.nii.gz)."), "open (…/t2w.nii.gz).");
        assert_eq!(short("at=/a/b/c,d and /x/y."), "at=…/c,d and …/y.");
        assert_eq!(short("/srv/data/runs/ab/worker.log: full"), "runs/ab/worker.log: full");
        assert_eq!(short("/srv/database/x: full"), "…/x: full");
        for same in [
            "12 steps/s",
            "val/dice is nan",
            "a / b",
            "see https://host/a/b",
            "/ and /x",
            "ratio 1/2/3",
            "",
            "\"/\"",
        ] {
            assert_eq!(short(same), same);
        }
        assert_eq!(without_paths("/a/b", ""), "…/b");
    }

    #[test]
    fn a_comparison_without_patients_still_pairs() {
        let case = |id: &str, patient: &str| CaseScore {
            case_id: id.into(),
            patient_id: patient.into(),
            split: "test".into(),
            scores: [("auroc", 0.5), (TRUTH, 1.0), (PROBABILITY, 0.9)].map(|(k, v)| (k.to_owned(), v)).into(),
        };
        let preview = super::super::PreviewView {
            epoch: 1.0,
            case_id: "Smith".into(),
            file: "smith.png".into(),
            caption: String::new(),
        };
        let data = CompareData {
            cases: vec![
                (0..11).map(|n| case(&format!("Smith-{n:02}"), "MRN-7")).collect(),
                vec![case("Smith-03", "MRN-7")],
            ],
            previews: vec![vec![preview], Vec::new()],
            ..CompareData::default()
        };
        let bare = data.without_patients();
        assert!(bare.numbered);
        assert_eq!(
            (bare.cases[0][3].case_id.as_str(), bare.cases[1][0].case_id.as_str()),
            ("case 04", "case 04")
        );
        assert_eq!(bare.cases[1][0].patient_id, "patient 1");
        assert_eq!(bare.cases[0][0].scores.keys().collect::<Vec<_>>(), ["auroc"]);
        let text = format!("{bare:?}");
        for secret in ["Smith", "MRN", "smith.png", TRUTH] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }

    #[test]
    fn a_failure_in_short_names_no_file() {
        let failure =
            Failure::new(FailureKind::BadData, "/data/x/Smith: empty mask").with_hint("look at /data/x");
        let short = failure.in_short();
        assert_eq!(
            (short.kind.as_str(), short.message.as_str(), short.hint.as_str()),
            ("bad-data", "The data could not be used.", "")
        );
    }
}
