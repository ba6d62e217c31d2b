//! What pages say of manifests and checks: small enough to send, however many cases there are.

use transferscope_domain::{
    Task, TaskKind,
    api::RunView,
    dataset::LeftOut,
    dataset::{
        CaseEntry, Contents, DatasetManifest, Folds, Plan,
        check::{CancerCounts, Finding, Severity, TaskUse},
        contents::CSPCA,
        view::{CheckStatus, Checked},
    },
    metric::Split,
};

/// Cases on a page.
const CASES_PER_PAGE: usize = 50;

/// A data set in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetRow {
    pub name: String,
    pub source: String,
    pub synthetic: bool,
    pub cases: usize,
    pub patients: usize,
    /// Patients by split: train, val, test.
    pub split_patients: [usize; 3],
    /// Cases by channel.
    pub channels: Vec<(String, usize)>,
    /// Each kind of task.
    pub tasks: Vec<KindRow>,
    pub status: CheckStatus,
    pub errors: usize,
    pub warnings: usize,
    pub refused: usize,
    pub runs: u32,
}

/// What of a kind of task a data set can be used for.
#[derive(Debug, Clone, PartialEq)]
pub struct KindRow {
    pub kind: TaskKind,
    /// Of what it can run, by name.
    pub targets: Vec<String>,
    /// Why it cannot run; none where it can.
    pub problem: Option<String>,
}

/// Cases with one and the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub reason: String,
    pub count: usize,
    /// The first few of them.
    pub cases: Vec<String>,
}

/// What a task makes of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    pub task: Task,
    /// Cases that it uses: train, val, test.
    pub used: [usize; 3],
    pub problem: Option<String>,
    pub note: Option<String>,
    pub left_out: Vec<Reason>,
}

/// Cases by class.
pub type Counts = Vec<(String, usize)>;

/// One data set with its check and a page of its cases.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetSummary {
    pub row: DatasetRow,
    /// What its images, masks and labels are.
    pub contents: Contents,
    /// How cases are brought to a network; none for the grids of the study's networks.
    pub plan: Option<Plan>,
    pub hash: String,
    pub split_seed: u64,
    pub shapes: Vec<(String, usize)>,
    pub spacings_mm: Vec<(String, usize)>,
    pub labels: Vec<(String, Vec<u32>)>,
    /// Cases by mask and by who made it, where that is known.
    pub mask_sources: Vec<(String, Vec<(String, usize)>)>,
    /// Cases by what told their patient.
    pub patient_sources: Vec<(String, usize)>,
    /// Clinically significant cancer by split: train, val, test.
    pub cspca: [CancerCounts; 3],
    /// Cases by other labels, split and class.
    pub label_cases: Vec<(String, [Counts; 3])>,
    pub split_hash: String,
    pub folds: Option<Folds>,
    pub tasks: Vec<TaskRow>,
    pub refused: Vec<Reason>,
    /// The first of the findings, errors before warnings.
    pub findings: Vec<Finding>,
    /// Cases of this page, without file names.
    pub cases: Vec<CaseEntry>,
    /// Cases of the chosen split.
    pub matching: usize,
    /// The page that is shown, from 1, and how many there are.
    pub page: usize,
    pub pages: usize,
    /// The latest runs on it.
    pub runs: Vec<RunView>,
}

/// Findings on a page.
pub const FINDINGS_MAX: usize = 100;

/// A data set in the list, with the number of its runs.
pub fn row(manifest: &DatasetManifest, checked: &Checked, runs: Option<u32>) -> DatasetRow {
    let report = &checked.report;
    let count = |severity| report.findings.iter().filter(|f| f.severity == severity).count();
    DatasetRow {
        name: manifest.name.clone(),
        source: manifest.origin(),
        synthetic: manifest.synthetic,
        cases: report.cases,
        patients: report.patients,
        split_patients: report.split_patients,
        channels: in_order(manifest, report.channels.iter().map(|(k, n)| (k.clone(), *n))),
        tasks: kinds(&report.tasks),
        status: checked.status.clone(),
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        refused: report.refused.len(),
        runs: runs.unwrap_or(0),
    }
}

/// Uses by kind of task, in the order of pages.
fn kinds(uses: &[TaskUse]) -> Vec<KindRow> {
    let kind = |kind: TaskKind| {
        let of_kind = || uses.iter().filter(|used| used.task == kind);
        let runs = || of_kind().filter(|used| used.problem.is_none());
        let first = of_kind().next()?;
        Some(KindRow {
            kind,
            targets: runs().filter_map(|used| Some(used.target?.to_string())).collect(),
            problem: first.problem.clone().filter(|_| runs().next().is_none()),
        })
    };
    TaskKind::ALL.into_iter().filter_map(kind).collect()
}

/// Channels in the order in which cases list them: images, then masks.
fn in_order(
    manifest: &DatasetManifest,
    counts: impl Iterator<Item = (String, usize)>,
) -> Vec<(String, usize)> {
    let mut known: Vec<&str> = Vec::new();
    for channel in manifest.cases.iter().flat_map(|c| &c.channels) {
        if !known.contains(&channel.as_str()) {
            known.push(channel);
        }
    }
    let mut counts: Vec<_> = counts.collect();
    counts.sort_by_key(|(name, _)| known.iter().position(|k| k == name));
    counts
}

/// Cases gathered by their reason, the most frequent first.
fn by_reason(left_out: &[LeftOut]) -> Vec<Reason> {
    const SHOWN: usize = 5;
    let mut reasons: Vec<Reason> = Vec::new();
    for LeftOut { case_id, reason } in left_out {
        match reasons.iter().position(|r| r.reason == *reason) {
            Some(at) => {
                let known = &mut reasons[at];
                known.count += 1;
                if known.cases.len() < SHOWN {
                    known.cases.push(case_id.clone());
                }
            }
            // Reasons that name their case are as many as the cases.
            None if reasons.len() == FINDINGS_MAX => {}
            None => {
                reasons.push(Reason { reason: reason.clone(), count: 1, cases: vec![case_id.clone()] });
            }
        }
    }
    reasons.sort_by_key(|r| std::cmp::Reverse(r.count));
    reasons
}

/// Counted values, the most frequent first; the rare ones of a long list are added up.
fn frequent(counts: impl Iterator<Item = (String, usize)>) -> Vec<(String, usize)> {
    const SHOWN: usize = 8;
    let mut counts: Vec<_> = counts.collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let rest: usize = counts.iter().skip(SHOWN).map(|(_, n)| n).sum();
    if rest > 0 {
        let kinds = counts.len() - SHOWN;
        counts.truncate(SHOWN);
        counts.push((format!("{kinds} others"), rest));
    }
    counts
}

fn task_row(used: &TaskUse) -> TaskRow {
    TaskRow {
        task: used.named(),
        used: [used.train, used.val, used.test],
        problem: used.problem.clone(),
        note: used.note.clone(),
        left_out: by_reason(&used.left_out),
    }
}

/// The page of cases that an address asks for; a page beyond the last is the last.
fn page_of(
    manifest: &DatasetManifest,
    split: Option<Split>,
    asked: usize,
) -> (Vec<CaseEntry>, usize, usize, usize) {
    let matching: Vec<&CaseEntry> =
        manifest.cases.iter().filter(|c| split.is_none_or(|s| c.split == s)).collect();
    let pages = matching.len().div_ceil(CASES_PER_PAGE).max(1);
    let page = asked.clamp(1, pages);
    let shown = matching.iter().skip((page - 1) * CASES_PER_PAGE).take(CASES_PER_PAGE);
    let plain =
        |case: &&CaseEntry| CaseEntry { prepared: String::new(), hash: String::new(), ..(*case).clone() };
    (shown.map(plain).collect(), matching.len(), page, pages)
}

/// A data set's page, with the cases of a split and page of the table.
pub fn summary(
    manifest: &DatasetManifest,
    checked: Checked,
    (split, page): (Option<Split>, usize),
    runs: Vec<RunView>,
    count: Option<u32>,
) -> DatasetSummary {
    let row = row(manifest, &checked, count);
    let report = checked.report;
    let (cases, matching, page, pages) = page_of(manifest, split, page);
    let mut findings = report.findings;
    findings.sort_by_key(|f| f.severity);
    findings.truncate(FINDINGS_MAX);
    DatasetSummary {
        row,
        contents: manifest.contents.clone(),
        plan: manifest.plan.clone(),
        hash: manifest.hash.clone(),
        split_seed: manifest.split_seed,
        shapes: frequent(report.shapes.into_iter()),
        spacings_mm: frequent(report.spacings_mm.into_iter()),
        labels: report.labels.into_iter().collect(),
        mask_sources: report.mask_sources.into_iter().map(|(k, v)| (k, frequent(v.into_iter()))).collect(),
        patient_sources: frequent(report.patient_sources.into_iter()),
        cspca: report.cspca,
        label_cases: report
            .label_cases
            .into_iter()
            .filter(|(label, _)| *label != CSPCA)
            .map(|(label, by_split)| {
                (label.to_string(), by_split.map(|classes| classes.into_iter().collect()))
            })
            .collect(),
        split_hash: report.split_hash,
        folds: report.folds,
        tasks: report.tasks.iter().map(task_row).collect(),
        refused: by_reason(&report.refused),
        findings,
        cases,
        matching,
        page,
        pages,
        runs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_gathered_and_rare_values_added_up() {
        let left = |case: usize, reason: &str| LeftOut { case_id: case.to_string(), reason: reason.into() };
        let all: Vec<_> = (0..9).map(|i| left(i, if i == 4 { "b" } else { "a" })).collect();
        let found = by_reason(&all);
        assert_eq!((found[0].reason.as_str(), found[0].count, found[0].cases.len()), ("a", 8, 5));
        assert_eq!((found[1].count, found[1].cases.as_slice()), (1, ["4".to_owned()].as_slice()));

        let counts = frequent((1..=10).map(|n| (format!("{n:02}"), n)));
        assert_eq!(counts[0], ("10".into(), 10));
        assert_eq!(counts.last(), Some(&("2 others".to_owned(), 3)));
    }
}
