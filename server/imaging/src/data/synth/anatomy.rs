//! What is where in one patient, and what it is made of.

use std::f32::consts::TAU;

use rand::RngExt;
use rand_distr::StandardNormal;

use super::{
    shape::{Blob, Point, Tube},
    tissue::{self, Tissue},
};

/// A region inside the gland that differs from its zone.
#[derive(Debug, Clone)]
struct Region {
    blob: Blob,
    tissue: Tissue,
    /// How far it replaces the tissue under it, 0 to 1.
    strength: f32,
    /// Dark rim, as round a BPH nodule.
    rim: bool,
}

/// How this patient was scanned.
#[derive(Debug, Clone)]
pub struct Appearance {
    /// Receiver gain of the T2-weighted and the diffusion series.
    pub gain: [f32; 2],
    /// Standard deviation of the noise in the real and imaginary part, T2-weighted and diffusion.
    pub noise: [f32; 2],
    /// Coil shading: coefficients of a quadratic in x, y, z (relative to the half field of view) of the
    /// logarithm of the gain.
    pub shading: [f32; 7],
}

/// One patient.
#[derive(Debug, Clone)]
pub struct Anatomy {
    pub appearance: Appearance,
    shift: Point,
    /// Cosine and sine of the roll about z.
    roll: [f32; 2],
    body: Blob,
    muscles: Vec<Blob>,
    bones: Vec<Blob>,
    symphysis: Blob,
    /// Ellipse of the levator ani: centre y, half-axes, half-thickness, upper end.
    levator: [f32; 5],
    bladder: Blob,
    vesicles: Vec<Blob>,
    rectum: Tube,
    rectum_aspect: f32,
    /// Height of the gas-stool level in the rectum's lumen, relative to its centre.
    gas_level: f32,
    vessels: Vec<(Tube, Tissue)>,
    prostate: Blob,
    transition: Blob,
    stroma: Blob,
    urethra: Tube,
    ducts: Vec<Tube>,
    /// Number, two phases and contrast of the septa of the peripheral zone.
    septa: [f32; 4],
    patches: Vec<Region>,
    nodules: Vec<Region>,
    lesions: Vec<Region>,
    tissues: Tissues,
}

/// What this patient's tissues are made of, where patients differ in it.
#[derive(Debug, Clone)]
struct Tissues {
    peripheral: Tissue,
    transition: Tissue,
    fat: Tissue,
    muscle: Tissue,
    vesicle: Tissue,
}

/// What is found at a point.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub tissue: Tissue,
    /// 0 outside the gland, 1 peripheral, 2 transition zone.
    pub zone: u8,
    pub lesion: bool,
}

/// A factor round 1 with this relative standard deviation.
fn factor(rng: &mut impl RngExt, deviation: f32) -> f32 {
    let n: f32 = rng.sample(StandardNormal);
    (deviation * n.clamp(-2.5, 2.5)).exp()
}

fn normal(rng: &mut impl RngExt, deviation: f32) -> f32 {
    let n: f32 = rng.sample(StandardNormal);
    deviation * n.clamp(-2.5, 2.5)
}

/// Fraction of a voxel that lies inside, from the depth of its centre and the width of an edge.
fn cover(depth: f32, edge: f32) -> f32 {
    (0.5 + depth / edge).clamp(0.0, 1.0)
}

/// A thin line: 1 where `distance` is 0, falling to 0 within half the thickness and an edge.
fn line(distance: f32, thickness: f32, edge: f32) -> f32 {
    cover(0.5 * thickness - distance.abs(), edge).min(thickness / edge)
}

impl Appearance {
    fn draw(rng: &mut impl RngExt) -> Self {
        Self {
            gain: [0.85 * factor(rng, 0.18), factor(rng, 0.15)],
            noise: [rng.random_range(9.0..26.0), rng.random_range(6.0..12.0)],
            shading: std::array::from_fn(|i| normal(rng, [0.10, 0.22, 0.05, 0.12, 0.14, 0.05, 0.06][i])),
        }
    }
}

impl Tissues {
    fn draw(rng: &mut impl RngExt) -> Self {
        Self {
            peripheral: tissue::PERIPHERAL.scaled(factor(rng, 0.14), factor(rng, 0.10), factor(rng, 0.07)),
            transition: tissue::TRANSITION.scaled(factor(rng, 0.12), factor(rng, 0.10), factor(rng, 0.07)),
            fat: tissue::FAT.scaled(factor(rng, 0.10), factor(rng, 0.3), 1.0),
            muscle: tissue::MUSCLE.scaled(factor(rng, 0.12), factor(rng, 0.12), factor(rng, 0.05)),
            vesicle: tissue::VESICLE.scaled(factor(rng, 0.18), factor(rng, 0.15), factor(rng, 0.08)),
        }
    }
}

impl Anatomy {
    /// Draws a patient. The order of the draws is part of what a seed stands for: another order is another patient.
    pub fn draw(rng: &mut impl RngExt) -> Self {
        let appearance = Appearance::draw(rng);
        let shift = [normal(rng, 2.5), normal(rng, 2.5), normal(rng, 3.0)];
        let (roll_sin, roll_cos) = normal(rng, 0.05).sin_cos();

        let enlargement = rng.random_range(0.0..1.0f32);
        let axes = [
            (22.0 + 5.0 * enlargement) * factor(rng, 0.07),
            (14.0 + 5.5 * enlargement) * factor(rng, 0.08),
            (18.5 + 5.5 * enlargement) * factor(rng, 0.08),
        ];
        let centre = [0.0, -6.0, 0.0];
        let prostate = Blob::draw(centre, axes, 0.08, 0.035, rng);
        let transition = Self::draw_transition(rng, centre, axes, enlargement);
        let stroma = Self::draw_stroma(rng, centre, axes);
        let urethra = Self::draw_urethra(rng, centre, axes);
        let ducts = Self::draw_ducts(rng, centre, axes);
        let (rectum, rectum_aspect, gas_level) = Self::draw_rectum(rng, centre[1] + axes[1]);

        let mut anatomy = Self {
            appearance,
            shift,
            roll: [roll_cos, roll_sin],
            body: Blob::ellipsoid(
                [0.0, rng.random_range(-3.0..3.0), 0.0],
                [rng.random_range(82.0..100.0), rng.random_range(52.0..60.0), 900.0],
                [0.0; 3],
            ),
            muscles: Self::draw_muscles(rng),
            bones: Self::draw_bones(rng),
            symphysis: Blob::ellipsoid([0.0, -37.0, -12.0], [3.0, 9.0, 16.0], [0.2, 0.0, 0.0]),
            levator: Self::draw_levator(rng, centre, axes),
            bladder: Self::draw_bladder(rng, centre, axes),
            vesicles: Self::draw_vesicles(rng, centre, axes),
            rectum,
            rectum_aspect,
            gas_level,
            vessels: Self::draw_vessels(rng, centre, axes),
            prostate,
            transition,
            stroma,
            urethra,
            ducts,
            septa: [
                rng.random_range(14.0..26.0f32).round(),
                rng.random_range(0.0..TAU),
                rng.random_range(0.0..TAU),
                rng.random_range(0.15..0.45),
            ],
            patches: Vec::new(),
            nodules: Vec::new(),
            lesions: Vec::new(),
            tissues: Tissues::draw(rng),
        };
        anatomy.draw_benign(rng, enlargement);
        anatomy.draw_lesions(rng);
        anatomy
    }

    /// The transition zone: the more of the gland, the more that is enlarged.
    fn draw_transition(rng: &mut impl RngExt, centre: Point, axes: Point, enlargement: f32) -> Blob {
        let share = 0.62 + 0.26 * enlargement;
        Blob::draw(
            [normal(rng, 1.2), centre[1] - 0.24 * axes[1], centre[2] + 0.16 * axes[2]],
            [share * axes[0] * 0.98, share * axes[1] * 0.98, share * axes[2] * 1.02],
            0.10,
            0.05,
            rng,
        )
    }

    /// The anterior fibromuscular stroma.
    fn draw_stroma(rng: &mut impl RngExt, centre: Point, axes: Point) -> Blob {
        Blob::draw(
            [0.0, centre[1] - 0.95 * axes[1], centre[2]],
            [rng.random_range(0.35..0.55) * axes[0], rng.random_range(0.18..0.32) * axes[1], 0.8 * axes[2]],
            0.08,
            0.05,
            rng,
        )
    }

    fn draw_urethra(rng: &mut impl RngExt, centre: Point, axes: Point) -> Tube {
        let at = [0.0, centre[1] - 0.12 * axes[1]];
        let radius = rng.random_range(1.2..2.2);
        Tube::draw(at, radius, 0.06, 0.8, rng).between(-60.0, centre[2] + 0.9 * axes[2])
    }

    /// The ejaculatory ducts.
    fn draw_ducts(rng: &mut impl RngExt, centre: Point, axes: Point) -> Vec<Tube> {
        let y = centre[1] + 0.35 * axes[1];
        [-1.6f32, 1.6]
            .into_iter()
            .map(|x| Tube::draw([x, y], 0.9, 0.05, 0.4, rng).between(centre[2], centre[2] + axes[2]))
            .collect()
    }

    /// The rectum behind a gland that ends at `back`, its aspect, and the level of gas in its lumen.
    fn draw_rectum(rng: &mut impl RngExt, back: f32) -> (Tube, f32, f32) {
        let radius = rng.random_range(9.0..14.0f32);
        let aspect = rng.random_range(1.05..1.45f32);
        let at = [normal(rng, 2.0), back + radius + rng.random_range(1.0..3.0)];
        let tube = Tube::draw(at, radius, 0.08, 1.5, rng);
        (tube, aspect, rng.random_range(-1.2..1.2) * radius)
    }

    fn draw_levator(rng: &mut impl RngExt, centre: Point, axes: Point) -> [f32; 5] {
        [
            centre[1] + 0.7 * axes[1],
            axes[0] + rng.random_range(4.0..7.0),
            axes[1] + rng.random_range(9.0..13.0),
            rng.random_range(1.2..2.2),
            rng.random_range(2.0..12.0),
        ]
    }

    fn draw_bladder(rng: &mut impl RngExt, centre: Point, axes: Point) -> Blob {
        Blob::draw(
            [normal(rng, 2.0), centre[1] - 8.0, centre[2] + axes[2] + rng.random_range(16.0..24.0)],
            [rng.random_range(26.0..40.0), rng.random_range(18.0..28.0), rng.random_range(18.0..24.0)],
            0.08,
            0.04,
            rng,
        )
    }

    /// The seminal vesicles.
    fn draw_vesicles(rng: &mut impl RngExt, centre: Point, axes: Point) -> Vec<Blob> {
        let z = centre[2] + axes[2];
        [-1.0f32, 1.0]
            .into_iter()
            .flat_map(|side| {
                [(8.0, 1.5), (17.0, 5.0)].map(|(x, lift)| {
                    let at = [side * x, centre[1] + 0.75 * axes[1], z + lift];
                    let size =
                        [rng.random_range(6.5..9.5), rng.random_range(3.5..6.0), rng.random_range(4.0..7.0)];
                    Blob::draw(at, size, 0.35, 0.09, rng)
                })
            })
            .collect()
    }

    fn draw_muscles(rng: &mut impl RngExt) -> Vec<Blob> {
        [-1.0f32, 1.0]
            .into_iter()
            .flat_map(|side| {
                let x = rng.random_range(41.0..45.0f32);
                let width = rng.random_range(6.5..9.5);
                [
                    // Obturator internus, and the pectineus in front of it.
                    Blob::draw([side * x, -4.0, -4.0], [width, 27.0, 60.0], 0.06, 0.04, rng),
                    Blob::draw([side * 40.0, -42.0, -10.0], [15.0, 10.0, 26.0], 0.12, 0.05, rng),
                    // Gluteus, at the back corners.
                    Blob::draw([side * 40.0, 46.0, -6.0], [19.0, 11.0, 60.0], 0.10, 0.05, rng),
                ]
            })
            .collect()
    }

    fn draw_bones(rng: &mut impl RngExt) -> Vec<Blob> {
        let mut bones = Vec::new();
        for side in [-1.0f32, 1.0] {
            let at = [side * rng.random_range(14.0..17.0), -38.0, -14.0];
            bones.push(Blob::draw(at, [13.0, rng.random_range(7.0..10.0), 17.0], 0.12, 0.05, rng));
            bones.push(Blob::draw([side * 58.0, -6.0, 2.0], [9.0, 24.0, 40.0], 0.08, 0.04, rng));
        }
        // Coccyx and sacrum.
        bones.push(Blob::draw([normal(rng, 1.5), 46.0, 18.0], [10.0, 7.0, 22.0], 0.12, 0.05, rng));
        bones
    }

    fn draw_vessels(rng: &mut impl RngExt, centre: Point, axes: Point) -> Vec<(Tube, Tissue)> {
        let mut vessels = Vec::new();
        let mut add = |rng: &mut _, angle: f32, away: f32, radius: f32, tissue: Tissue| {
            let at = [centre[0] + (axes[0] + away) * angle.cos(), centre[1] + (axes[1] + away) * angle.sin()];
            vessels.push((Tube::draw(at, radius, 0.12, 1.2, rng), tissue));
        };
        for side in [1.0f32, -1.0] {
            // Neurovascular bundles at five and seven o'clock.
            for k in 0..rng.random_range(4..8) {
                let angle = TAU / 4.0 - side * rng.random_range(0.45..0.95);
                let away = rng.random_range(1.5..5.0);
                let radius = rng.random_range(0.6..1.5);
                let tissue = if k % 3 == 0 { tissue::NERVE } else { tissue::VEIN };
                add(rng, angle, away, radius, tissue);
            }
        }
        // Periprostatic veins in front and at the sides.
        for _ in 0..rng.random_range(12..22) {
            let angle = -TAU / 4.0 + rng.random_range(-2.0..2.0f32);
            let (away, radius) = (rng.random_range(1.8..8.0), rng.random_range(0.6..2.0));
            let tissue = if rng.random_bool(0.75) { tissue::VEIN } else { tissue::NERVE };
            add(rng, angle, away, radius, tissue);
        }
        // Small vessels and fascia in the fat round about.
        for _ in 0..rng.random_range(30..46) {
            let angle = rng.random_range(0.0..TAU);
            let (away, radius) = (rng.random_range(9.0..26.0), rng.random_range(0.5..1.4));
            let tissue = if rng.random_bool(0.4) { tissue::VEIN } else { tissue::NERVE };
            add(rng, angle, away, radius, tissue);
        }
        vessels
    }

    /// A point of the gland for which `wanted` says yes; gives up after many tries.
    fn place(&self, rng: &mut impl RngExt, wanted: impl Fn(Point) -> bool) -> Option<Point> {
        for _ in 0..400 {
            let p: Point = std::array::from_fn(|a| {
                self.prostate.centre[a] + self.prostate.axes[a] * rng.random_range(-1.0..1.0f32)
            });
            if self.prostate.depth(p) > 0.5 && wanted(p) {
                return Some(p);
            }
        }
        None
    }

    fn is_transition(&self, p: Point) -> bool {
        self.transition.depth(p) > 0.0 || self.stroma.depth(p) > 0.0
    }

    /// BPH nodules, haemorrhage, inflammation: what looks like cancer in one image and is none.
    fn draw_benign(&mut self, rng: &mut impl RngExt, enlargement: f32) {
        let nodules = rng.random_range(0..3) + (5.0 * enlargement) as usize;
        for _ in 0..nodules {
            let size = rng.random_range(2.5..5.0 + 4.0 * enlargement);
            let Some(at) = self.place(rng, |p| self.transition.depth(p) > 0.45 * size) else { continue };
            let axes = std::array::from_fn(|_| size * factor(rng, 0.15));
            let glandular = rng.random_bool(0.55);
            let base = if glandular { tissue::NODULE_GLANDULAR } else { tissue::NODULE_STROMAL };
            self.nodules.push(Region {
                blob: Blob::draw(at, axes, 0.5, 0.05, rng),
                tissue: base.scaled(factor(rng, 0.18), factor(rng, 0.10), factor(rng, 0.10)),
                strength: rng.random_range(0.6..1.0),
                rim: rng.random_bool(0.8),
            });
        }
        for _ in 0..rng.random_range(0..3) {
            let Some(at) = self.place(rng, |p| !self.is_transition(p)) else { continue };
            let axes = [rng.random_range(3.0..9.0), rng.random_range(2.5..5.0), rng.random_range(4.0..10.0)];
            self.patches.push(Region {
                blob: Blob::draw(at, axes, 0.5, 0.10, rng),
                tissue: tissue::INFLAMED.scaled(factor(rng, 0.15), factor(rng, 0.05), factor(rng, 0.08)),
                strength: rng.random_range(0.35..0.9),
                rim: false,
            });
        }
        for _ in 0..rng.random_range(0..3) {
            let Some(at) = self.place(rng, |p| !self.is_transition(p)) else { continue };
            let axes = [rng.random_range(2.5..7.0), rng.random_range(2.0..5.0), rng.random_range(3.0..8.0)];
            self.patches.push(Region {
                blob: Blob::draw(at, axes, 0.5, 0.10, rng),
                tissue: tissue::HAEMORRHAGE.scaled(factor(rng, 0.15), factor(rng, 0.05), factor(rng, 0.06)),
                strength: rng.random_range(0.6..1.0),
                rim: false,
            });
        }
    }

    /// Up to three lesions, seven of ten in the peripheral zone.
    fn draw_lesions(&mut self, rng: &mut impl RngExt) {
        let draw = rng.random_range(0.0..1.0f32);
        let count = [0.36, 0.74, 0.93, 1.1].iter().position(|limit| draw < *limit).unwrap_or(0);
        for _ in 0..count {
            let peripheral = rng.random_bool(0.7);
            let size = rng.random_range(2.2..7.5f32);
            let Some(at) = self.place(rng, |p| {
                let zone_fits = self.is_transition(p) != peripheral;
                zone_fits && (!peripheral || p[1] > self.prostate.centre[1] - 0.2 * self.prostate.axes[1])
            }) else {
                continue;
            };
            let axes =
                [size * factor(rng, 0.2), size * 0.8 * factor(rng, 0.2), size * 1.1 * factor(rng, 0.2)];
            self.lesions.push(Region {
                blob: Blob::draw(at, axes, 0.6, 0.08, rng),
                tissue: tissue::LESION.scaled(factor(rng, 0.14), factor(rng, 0.12), factor(rng, 0.12)),
                strength: rng.random_range(0.5..1.0),
                rim: false,
            });
        }
    }

    /// Whether there is a lesion of at least 0.2 ml that is distinguishable from its surroundings.
    pub fn is_significant(&self) -> bool {
        self.lesions.iter().any(|l| l.blob.volume_ml() >= 0.2 && l.strength >= 0.6)
    }

    /// What is at world position `world` (mm, LPS); surfaces are blurred over `edge` mm.
    pub fn sample(&self, world: Point, edge: f32) -> Sample {
        let q: Point = std::array::from_fn(|i| world[i] - self.shift[i]);
        let p = [self.roll[0] * q[0] + self.roll[1] * q[1], self.roll[0] * q[1] - self.roll[1] * q[0], q[2]];
        let inside = self.prostate.depth(p);
        let mut m = tissue::AIR;
        if inside < edge {
            m = self.surroundings(p, edge);
        }
        if inside <= -edge {
            return Sample { tissue: m, zone: 0, lesion: false };
        }
        m.cover(&self.gland(p, inside, edge), cover(inside, edge));
        let zone = match inside > 0.0 {
            false => 0,
            true if self.is_transition(p) => 2,
            true => 1,
        };
        let lesion = zone != 0 && self.lesions.iter().any(|l| l.blob.depth(p) > 0.0);
        Sample { tissue: m, zone, lesion }
    }

    fn surroundings(&self, p: Point, edge: f32) -> Tissue {
        let mut m = tissue::AIR;
        let skin = self.body.depth(p);
        m.cover(&self.tissues.fat, cover(skin, edge));
        m.cover(&self.tissues.muscle, line(skin - 0.8, 1.4, edge));
        if skin < -edge {
            return m;
        }
        for blob in &self.muscles {
            m.cover(&self.tissues.muscle, cover(blob.depth(p), edge));
        }
        for blob in &self.bones {
            let depth = blob.depth(p);
            m.cover(&tissue::CORTEX, cover(depth, edge));
            m.cover(&tissue::MARROW, cover(depth - 1.6, edge));
        }
        m.cover(&tissue::CARTILAGE, cover(self.symphysis.depth(p), edge));
        for (tube, tissue) in &self.vessels {
            m.cover(tissue, cover(tube.depth(p), edge));
        }
        let [y, half_x, half_y, thickness, top] = self.levator;
        let e = ((p[0] / half_x).powi(2) + ((p[1] - y) / half_y).powi(2)).sqrt();
        let band = thickness - (e - 1.0).abs() * half_x.min(half_y);
        m.cover(&self.tissues.muscle, cover(band.min(top - p[2]).min(p[1] + 14.0), edge));
        let bladder = self.bladder.depth(p);
        m.cover(&tissue::BLADDER_WALL, cover(bladder, edge));
        m.cover(&tissue::URINE, cover(bladder - 3.2, edge));
        for blob in &self.vesicles {
            let depth = blob.depth(p);
            m.cover(&tissue::DUCT_WALL, cover(depth, edge));
            m.cover(&self.tissues.vesicle, cover(depth - 0.7, edge));
            // Folded tubules.
            let fold = (1.9 * p[0] + 1.3 * p[1]).sin() * (1.7 * p[1] - 1.1 * p[2]).cos();
            m.cover(&tissue::DUCT_WALL, cover(depth - 0.7, edge) * ((fold - 0.35) * 2.0).clamp(0.0, 0.8));
        }
        self.cover_rectum(p, edge, &mut m);
        m
    }

    fn cover_rectum(&self, p: Point, edge: f32, m: &mut Tissue) {
        let [x, y] = self.rectum.offset(p);
        let r = ((x / self.rectum_aspect).powi(2) + y * y).sqrt();
        let depth = self.rectum.radius - r;
        if depth < -edge {
            return;
        }
        // The wall is folded: the lumen's outline waves.
        let fold = 0.9 * (5.0 * y.atan2(x) + 0.25 * p[2]).sin();
        m.cover(&tissue::RECTAL_MUSCLE, cover(depth, edge));
        m.cover(&tissue::MUCOSA, cover(depth - 2.0, edge));
        let lumen = if y < self.gas_level { tissue::GAS } else { tissue::STOOL };
        m.cover(&lumen, cover(depth - 4.2 - fold, edge));
    }

    fn gland(&self, p: Point, inside: f32, edge: f32) -> Tissue {
        let mut m = self.tissues.peripheral;
        let transition = self.transition.depth(p);
        if transition < edge {
            let [count, phase, phase_z, contrast] = self.septa;
            let centre = self.transition.centre;
            let angle = (p[1] - centre[1]).atan2(p[0] - centre[0]);
            let wave = (count * angle + phase + 1.5 * (0.22 * p[2] + phase_z).sin()).sin();
            m.cover(&tissue::DUCT_WALL, contrast * ((wave - 0.75) * 4.0).clamp(0.0, 1.0));
        }
        for patch in &self.patches {
            // No sharp border: these are diffuse.
            m.cover(&patch.tissue, patch.strength * cover(patch.blob.depth(p), edge + 2.0));
        }
        m.cover(&self.tissues.transition, cover(transition, edge));
        for nodule in &self.nodules {
            let depth = nodule.blob.depth(p).min(transition + 1.0);
            if depth > -edge {
                m.cover(&nodule.tissue, nodule.strength * cover(depth, edge));
                if nodule.rim {
                    m.cover(&tissue::NODULE_RIM, 0.8 * line(depth - 0.4, 0.8, edge));
                }
            }
        }
        m.cover(&tissue::CAPSULE, 0.75 * line(transition, 0.9, edge));
        m.cover(&tissue::STROMA, 0.9 * cover(self.stroma.depth(p), edge + 1.5));
        let urethra = self.urethra.depth(p);
        m.cover(&tissue::DUCT_WALL, cover(urethra + 1.0, edge));
        m.cover(&tissue::URETHRA, cover(urethra, edge));
        for duct in &self.ducts {
            m.cover(&tissue::URETHRA, 0.8 * cover(duct.depth(p), edge));
        }
        for lesion in &self.lesions {
            m.cover(&lesion.tissue, lesion.strength * cover(lesion.blob.depth(p), edge + 0.8));
        }
        m.cover(&tissue::CAPSULE, 0.85 * line(inside - 0.45, 0.9, edge));
        m
    }
}
