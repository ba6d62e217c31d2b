//! Where a frame lies, and what its stored values mean.

use dicom_core::Tag;
use dicom_object::InMemDicomObject;

const POSITION: Tag = Tag(0x0020, 0x0032);
const ORIENTATION: Tag = Tag(0x0020, 0x0037);
const SPACING: Tag = Tag(0x0028, 0x0030);
const INTERCEPT: Tag = Tag(0x0028, 0x1052);
const SLOPE: Tag = Tag(0x0028, 0x1053);

pub const SHARED_GROUPS: Tag = Tag(0x5200, 0x9229);
pub const FRAME_GROUPS: Tag = Tag(0x5200, 0x9230);
const POSITION_GROUP: Tag = Tag(0x0020, 0x9113);
const ORIENTATION_GROUP: Tag = Tag(0x0020, 0x9116);
pub const MEASURES_GROUP: Tag = Tag(0x0028, 0x9110);
const VALUES_GROUP: Tag = Tag(0x0028, 0x9145);

/// One frame's place, LPS and mm, and its rescaling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// mm between rows, mm between columns.
    pub spacing: [f64; 2],
    /// Direction of increasing column index.
    pub row_direction: [f64; 3],
    /// Direction of increasing row index.
    pub column_direction: [f64; 3],
    /// Centre of the first pixel.
    pub position: [f64; 3],
    /// Slope and intercept of the stored values.
    pub rescale: [f64; 2],
}

/// The places of all frames: of the elements themselves in a file of one frame, and of the functional
/// groups of an enhanced file, a frame's own before those that all share.
///
/// # Errors
/// In words: a position, orientation or spacing is missing or none.
pub fn all(object: &InMemDicomObject, frames: usize) -> Result<Vec<Place>, String> {
    let own = items(object, FRAME_GROUPS);
    let shared = items(object, SHARED_GROUPS).first();
    if own.is_empty() && shared.is_none() {
        if frames == 1 {
            return Ok(vec![place(|_, tag, name| numbers(object, tag, name))?]);
        }
        return Err(format!(
            "{frames} frames without functional groups (5200,9230): the place of each frame is unknown"
        ));
    }
    if own.len() != frames {
        let n = own.len();
        return Err(format!(
            "{frames} frames, and functional groups (5200,9230) of {n}: one each was expected"
        ));
    }
    own.iter()
        .enumerate()
        .map(|(i, own)| {
            let find = |group: Tag, tag: Tag, name: &str| {
                let mut places = [Some(own), shared].into_iter().flatten();
                let item = places.find_map(|item| items(item, group).first());
                item.map_or(Ok(Vec::new()), |item| numbers(item, tag, name))
            };
            place(find).map_err(|reason| format!("frame {}: {reason}", i + 1))
        })
        .collect()
}

/// A place from what `find` gives for a functional group, an element in it and its name: its numbers,
/// none where it is absent.
fn place(find: impl Fn(Tag, Tag, &str) -> Result<Vec<f64>, String>) -> Result<Place, String> {
    let orientation = find(ORIENTATION_GROUP, ORIENTATION, "orientation")?;
    let [rx, ry, rz, cx, cy, cz] = required(orientation, "orientation (0020,0037)")?;
    let (row_direction, column_direction) = ([rx, ry, rz], [cx, cy, cz]);
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let unit = |a| (dot(a, a) - 1.0).abs() < 1e-2;
    if !(unit(row_direction) && unit(column_direction) && dot(row_direction, column_direction).abs() < 1e-2) {
        return Err("the orientation (0020,0037) is not two perpendicular unit vectors".into());
    }
    let spacing = required(find(MEASURES_GROUP, SPACING, "pixel spacing")?, "pixel spacing (0028,0030)")?;
    if let Some(bad) = spacing.iter().find(|mm| **mm <= 0.0) {
        return Err(format!("a pixel spacing (0028,0030) of {bad} mm: a positive one was expected"));
    }
    let one = |tag, name, usual| {
        let values = find(VALUES_GROUP, tag, name)?;
        if values.is_empty() { Ok(usual) } else { required(values, name).map(|[v]| v) }
    };
    Ok(Place {
        spacing,
        row_direction,
        column_direction,
        position: required(find(POSITION_GROUP, POSITION, "position")?, "position (0020,0032)")?,
        rescale: [one(SLOPE, "rescale slope", 1.0)?, one(INTERCEPT, "rescale intercept", 0.0)?],
    })
}

fn required<const N: usize>(values: Vec<f64>, name: &str) -> Result<[f64; N], String> {
    if values.is_empty() {
        return Err(format!("no {name} in it"));
    }
    let n = values.len();
    values.try_into().map_err(|_| format!("{name} holds {n} numbers: {N} were expected"))
}

/// The items of a sequence, none where it is absent.
pub fn items(object: &InMemDicomObject, tag: Tag) -> &[InMemDicomObject] {
    object.element_opt(tag).ok().flatten().and_then(|element| element.items()).unwrap_or_default()
}

/// The numbers of an element, none where it is absent.
///
/// # Errors
/// In words: it holds something else.
pub fn numbers(object: &InMemDicomObject, tag: Tag, name: &str) -> Result<Vec<f64>, String> {
    let Some(element) = object.element_opt(tag).ok().flatten() else { return Ok(Vec::new()) };
    let values = element.to_multi_float64().ok().filter(|v| v.iter().all(|v| v.is_finite()));
    values.ok_or_else(|| format!("{name} {tag} does not hold numbers"))
}
