//! Which columns of a table are labels of cases: those of a few classes.

use std::collections::{BTreeMap, BTreeSet};

use transferscope_domain::{Name, dataset::LabelInfo};

use super::Table;

/// A column of more classes is no label: an age, an identifier, a date.
const MAX_CLASSES: usize = 20;

/// A class has this many cases on average, or the column tells cases apart and not kinds of cases.
const CASES_OF_A_CLASS: usize = 3;

/// Columns that say where a case comes from, not what it is.
const ORIGINS: [&str; 9] =
    ["centre", "center", "site", "institution", "hospital", "scanner", "vendor", "study_id", "series"];

/// Cells that say that nothing is known.
const UNKNOWN: [&str; 9] = ["", "unknown", "?", "na", "n/a", "#n/a", "nan", "-", "none"];

/// A column that may be a label.
pub struct Candidate {
    title: String,
    pub column: usize,
    /// By case; not of cases of which it is not known.
    cells: BTreeMap<String, String>,
}

impl Candidate {
    pub fn new(title: &str, column: usize) -> Self {
        Self { title: title.to_owned(), column, cells: BTreeMap::new() }
    }

    pub fn add(&mut self, case: &str, cell: &str) {
        let cell = whole(cell.trim());
        if !UNKNOWN.contains(&cell.to_lowercase().as_str()) {
            self.cells.insert(case.to_owned(), cell);
        }
    }

    /// The label that it is; none where it is none.
    fn label(&self) -> Option<LabelInfo> {
        let classes: BTreeSet<&String> = self.cells.values().collect();
        let name = Name::like(&self.title)?;
        let few = (2..=MAX_CLASSES).contains(&classes.len());
        let enough = self.cells.len() >= CASES_OF_A_CLASS * classes.len();
        if !few || !enough || ORIGINS.contains(&name.as_str()) {
            return None;
        }
        let mut classes: Vec<String> = classes.into_iter().cloned().collect();
        let number = |text: &String| text.parse::<f64>().ok();
        let numbers = classes.iter().all(|class| number(class).is_some());
        if numbers {
            classes.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
        } else if classes.len() == 2 {
            // What is looked for comes second.
            classes.sort_by_key(|class| !is_no(class));
        }
        Some(LabelInfo {
            name,
            about: Some(self.title.clone()),
            ordered: numbers && classes.len() > 2,
            classes,
        })
    }
}

/// A whole number without the decimals that spreadsheets give it.
fn whole(cell: &str) -> String {
    match cell.parse::<f64>() {
        Ok(number) if number.fract() == 0.0 && number.abs() < 1e9 => format!("{number:.0}"),
        _ => cell.to_owned(),
    }
}

/// Puts classes of words in order: of two, the one that is looked for comes second.
pub fn in_order(classes: &mut [String]) {
    classes.sort();
    if classes.len() == 2 {
        classes.sort_by_key(|class| !is_no(class));
    }
}

fn is_no(class: &str) -> bool {
    matches!(
        class.to_lowercase().as_str(),
        "no" | "n"
            | "false"
            | "0"
            | "negative"
            | "neg"
            | "benign"
            | "healthy"
            | "normal"
            | "absent"
            | "control"
    )
}

/// A label with the class of each case.
pub type Classes = (LabelInfo, BTreeMap<String, String>);

/// The columns that are labels, and the titles of the others.
pub fn told(columns: Vec<Candidate>) -> (Vec<Classes>, Vec<String>) {
    let (mut labels, mut left): (Vec<Classes>, _) = (Vec::new(), Vec::new());
    for candidate in columns {
        let taken =
            candidate.label().filter(|label| labels.iter().all(|(other, _)| other.name != label.name));
        match taken {
            Some(label) => labels.push((label, candidate.cells)),
            None => left.push(candidate.title),
        }
    }
    (labels, left)
}

/// Takes the columns that are labels into the table, and notes those that are left alone.
pub(super) fn take(columns: Vec<Candidate>, file: &str, table: &mut Table) {
    let (labels, left) = told(columns);
    for (label, cells) in labels {
        for (case, class) in cells {
            if let Some(row) = table.rows.get_mut(&case) {
                row.labels.insert(label.name, class);
            }
        }
        table.labels.push(label);
    }
    if !left.is_empty() {
        table.notes.push(format!(
            "{file}: columns that are not read: {}; read are case_id, patient_id, split, fold, and labels of 2 to {MAX_CLASSES} classes with {CASES_OF_A_CLASS} cases each or more",
            left.join(", ")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(title: &str, cells: &[&str]) -> Option<LabelInfo> {
        let mut candidate = Candidate::new(title, 0);
        cells.iter().enumerate().for_each(|(i, cell)| candidate.add(&i.to_string(), cell));
        candidate.label()
    }

    #[test]
    fn columns_of_few_classes_are_labels_and_others_are_not() {
        let grade = of("ISUP grade", &["0", "1.0", "2", "0", "1", "2", "0", "2", "1", "n/a"]).unwrap();
        assert_eq!((grade.name.as_str(), grade.ordered), ("isup-grade", true));
        assert_eq!(grade.classes, ["0", "1", "2"]);
        let yes = of("relapse", &["yes", "no", "yes", "no", "no", "yes"]).unwrap();
        assert_eq!((yes.classes, yes.ordered), (vec!["no".to_owned(), "yes".to_owned()], false));
        let kinds = of("histology", &["b", "a", "c", "a", "b", "c", "a", "b", "c"]).unwrap();
        assert!(!kinds.ordered);
        assert_eq!(of("age", &["61", "62", "63", "64", "65", "66"]), None);
        assert_eq!(of("site", &["a", "b", "a", "b", "a", "b"]), None);
        assert_eq!(of("same", &["a", "a", "a", "a"]), None);
    }
}
