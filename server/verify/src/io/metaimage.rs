//! What ITK says about a MetaImage.

use std::path::Path;

use transferscope_imaging::data::read::metaimage;

use super::{
    itk,
    subject::{EXPECTED, GEOMETRY, NOTES, Subject},
};
use crate::{Cases, Problem, Tolerance};

/// Compares every key.
pub fn compare(subject: &Subject, path: &Path, cases: &mut Cases) -> Result<(), Problem> {
    let header = metaimage::header(path).map_err(Problem::new)?;
    let geometry = subject.geometry();
    for (key, theirs) in subject.about {
        match key.as_str() {
            "size_xyz" => subject.compare(cases, key, &subject.size_xyz(), theirs, Tolerance::EXACT)?,
            "pixel_type" => {
                let element = metaimage::element(&header).map_err(Problem::new)?;
                subject.word(cases, key, itk::pixel_type(element), theirs);
            }
            "spacing" => subject.compare(cases, key, &itk::spacing(geometry), theirs, GEOMETRY)?,
            "origin_lps" => subject.compare(cases, key, &geometry.origin(), theirs, GEOMETRY)?,
            "direction_lps" => {
                subject.compare(cases, key, itk::direction(geometry).as_flattened(), theirs, GEOMETRY)?;
            }
            "min" | "max" | "sum" => subject.statistic(cases, key, theirs)?,
            "header_lines" => {
                let lines = theirs.as_array().ok_or_else(|| Problem::new("header_lines is no list"))?;
                for line in lines {
                    let (name, value) = line
                        .as_str()
                        .and_then(|line| line.split_once('='))
                        .ok_or_else(|| Problem::new(format!("{line} is no line of a header")))?;
                    let ours = header.get(&[name.trim()]);
                    let differs =
                        (ours != Some(value.trim())).then(|| format!("{ours:?} here, {line} in the file"));
                    cases.equal(EXPECTED, &format!("{}.{}", subject.name, name.trim()), differs);
                }
            }
            key if NOTES.contains(&key) => {}
            key => cases.equal(
                EXPECTED,
                &format!("{}.{key}", subject.name),
                Some("no check looks at this key".into()),
            ),
        }
    }
    Ok(())
}
