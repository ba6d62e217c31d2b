//! Pictures of a run: input, target, prediction and error of fixed cases.

use std::path::Path;

use transferscope_domain::event::EventBody;

use crate::{
    observer::{Observer, emit, written},
    outcome::RunError,
    preview::{Panel, Picture, PreviewError, restoration_strip, segmentation_strip, strip},
    train::{
        batch::HostBatch,
        evaluate::Prediction,
        example::{Example, Target},
    },
};

/// Values of a normalised image that are shown as black and white.
const NORMALISED: [f32; 2] = [-1.5, 3.0];

/// What a network says of a case with a label.
fn said_of(truth: u8, probabilities: &[f64], classes: &[String]) -> String {
    let name = |class: usize| classes.get(class).map_or("?", String::as_str);
    let class = usize::from(truth);
    let p = probabilities.get(class).copied().unwrap_or(0.0);
    format!("it is {:?}, of which the probability is {p:.2}", name(class))
}

/// Writes `previews/CASE-epoch-E.png` of the slice that shows most, and says so. `classes` are those of a label.
///
/// # Errors
/// When the picture or the event cannot be written.
pub fn write(
    run_dir: &Path,
    (example, classes): (&Example, &[String]),
    prediction: &Prediction,
    step: u64,
    epoch: f64,
    observer: &dyn Observer,
) -> Result<(), RunError> {
    let [d, h, w] = example.shape;
    let z = telling_slice(example);
    let part = z * h * w..(z + 1) * h * w;
    let shown = &example.display[part.clone()];
    let mut note = example.note.clone();
    let (picture, caption) = match (&example.target, prediction) {
        (Target::Labels(truth), Prediction::Labels(labels)) => {
            let strip = segmentation_strip([h, w], shown, [0.0, 1.0], &truth[part.clone()], &labels[part]);
            (strip, "input, target, prediction, where they differ")
        }
        (Target::Image { sharp, .. }, Prediction::Image(image)) => {
            let strip = restoration_strip([h, w], shown, &sharp[part.clone()], &image[part], [0.0, 1.0]);
            (strip, "input, target, prediction, absolute error")
        }
        (Target::Label(truth), Prediction::Probabilities(all)) => {
            let inputs = example.inputs.iter().map(|image| &image[part.clone()]);
            let panels: Vec<_> = inputs.map(|pixels| Panel::Grey { pixels, range: NORMALISED }).collect();
            note = Some(said_of(*truth, all, classes));
            (strip([h, w], &panels), "input images")
        }
        _ => unreachable!("a prediction is of its target's kind"),
    };
    let file = format!("{}-epoch-{:04}.png", in_a_file_name(&example.case_id), epoch.round());
    save(picture, run_dir, &file, observer)?;
    let note = note.map(|n| format!(" ({n})")).unwrap_or_default();
    let caption = format!("{}, slice {} of {d}: {caption}{note}", example.case_id, z + 1);
    emit(observer, EventBody::Preview { step, epoch, case_id: example.case_id.clone(), file, caption })
}

/// A case in a file's name: letters, digits, dashes and underscores as they are, at most 64 of them. Where that is not
/// all of it, a part of its hash tells it from others.
fn in_a_file_name(case_id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if case_id.len() <= 64 && !case_id.is_empty() && case_id.chars().all(plain) {
        return case_id.to_owned();
    }
    let short: String = case_id.chars().take(64).map(|c| if plain(c) { c } else { '_' }).collect();
    format!("{short}-{}", &blake3::hash(case_id.as_bytes()).to_hex()[..8])
}

/// Training samples in one picture at most.
const SAMPLES: usize = 6;

/// Writes `previews/training-samples-epoch-0000.png`: the first samples of a training as the network sees them.
///
/// # Errors
/// As [`write`].
pub fn samples(run_dir: &Path, batch: &HostBatch, observer: &dyn Observer) -> Result<(), RunError> {
    let shown: Vec<_> = (0..SAMPLES).map_while(|i| batch.slice(i)).collect();
    let Some((_, size)) = shown.first() else { return Ok(()) };
    let panels: Vec<_> = shown.iter().map(|(pixels, _)| Panel::Grey { pixels, range: NORMALISED }).collect();
    let file = "training-samples-epoch-0000.png".to_owned();
    save(strip(*size, &panels), run_dir, &file, observer)?;
    let caption = format!(
        "the first {} samples of the training, augmented: middle slice of the first image",
        shown.len()
    );
    let case_id = "training samples".into();
    emit(observer, EventBody::Preview { step: 0, epoch: 0.0, case_id, file, caption })
}

/// Writes a picture into `previews/`; waits for room where the disk is full.
pub(crate) fn save(
    picture: Result<Picture, PreviewError>,
    run_dir: &Path,
    file: &str,
    observer: &dyn Observer,
) -> Result<(), RunError> {
    let what = "a preview";
    let picture = picture.map_err(|e| RunError::Internal(format!("{what} could not be made: {e}")))?;
    let path = run_dir.join("previews").join(file);
    written(observer, what, || {
        picture.write(&path).map_err(|error| match error {
            // Its kind says whether there is room.
            PreviewError::Write { source, .. } => source,
            other => std::io::Error::other(other),
        })
    })
}

/// The slice with most foreground, or the middle one.
fn telling_slice(example: &Example) -> usize {
    let [d, h, w] = example.shape;
    match &example.target {
        Target::Labels(labels) => {
            let area = |z: &usize| labels[z * h * w..(z + 1) * h * w].iter().filter(|l| **l > 0).count();
            (0..d).max_by_key(area).unwrap_or(d / 2)
        }
        Target::Image { .. } | Target::Label(_) => d / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_of_any_name_has_a_file_of_its_own() {
        assert_eq!(in_a_file_name("phantom-0001"), "phantom-0001");
        let odd = ["../../x", "a/b", "a b", "Müller", "", ".hidden", &"x".repeat(300), "100%25"];
        let names: std::collections::BTreeSet<String> = odd.iter().map(|name| in_a_file_name(name)).collect();
        assert_eq!(names.len(), odd.len());
        for name in names {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            assert!(name.len() < 80 && name.chars().all(plain), "{name}");
        }
    }
}
