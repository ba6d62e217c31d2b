//! Masks that come as DICOM segmentation objects: a frame for each slice of each segment, of which empty ones are left
//! out. What is no part of a segment is background.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use dicom_core::Tag;
use dicom_object::{InMemDicomObject, OpenFileOptions};

use super::{
    bare, codec, collect, guard,
    header::{self, Header, Layout, Pixels, Series},
    place::{self, Place},
    syntax::Syntax,
};
use crate::data::{
    DataError, Geometry, Image, Volume,
    alignment::Extent,
    read::{Examined, MAX_VOXELS, voxels},
};

const BITS: Tag = Tag(0x0028, 0x0100);
const KIND: Tag = Tag(0x0062, 0x0001);
const MOST: Tag = Tag(0x0062, 0x000E);
const SEGMENT_GROUP: Tag = Tag(0x0062, 0x000A);
const SEGMENT: Tag = Tag(0x0062, 0x000B);
const BETWEEN: Tag = Tag(0x0018, 0x0088);
const THICKNESS: Tag = Tag(0x0018, 0x0050);

/// More frames are no segmentation.
const MAX_FRAMES: usize = 1_000_000;

/// Slices between the first and the last frame, most of which may be empty.
const MAX_SLICES: f64 = 4096.0;

/// Frames nearer to one another than this lie in the same slice, mm.
const SAME_PLACE: f64 = 1e-3;

/// Frames may lie this part of a slice away from it.
const OFF: f64 = 0.05;

/// A segmentation object, and the value that each of its segments has in the mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFile {
    pub path: PathBuf,
    /// By number of the segment; others are passed over.
    pub values: BTreeMap<u16, u8>,
}

/// Reads the mask that segmentation objects make together. Where segments overlap a voxel gets the lowest of their values,
/// and it is said.
///
/// # Errors
/// When one cannot be read or is no segmentation, or their frames are no slices of one grid.
pub fn read(first: &SegmentFile, others: &[SegmentFile]) -> Result<Examined, DataError> {
    let files: Vec<&SegmentFile> = [first].into_iter().chain(others).collect();
    let mut objects = Vec::new();
    for file in &files {
        let refused = |reason: String| DataError::refused(&file.path, reason);
        objects.push(Object::of(&collect::bytes(&file.path)?, &file.path).map_err(refused)?);
    }
    let frames: Vec<&Place> = objects.iter().flat_map(|object| &object.header.frames).collect();
    let sides = |object: &Object| (object.header.layout.rows, object.header.layout.columns);
    let refused = |reason: String| DataError::refused(&first.path, reason);
    if let Some(other) = objects.iter().find(|object| sides(object) != sides(&objects[0])) {
        let (rows, columns) = sides(other);
        return Err(refused(format!(
            "{}: another size, {rows} rows of {columns} columns",
            other.header.name
        )));
    }
    let (rows, columns) = sides(&objects[0]);
    let grid = Grid::of(&frames, objects.iter().find_map(|object| object.step)).map_err(refused)?;
    let shape = [grid.depth, rows, columns];
    let mut painting = Painting {
        grid: &grid,
        values: vec![0; voxels([columns, rows, grid.depth]).map_err(refused)?],
        overlap: 0,
    };
    for (file, object) in files.iter().zip(&objects) {
        let pixels = header::pixels(&collect::bytes(&file.path)?);
        let painted = pixels.and_then(|pixels| painting.paint(object, &pixels, &file.values));
        painted.map_err(|reason| DataError::refused(&file.path, reason))?;
    }
    let Painting { values, overlap, .. } = painting;
    let note = (overlap > 0).then(|| {
        format!(
            "segments overlap in {overlap} voxels: each of those has the value of the lowest of its segments"
        )
    });
    let patients: std::collections::BTreeSet<String> =
        objects.into_iter().map(|object| object.header.patient).filter(|id| !id.is_empty()).collect();
    Ok(Examined {
        image: Image {
            volume: Volume { shape, data: values.into_iter().map(f32::from).collect() },
            geometry: grid.geometry,
        },
        notes: note.into_iter().collect(),
        patients: patients.into_iter().collect(),
    })
}

/// Adds empty slices to a mask of segments, so that it reaches over the image that it was drawn on: slices without any
/// segment are mostly not in the file. One that lies beyond the image stays as it is.
pub fn widen(mask: &mut Image, over: &Extent) {
    let Some(voxel_from_world) = mask.geometry.voxel_from_world() else { return };
    let [depth, height, width] = mask.volume.shape;
    let along = (0..8).map(|corner: usize| {
        let [d, h, w] = over.shape;
        let corner: [f64; 3] =
            [(w, 1), (h, 2), (d, 4)].map(|(n, bit)| if corner & bit > 0 { n as f64 - 1.0 } else { 0.0 });
        let [x, y, z] = over.geometry.world(corner);
        let row = voxel_from_world[2];
        row[0] * x + row[1] * y + row[2] * z + row[3]
    });
    let (low, high) =
        along.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), z| (low.min(z), high.max(z)));
    let end = depth as f64 - 1.0;
    if !(low.is_finite() && high.is_finite()) || high < -0.5 || low > end + 0.5 {
        return;
    }
    let (before, after) = ((-low).round().max(0.0), (high - end).round().max(0.0));
    if (before + after + depth as f64) * (height * width) as f64 > MAX_VOXELS as f64 {
        return;
    }
    let (before, after) = (before as usize, after as usize);
    let mut data = vec![0.0; before * height * width];
    data.append(&mut mask.volume.data);
    data.resize((before + depth + after) * height * width, 0.0);
    mask.volume = Volume { shape: [before + depth + after, height, width], data };
    let start = mask.geometry.world([0.0, 0.0, -(before as f64)]);
    for (row, start) in mask.geometry.world_from_voxel.iter_mut().zip(start) {
        row[3] = start;
    }
}

/// How a segmentation stores its segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A bit a pixel.
    Binary,
    /// A number a pixel, which belongs to the segment from this one on.
    Fractional { from: u32 },
    /// The number of the segment a pixel.
    Labels,
}

/// The header of a segmentation object.
#[derive(Debug)]
struct Object {
    header: Header,
    kind: Kind,
    /// The segment of each frame; none of frames that hold all segments.
    segments: Vec<Option<u16>>,
    /// mm between slices, as it is said.
    step: Option<f64>,
}

impl Object {
    fn of(bytes: &[u8], path: &Path) -> Result<Self, String> {
        let whole = bare::whole(bytes).ok_or("not a DICOM file")?;
        let syntax = guard::check(&whole)?;
        let object = header::parse(OpenFileOptions::new().read_until(header::PIXELS), &whole)?;
        let kind = kind(&object)?;
        let rows = header::required(&object, header::ROWS, "Rows")? as usize;
        let columns = header::required(&object, header::COLUMNS, "Columns")? as usize;
        voxels([columns, rows, 1])?;
        let frames = header::number(&object, header::FRAMES, "frames")?.unwrap_or(1.0);
        if !(1.0..=MAX_FRAMES as f64).contains(&frames) || frames.fract() != 0.0 {
            return Err(format!("{frames} frames: 1 to {MAX_FRAMES} were expected"));
        }
        let frames = frames as usize;
        let allocated = match (kind, header::required(&object, BITS, "BitsAllocated")?) {
            (Kind::Binary, 1.0) => 1,
            (Kind::Fractional { .. } | Kind::Labels, 8.0) => 8,
            (Kind::Labels, 16.0) => 16,
            (_, bits) => return Err(format!("a segmentation with {bits} bits a pixel")),
        };
        let needed = (frames * rows * columns).saturating_mul(allocated as usize).div_ceil(8);
        if !syntax.is_encapsulated() && needed > bytes.len() {
            return Err(format!("truncated: {} bytes where {needed} of pixel data belong", bytes.len()));
        }
        let layout = Layout { rows, columns, allocated, stored: allocated, shift: 0, signed: false };
        // Frames without a place in space are tiles of a slide.
        let places = place::all(&object, frames)?;
        let own = place::items(&object, place::FRAME_GROUPS);
        let shared = place::items(&object, place::SHARED_GROUPS).first();
        let segment = |frame: usize| {
            let item = [own.get(frame), shared].into_iter().flatten();
            let group = item.filter_map(|item| place::items(item, SEGMENT_GROUP).first()).next()?;
            place::numbers(group, SEGMENT, "segment").ok()?.first().map(|number| *number as u16)
        };
        let segments: Vec<Option<u16>> = (0..frames).map(segment).collect();
        if let (true, Some(at)) = (kind != Kind::Labels, segments.iter().position(Option::is_none)) {
            return Err(format!("frame {}: no segment (0062,000B) in it", at + 1));
        }
        let measure = |tag| {
            let items = [own.first(), shared].into_iter().flatten();
            let mut groups = items.filter_map(|item| place::items(item, place::MEASURES_GROUP).first());
            let value = groups.find_map(|group| place::numbers(group, tag, "step").ok()?.first().copied());
            value.filter(|mm| *mm > 0.0)
        };
        Ok(Self {
            header: Header {
                path: path.to_owned(),
                name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                instance: String::new(),
                patient: header::text(&object, header::PATIENT),
                localizer: false,
                series: Series { uid: String::new(), number: None, description: String::new() },
                syntax,
                layout,
                frames: places,
            },
            kind,
            segments,
            step: measure(BETWEEN).or(measure(THICKNESS)),
        })
    }
}

fn kind(object: &InMemDicomObject) -> Result<Kind, String> {
    match header::text(object, KIND).as_str() {
        "BINARY" => Ok(Kind::Binary),
        "FRACTIONAL" => {
            let most = header::number(object, MOST, "MaximumFractionalValue")?.unwrap_or(255.0);
            if !(1.0..=255.0).contains(&most) {
                return Err(format!("a MaximumFractionalValue of {most}: 1 to 255 were expected"));
            }
            Ok(Kind::Fractional { from: (most as u32).div_ceil(2) })
        }
        "LABELMAP" => Ok(Kind::Labels),
        other => Err(format!("no segmentation: its type (0062,0001) is {other:?}")),
    }
}

/// The slices that the frames of a segmentation lie in.
#[derive(Debug)]
struct Grid {
    normal: [f64; 3],
    /// Along the normal, of the lowest slice, mm.
    start: f64,
    step: f64,
    depth: usize,
    geometry: Geometry,
}

impl Grid {
    fn of(frames: &[&Place], said: Option<f64>) -> Result<Self, String> {
        let first = frames.first().ok_or("no frame in it")?;
        let apart = |a: &[f64], b: &[f64], limit: f64| a.iter().zip(b).any(|(a, b)| (a - b).abs() > limit);
        let unlike = |place: &&&Place| {
            apart(&place.spacing, &first.spacing, 1e-4)
                || apart(&place.row_direction, &first.row_direction, 1e-3)
                || apart(&place.column_direction, &first.column_direction, 1e-3)
        };
        if frames.iter().any(|place| unlike(&place)) {
            return Err("its frames have several orientations or pixel spacings: one was expected".into());
        }
        let (row, column) = (first.row_direction, first.column_direction);
        let normal = [
            row[1] * column[2] - row[2] * column[1],
            row[2] * column[0] - row[0] * column[2],
            row[0] * column[1] - row[1] * column[0],
        ];
        let mut places: Vec<(f64, [f64; 3])> =
            frames.iter().map(|p| (dot(normal, p.position), p.position)).collect();
        places.sort_by(|a, b| a.0.total_cmp(&b.0));
        places.dedup_by(|b, a| b.0 - a.0 < SAME_PLACE);
        let (start, position) = places[0];
        let offsets: Vec<f64> = places.iter().map(|(along, _)| along - start).collect();
        let nearest = offsets.windows(2).map(|w| w[1] - w[0]).fold(f64::INFINITY, f64::min);
        let steps = [said, Some(nearest).filter(|mm| mm.is_finite())];
        let fitting = steps.into_iter().flatten().find_map(|step| whole_steps(&offsets, step));
        let step = fitting.ok_or_else(|| match offsets.len() {
            1 => "one slice, of which it does not say how thick it is".to_owned(),
            _ => "its frames do not lie at whole steps from one another".to_owned(),
        })?;
        let slices = (offsets[offsets.len() - 1] / step).round() + 1.0;
        if slices > MAX_SLICES {
            return Err(format!(
                "{slices} slices from its first frame to its last: at most {MAX_SLICES} are read"
            ));
        }
        // Frames of a stack lie one behind the other.
        let [between_rows, between_columns] = first.spacing;
        let shifted = |(along, at): &(f64, [f64; 3])| {
            let way: [f64; 3] = std::array::from_fn(|a| at[a] - position[a] - (along - start) * normal[a]);
            let limit = 0.1 * between_rows.min(between_columns) + 1e-3 * (along - start);
            dot(way, way).sqrt() > limit
        };
        if places.iter().any(shifted) {
            return Err(
                "its frames are shifted against one another: a stack along its normal was expected".into()
            );
        }
        let world_from_voxel = std::array::from_fn(|a| {
            [row[a] * between_columns, column[a] * between_rows, normal[a] * step, position[a]]
        });
        Ok(Self { normal, start, step, depth: slices as usize, geometry: Geometry { world_from_voxel } })
    }

    /// The slice that a frame lies in.
    fn slice(&self, place: &Place) -> usize {
        let along = (dot(self.normal, place.position) - self.start) / self.step;
        (along.round().max(0.0) as usize).min(self.depth - 1)
    }
}

/// The step nearest to `step` of which all offsets are whole multiples; none where they are not.
fn whole_steps(offsets: &[f64], step: f64) -> Option<f64> {
    let last = offsets.last()?;
    let slices = (last / step).round();
    // The whole way tells the step better than one step does.
    let step = if slices >= 1.0 { last / slices } else { step };
    let whole = |offset: &f64| {
        let slices = offset / step;
        (slices - slices.round()).abs() <= OFF
    };
    (step.is_finite() && step > 0.0 && offsets.iter().all(whole)).then_some(step)
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// A mask that is being filled.
struct Painting<'a> {
    grid: &'a Grid,
    values: Vec<u8>,
    /// Voxels that several segments share.
    overlap: usize,
}

impl Painting<'_> {
    fn paint(&mut self, object: &Object, pixels: &Pixels, values: &BTreeMap<u16, u8>) -> Result<(), String> {
        let count = object.header.layout.rows * object.header.layout.columns;
        let mut buffer = vec![0.0; if object.kind == Kind::Binary { 0 } else { count }];
        for (frame, place) in object.header.frames.iter().enumerate() {
            let value = object.segments[frame].and_then(|segment| values.get(&segment)).copied();
            if object.kind != Kind::Labels && value.is_none() {
                continue;
            }
            let from = self.grid.slice(place) * count;
            if object.kind == Kind::Binary {
                let bits = bits(object, pixels, frame, count)?;
                (0..count).filter(|at| bits.has(*at)).for_each(|at| self.set(from + at, value));
                continue;
            }
            codec::frame(pixels, &object.header, frame, [1.0, 0.0], &mut buffer)?;
            for (at, stored) in buffer.iter().enumerate() {
                match object.kind {
                    Kind::Fractional { from: least } if *stored >= least as f32 => self.set(from + at, value),
                    Kind::Labels => self.set(from + at, values.get(&(*stored as u16)).copied()),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, at: usize, value: Option<u8>) {
        let (Some(value), old) = (value, self.values[at]) else { return };
        if old == 0 {
            self.values[at] = value;
        } else if old != value {
            self.overlap += 1;
            self.values[at] = old.min(value);
        }
    }
}

/// The bits of a frame, the lowest of each byte first; frames follow one another without padding.
struct Bits<'a> {
    bytes: &'a [u8],
    from: usize,
}

impl Bits<'_> {
    fn has(&self, at: usize) -> bool {
        let bit = self.from + at;
        self.bytes[bit / 8] >> (bit % 8) & 1 == 1
    }
}

fn bits<'a>(object: &Object, pixels: &'a Pixels, frame: usize, count: usize) -> Result<Bits<'a>, String> {
    let Pixels::Native(bytes) = pixels else {
        return Err("a binary segmentation whose bits are compressed is not decoded here: convert it to Explicit VR Little Endian first, for example with `gdcmconv --raw`".into());
    };
    if matches!(object.header.syntax, Syntax::Native { big_endian: true, .. }) {
        return Err("a binary segmentation in big-endian order is not decoded here".into());
    }
    let needed = ((frame + 1) * count).div_ceil(8);
    if bytes.len() < needed {
        return Err(format!("truncated: {} bytes of pixel data where {needed} belong", bytes.len()));
    }
    Ok(Bits { bytes, from: frame * count })
}

#[cfg(test)]
mod tests;
