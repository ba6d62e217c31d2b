//! Where the names of points stand: beside them, and on nothing that is drawn.

use crate::charts::{frame, polyline::Px, surface::Anchor, text};

/// A rectangle along the axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Area {
    /// Around two points.
    pub fn around(a: Px, b: Px) -> Self {
        Self { left: a.0.min(b.0), top: a.1.min(b.1), right: a.0.max(b.0), bottom: a.1.max(b.1) }
    }

    /// The same with so much more on every side.
    pub fn grown(self, by: f64) -> Self {
        Self { left: self.left - by, top: self.top - by, right: self.right + by, bottom: self.bottom + by }
    }

    /// Whether both have a point in common; neighbours that touch have none.
    pub fn meets(self, other: Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn within(self, other: Self) -> bool {
        self.left >= other.left
            && self.right <= other.right
            && self.top >= other.top
            && self.bottom <= other.bottom
    }
}

/// Where a name stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    /// Where its text begins or ends, in the middle of its height.
    pub from: Px,
    pub anchor: Anchor,
    /// What it covers.
    pub area: Area,
    /// Where the line to its point ends, for one that stands too far away to be told without.
    pub leader: Option<Px>,
}

/// Room between a name and what is drawn.
const AIR: f64 = 2.0;
/// From a point to a name beside it.
const GAP: f64 = 8.0;
/// Distances from a point that are tried, nearest first; from the second on a line leads there.
const RINGS: [f64; 5] = [GAP, 18.0, 32.0, 48.0, 66.0];
/// Longest part of a line to a point that is taken as one area.
const PART: f64 = 3.0;
/// Directions that are tried, best first: right, left, then the corners, above and below.
const WAYS: [(f64, f64); 8] =
    [(1.0, 0.0), (-1.0, 0.0), (1.0, -1.0), (1.0, 1.0), (-1.0, -1.0), (-1.0, 1.0), (0.0, -1.0), (0.0, 1.0)];

/// Places for the names of points inside `plot`, in their order; none for a name that has no room, which is better
/// left out than struck through. `drawn` is everything else in the plot: bars, lines and the points themselves. The
/// line to a point may cross those, but no name.
pub fn place(names: &[(&str, Px)], drawn: &[Area], plot: Area) -> Vec<Option<Label>> {
    let mut taken = drawn.to_vec();
    let mut named: Vec<Area> = Vec::with_capacity(names.len());
    let mut places = Vec::with_capacity(names.len());
    for (name, point) in names {
        let width = text::width(name, frame::SMALL);
        let candidates = RINGS.into_iter().flat_map(|ring| WAYS.into_iter().map(move |way| (ring, way)));
        let found = candidates.map(|(ring, way)| label(*point, width, ring, way)).find(|label| {
            let area = label.area.grown(AIR);
            label.area.within(plot)
                && !taken.iter().any(|other| area.meets(*other))
                && !line(*point, label).iter().any(|part| named.iter().any(|other| part.meets(*other)))
        });
        if let Some(label) = &found {
            named.push(label.area);
            taken.push(label.area);
            taken.extend(line(*point, label));
        }
        places.push(found);
    }
    places
}

/// What the line from a point to its name covers, part by part; nothing where there is none.
fn line(point: Px, label: &Label) -> Vec<Area> {
    let Some(end) = label.leader else { return Vec::new() };
    let (x, y) = (end.0 - point.0, end.1 - point.1);
    let parts = (x.hypot(y) / PART).ceil().max(1.0) as u32;
    let at = |i: u32| {
        let share = f64::from(i) / f64::from(parts);
        (point.0 + share * x, point.1 + share * y)
    };
    (0..parts).map(|i| Area::around(at(i), at(i + 1)).grown(0.5)).collect()
}

fn label(point: Px, width: f64, ring: f64, way: (f64, f64)) -> Label {
    let half = frame::SMALL * 0.6;
    // A corner is as far away as a side.
    let slant = if way.0 != 0.0 && way.1 != 0.0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
    let above = if way.0 == 0.0 { half } else { 0.0 };
    let at = (point.0 + way.0 * ring * slant, point.1 + way.1 * (ring * slant + above));
    let (anchor, left) = match way.0 {
        w if w > 0.0 => (Anchor::Left, at.0),
        w if w < 0.0 => (Anchor::Right, at.0 - width),
        _ => (Anchor::Middle, at.0 - width / 2.0),
    };
    let area = Area { left, top: at.1 - half, right: left + width, bottom: at.1 + half };
    let end = if way.0 == 0.0 { (at.0, at.1 - way.1 * half) } else { (at.0 - way.0 * AIR, at.1) };
    Label { from: at, anchor, area, leader: (ring > GAP).then_some(end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLOT: Area = Area { left: 40.0, top: 30.0, right: 700.0, bottom: 380.0 };

    /// Points with their bars, and what of them is drawn.
    fn cross((x, y): Px, half: (f64, f64)) -> [Area; 3] {
        [
            Area::around((x - half.0, y), (x + half.0, y)).grown(0.6),
            Area::around((x, y - half.1), (x, y + half.1)).grown(0.6),
            Area::around((x, y), (x, y)).grown(4.5),
        ]
    }

    fn check(names: &[(&str, Px)], drawn: &[Area]) -> Vec<Option<Label>> {
        let places = place(names, drawn, PLOT);
        let areas: Vec<Area> = places.iter().flatten().map(|l| l.area).collect();
        for (i, area) in areas.iter().enumerate() {
            assert!(area.within(PLOT), "{area:?} leaves the plot");
            assert!(!drawn.iter().any(|d| area.meets(*d)), "{area:?} is struck through");
            assert!(!areas[..i].iter().any(|other| area.meets(*other)), "{area:?} lies on another name");
        }
        for (i, (label, (_, point))) in places.iter().zip(names).enumerate() {
            let parts = label.iter().flat_map(|label| line(*point, label)).collect::<Vec<_>>();
            let others = places.iter().enumerate().filter(|(k, _)| *k != i).filter_map(|(_, l)| *l);
            for other in others {
                assert!(!parts.iter().any(|part| part.meets(other.area)), "a line runs through {other:?}");
            }
        }
        places
    }

    #[test]
    fn a_name_avoids_its_own_bars() {
        let point = (300.0, 200.0);
        // Bars to the right of the point, where names stood before, and up and down.
        let places = check(&[("provicnet-mini, segmentation", point)], &cross(point, (120.0, 90.0)));
        let label = places[0].expect("there is room");
        assert!(label.area.bottom < point.1 || label.area.top > point.1, "{label:?}");
        // Without bars it stands to the right, in the middle of the point's height.
        let alone = check(&[("a", point)], &[])[0].expect("there is room");
        assert_eq!((alone.from, alone.anchor, alone.leader), ((308.0, 200.0), Anchor::Left, None));
        // At the right edge to the left, at the edge of all there is, above or below.
        let edge = check(&[("a name of some length", (690.0, 200.0))], &[])[0].expect("there is room");
        assert!(edge.area.right < 690.0, "{edge:?}");
    }

    #[test]
    fn a_far_name_has_a_line_to_its_point() {
        let point = (300.0, 200.0);
        let mut drawn = cross(point, (0.0, 0.0)).to_vec();
        drawn.push(Area::around(point, point).grown(20.0));
        let label = check(&[("a name", point)], &drawn)[0].expect("there is room further away");
        let end = label.leader.expect("a line");
        assert!((end.0 - point.0).hypot(end.1 - point.1) > 20.0, "{label:?}");
    }

    #[test]
    fn names_of_one_place_keep_clear_of_each_other_s_lines() {
        let names =
            ["a name", "another", "a third", "one more", "a fifth", "the sixth"].map(|n| (n, (300.0, 200.0)));
        let places = check(&names, &cross((300.0, 200.0), (30.0, 20.0)));
        assert!(places.iter().flatten().filter(|l| l.leader.is_some()).count() >= 2, "{places:?}");
    }

    #[test]
    fn many_points_keep_names_apart_and_what_has_no_room_is_left_out() {
        let points: Vec<Px> =
            (0..40_u32).map(|i| (60.0 + f64::from(i * 127 % 620), 50.0 + f64::from(i * 71 % 310))).collect();
        let drawn: Vec<Area> = points.iter().flat_map(|p| cross(*p, (25.0, 30.0))).collect();
        let names: Vec<(&str, Px)> = points.iter().map(|p| ("profound-conv-mini, dice", *p)).collect();
        let places = check(&names, &drawn);
        let placed = places.iter().flatten().count();
        // Bars cover the plane nearly everywhere: few names find a place, and none is put over another for it.
        assert!((1..40).contains(&placed), "{placed} of 40");
        // A table of three backbones and five tasks is the usual one: most names are read.
        let usual: Vec<(&str, Px)> = names.iter().step_by(2).take(15).copied().collect();
        let drawn: Vec<Area> = usual.iter().flat_map(|(_, p)| cross(*p, (25.0, 30.0))).collect();
        let placed = check(&usual, &drawn).iter().flatten().count();
        assert!(placed >= 10, "{placed} of 15");
        let apart: Vec<(&str, Px)> =
            [(100.0, 80.0), (400.0, 200.0), (600.0, 330.0)].map(|p| ("provicnet-mini", p)).into();
        let drawn: Vec<Area> = apart.iter().flat_map(|(_, p)| cross(*p, (60.0, 40.0))).collect();
        assert!(check(&apart, &drawn).iter().all(Option::is_some));
    }
}
