//! What one case's images and masks tell.

use std::collections::BTreeSet;

use transferscope_domain::dataset::{
    CaseEntry, Contents, MaskInfo,
    check::{CheckReport, Severity},
};

use crate::data::{Volume, case::Case, mask_place};

/// Adds what is found.
pub fn check(case: &Case, entry: &CaseEntry, contents: &Contents, report: &mut CheckReport) {
    let mut found = Vec::new();
    geometry(case, contents, &mut found);
    images(case, contents, &mut found);
    contents.masks.iter().for_each(|info| mask(case, info, contents, &mut found));
    displaced(case, entry, contents, &mut found);
    anatomy(case, &mut found);
    label(case, entry, &mut found);
    for (severity, message) in found {
        report.find(severity, Some(&case.id), message);
    }
}

type Found = Vec<(Severity, String)>;

/// Masks of an organ that every case has, in the middle of its images.
const PROSTATE_MASKS: [&str; 2] = ["gland", "zones"];

fn geometry(case: &Case, contents: &Contents, found: &mut Found) {
    if let Some(problem) = case.geometry.problem() {
        found.push((Severity::Error, problem));
        return;
    }
    let own = case.geometry.spacing_mm();
    if own.iter().zip(case.spacing_mm).any(|(a, b)| (a - b).abs() > 1e-3 * b.abs()) {
        found.push((
            Severity::Error,
            format!("voxels of {own:?} mm, the manifest says {:?}", case.spacing_mm),
        ));
    }
    // The step from slice to slice, against the axis of the body.
    let m = &case.geometry.world_from_voxel;
    if contents.image("t2w").is_some()
        && PROSTATE_MASKS.iter().any(|mask| contents.mask(mask).is_some())
        && m[2][2].abs() < 0.7 * own[0]
    {
        let message = "the slices do not run along the body: a transverse series was expected";
        found.push((Severity::Warning, message.into()));
    }
}

fn images(case: &Case, contents: &Contents, found: &mut Found) {
    let names: Vec<&str> = contents.images.iter().map(|i| i.name.as_str()).collect();
    for name in &names {
        let Some(volume) = case.volumes.get(*name) else { continue };
        let bad = volume.data.iter().filter(|v| !v.is_finite()).count();
        if bad > 0 {
            found.push((Severity::Error, format!("{name} holds {bad} values that are not finite numbers")));
        }
        let Some((low, high)) = volume.range() else { continue };
        if low == high {
            found.push((Severity::Error, format!("{name} has the same value everywhere")));
        }
        if *name == "adc" && high > 0.0 && high < 10.0 {
            let message = format!("adc goes up to {high}: 1e-6 mm^2/s was expected (about 1000 in tissue)");
            found.push((Severity::Warning, message));
        }
    }
    for (i, first) in names.iter().enumerate() {
        for second in &names[i + 1..] {
            if let (Some(a), Some(b)) = (case.volumes.get(*first), case.volumes.get(*second))
                && a == b
            {
                found.push((Severity::Error, format!("{first} and {second} are the same image")));
            }
        }
    }
}

fn mask(case: &Case, info: &MaskInfo, contents: &Contents, found: &mut Found) {
    let name = info.name.as_str();
    let Some(mask) = case.volumes.get(name) else { return };
    let organ = PROSTATE_MASKS.contains(&name);
    let known = info.values();
    let holds = |v: f32| {
        v.fract() == 0.0
            && (0.0..=255.0).contains(&v)
            && (v == 0.0 || known.contains(&(v as u8)) || info.ignore == Some(v as u8))
    };
    if let Some(other) = mask.data.iter().copied().find(|v| !holds(*v)) {
        let known = known.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        found.push((Severity::Error, format!("{name} holds the value {other}: 0 and {known} were expected")));
    }
    let size = count(mask);
    if size == 0 {
        // A case without a lesion is as good as any; one without a gland is not.
        if organ {
            found.push((Severity::Error, format!("the {name} mask is empty")));
        }
        return;
    }
    for image in &contents.images {
        let Some(volume) = case.volumes.get(image.name.as_str()) else { continue };
        let outside = mask.data.iter().zip(&volume.data).filter(|(m, v)| **m > 0.0 && **v == 0.0).count();
        if outside * 10 > size {
            let percent = 100 * outside / size;
            let message =
                format!("{percent} % of the {name} mask lie where the {} image is empty", image.name);
            found.push((Severity::Warning, message));
        }
    }
    if organ && touches_edge(mask) {
        let message =
            format!("the {name} mask reaches the edge of the image in the slice plane: it is cut off");
        found.push((Severity::Warning, message));
    }
}

/// Masks that lie elsewhere than masks do. What was noted when the set was added is not said twice.
fn displaced(case: &Case, entry: &CaseEntry, contents: &Contents, found: &mut Found) {
    let said =
        mask_place::displaced(&case.volumes, contents).into_iter().filter(|note| !entry.notes.contains(note));
    found.extend(said.map(|note| (Severity::Warning, note)));
}

fn count(mask: &Volume) -> usize {
    mask.data.iter().filter(|v| **v > 0.0).count()
}

/// Whether a mask reaches the first or last row or column.
fn touches_edge(mask: &Volume) -> bool {
    let [_, height, width] = mask.shape;
    mask.data.iter().enumerate().any(|(at, v)| {
        let (h, w) = (at / width % height, at % width);
        *v > 0.0 && (h == 0 || h + 1 == height || w == 0 || w + 1 == width)
    })
}

/// Whether masks agree with one another and with the anatomy.
fn anatomy(case: &Case, found: &mut Found) {
    let get = |name: &str| case.volumes.get(name);
    if let (Some(gland), Some(zones)) = (get("gland"), get("zones")) {
        let apart = gland.data.iter().zip(&zones.data).filter(|(g, z)| (**g > 0.0) != (**z > 0.0)).count();
        if apart * 20 > count(gland).max(1) {
            found.push((Severity::Warning, format!("gland and zones differ in {apart} voxels")));
        }
    }
    if let (Some(gland), Some(lesion)) = (get("gland").or(get("zones")), get("lesion")) {
        let outside = lesion.data.iter().zip(&gland.data).filter(|(l, g)| **l > 0.0 && **g == 0.0).count();
        if outside * 2 > count(lesion).max(1) {
            found.push((Severity::Warning, "most of the lesion mask lies outside the gland".into()));
        }
    }
    if let Some(zones) = get("zones") {
        // The peripheral zone lies behind the transition zone, whoever drew it.
        let depth = |zone: f32| {
            mask_place::middle(zones, |v| v == zone).map(|[d, h, w]| case.geometry.world([w, h, d])[1])
        };
        if let (Some(peripheral), Some(transition)) = (depth(1.0), depth(2.0))
            && peripheral < transition
        {
            let message = "zone 1 lies in front of zone 2, and the peripheral zone (1) behind the transition zone (2): the values are exchanged";
            found.push((Severity::Error, message.into()));
        }
    }
}

/// Whether the table and the masks tell the same story.
fn label(case: &Case, entry: &CaseEntry, found: &mut Found) {
    let Some(lesion) = case.volumes.get("lesion") else { return };
    match (entry.cspca, count(lesion) > 0) {
        (Some(true), false) => {
            let message =
                "the table says cancer, but the lesion mask is empty: the case has no lesion to segment";
            found.push((Severity::Warning, message.into()));
        }
        (Some(false), true) => {
            let message = "the table says no clinically significant cancer, but the lesion mask is not empty";
            found.push((Severity::Warning, message.into()));
        }
        _ => {}
    }
}

/// Values that occur in a mask.
pub fn values(mask: &Volume) -> BTreeSet<u32> {
    mask.data.iter().map(|v| *v as u32).collect()
}
