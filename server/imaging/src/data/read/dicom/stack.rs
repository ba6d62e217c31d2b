//! Whether the frames of a series are the slices of one volume, and in which order.

use super::{header::Header, list, place::Place};
use crate::data::Geometry;

/// Slice positions may differ from an even step by this part of it.
const STEP_TOLERANCE: f64 = 0.02;

/// Slices nearer to one another than this are at the same place, mm.
const SAME_PLACE: f64 = 1e-3;

/// A frame of a file, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameOf {
    pub file: usize,
    pub frame: usize,
}

/// A volume made of frames.
#[derive(Debug)]
pub struct Stack {
    /// Frames from the lowest place along the slice normal to the highest.
    pub order: Vec<FrameOf>,
    /// Rows and columns.
    pub sides: [usize; 2],
    pub geometry: Geometry,
    /// Images that are no slices of it, by name and with what they differ in.
    pub left_out: Vec<String>,
}

/// Images of more kinds than this are no series.
const MAX_KINDS: usize = 16;

/// Puts the frames of a series into order. A few that differ in size or direction from all others, such as a
/// localizer, are left out.
///
/// # Errors
/// In words: they differ in size or direction, lie at the same place, or not at even steps.
pub fn of(headers: &[Header]) -> Result<Stack, String> {
    let mut kinds = kinds(headers)?;
    // The first of the largest ones.
    let main = (0..kinds.len())
        .max_by_key(|i| (!kinds[*i].localizer, kinds[*i].frames.len(), std::cmp::Reverse(*i)))
        .ok_or("no image in it")?;
    let main = kinds.swap_remove(main);
    let first = main.first();
    let others: Vec<String> = kinds
        .iter()
        .map(|kind| {
            let other = kind.first();
            let what = differs(other, first).unwrap_or_default();
            format!("{}: {what} than in {}", other.0.name, first.0.name)
        })
        .collect();
    let unlike: usize = kinds.iter().filter(|k| !k.localizer).map(|k| k.frames.len()).sum();
    if unlike > 0 && main.frames.len() <= 2 * unlike {
        return Err(format!(
            "{}; {} images agree with that one and {unlike} do not",
            others[0],
            main.frames.len()
        ));
    }
    if headers.iter().all(|header| header.localizer) {
        return Err("only localizer images, on which other series were planned".into());
    }
    let left_out = kinds.iter().flat_map(|kind| {
        let what = differs(kind.first(), first).unwrap_or_default();
        kind.frames.iter().map(move |(of, _)| format!("{} ({what} than the others)", headers[of.file].name))
    });
    let left_out: Vec<String> = left_out.collect();
    stacked(headers, main.frames, left_out.clone()).map_err(|why| match left_out.as_slice() {
        [] => why,
        some => format!("{why}; left out before: {}", list(some)),
    })
}

/// Frames of one size and direction.
struct Kind<'a> {
    headers: &'a [Header],
    frames: Vec<(FrameOf, &'a Place)>,
    localizer: bool,
}

impl<'a> Kind<'a> {
    fn first(&self) -> (&'a Header, &'a Place) {
        let (of, place) = self.frames[0];
        (&self.headers[of.file], place)
    }
}

/// The frames of a series by size and direction.
fn kinds(headers: &[Header]) -> Result<Vec<Kind<'_>>, String> {
    let mut kinds: Vec<Kind> = Vec::new();
    for (file, header) in headers.iter().enumerate() {
        for (frame, place) in header.frames.iter().enumerate() {
            let of = (FrameOf { file, frame }, place);
            let known = kinds.iter().position(|kind| differs((header, place), kind.first()).is_none());
            match known {
                Some(at) => {
                    kinds[at].localizer &= header.localizer;
                    kinds[at].frames.push(of);
                }
                None if kinds.len() == MAX_KINDS => {
                    return Err(format!(
                        "images of more than {MAX_KINDS} sizes and directions in one series"
                    ));
                }
                None => kinds.push(Kind { headers, frames: vec![of], localizer: header.localizer }),
            }
        }
    }
    Ok(kinds)
}

/// Puts frames of one size and direction into order.
fn stacked(
    headers: &[Header],
    mut slices: Vec<(FrameOf, &Place)>,
    left_out: Vec<String>,
) -> Result<Stack, String> {
    let (of, place) = slices[0];
    let first = (&headers[of.file], place);
    let (row, column) = (first.1.row_direction, first.1.column_direction);
    let normal = [
        row[1] * column[2] - row[2] * column[1],
        row[2] * column[0] - row[0] * column[2],
        row[0] * column[1] - row[1] * column[0],
    ];
    let along = |p: [f64; 3]| p[0] * normal[0] + p[1] * normal[1] + p[2] * normal[2];
    if slices.len() < 2 {
        return Err("one slice: a volume of at least two was expected".into());
    }
    slices.sort_by(|a, b| along(a.1.position).total_cmp(&along(b.1.position)));
    let places: Vec<f64> = slices.iter().map(|(_, place)| along(place.position)).collect();
    distinct(&places, &slices, headers)?;
    even(&places)?;
    let n = slices.len();
    let (start, end) = (slices[0].1.position, slices[n - 1].1.position);
    let step: [f64; 3] = std::array::from_fn(|a| (end[a] - start[a]) / (n as f64 - 1.0));
    let length = (step[0] * step[0] + step[1] * step[1] + step[2] * step[2]).sqrt();
    if along(step) < 0.999 * length {
        return Err(
            "the slices are shifted against one another: a stack along its normal was expected".into()
        );
    }
    let [between_rows, between_columns] = first.1.spacing;
    let world_from_voxel =
        std::array::from_fn(|a| [row[a] * between_columns, column[a] * between_rows, step[a], start[a]]);
    Ok(Stack {
        order: slices.into_iter().map(|(frame, _)| frame).collect(),
        sides: [first.0.layout.rows, first.0.layout.columns],
        geometry: Geometry { world_from_voxel },
        left_out,
    })
}

/// In what a frame differs from the first; none where they fit together.
fn differs((header, place): (&Header, &Place), first: (&Header, &Place)) -> Option<String> {
    let apart = |a: &[f64], b: &[f64], limit: f64| a.iter().zip(b).any(|(a, b)| (a - b).abs() > limit);
    let (ours, theirs) = (header.layout, first.0.layout);
    if (ours.rows, ours.columns) != (theirs.rows, theirs.columns) {
        Some(format!("another size, {} rows of {} columns,", ours.rows, ours.columns))
    } else if apart(&place.spacing, &first.1.spacing, 1e-4) {
        Some("another pixel spacing".into())
    } else if apart(&place.row_direction, &first.1.row_direction, 1e-3)
        || apart(&place.column_direction, &first.1.column_direction, 1e-3)
    {
        Some("another orientation".into())
    } else {
        None
    }
}

/// Refuses slices at the same place: one that is there twice, or several volumes in one series.
fn distinct(places: &[f64], slices: &[(FrameOf, &Place)], headers: &[Header]) -> Result<(), String> {
    let doubled = |i: usize| places[i + 1] - places[i] < SAME_PLACE;
    let Some(i) = (0..places.len() - 1).find(|i| doubled(*i)) else { return Ok(()) };
    let pairs = (0..places.len() - 1).filter(|i| doubled(*i)).count();
    let volumes = places.len() / (places.len() - pairs);
    if volumes >= 2 && places.len() == volumes * (places.len() - pairs) {
        return Err(format!(
            "{volumes} images at every place: several volumes (b-values, echoes or times) in one series; keep the files of one"
        ));
    }
    let word = |at: usize| {
        let FrameOf { file, frame } = slices[at].0;
        let header = &headers[file];
        let frame = if header.frames.len() > 1 { format!(" frame {}", frame + 1) } else { String::new() };
        format!("{}{frame}", header.name)
    };
    Err(format!(
        "two slices at the same place ({:.3} mm along the normal): {} and {}",
        places[i],
        word(i),
        word(i + 1)
    ))
}

/// Refuses slices at uneven steps.
fn even(places: &[f64]) -> Result<(), String> {
    let steps: Vec<f64> = places.windows(2).map(|w| w[1] - w[0]).collect();
    let mut sorted = steps.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[sorted.len() / 2];
    match steps.iter().position(|s| (s - usual).abs() > STEP_TOLERANCE * usual) {
        None => Ok(()),
        Some(i) => Err(format!(
            "slices {} and {} lie {:.3} mm apart where the others lie {usual:.3} mm apart: a slice is missing or out of place",
            i + 1,
            i + 2,
            steps[i]
        )),
    }
}
