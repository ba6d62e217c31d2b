//! Shapes as signed distances: positive inside, in mm along the ray from the centre.

use rand::RngExt;
use rand_distr::StandardNormal;

/// A point or vector in mm: x to the left, y to the back, z to the head.
pub type Point = [f32; 3];

fn normal(rng: &mut impl RngExt) -> f32 {
    rng.sample(StandardNormal)
}

/// An ellipsoid with its own axes, deformed by low-order harmonics of the direction.
#[derive(Debug, Clone)]
pub struct Blob {
    pub centre: Point,
    /// Half-axes in mm.
    pub axes: Point,
    /// Rows: the blob's axes in the world.
    rotation: [Point; 3],
    harmonics: [f32; Self::HARMONICS],
}

impl Blob {
    const HARMONICS: usize = 10;

    /// A blob turned by small random angles (standard deviation `tilt` in radians) and deformed by
    /// `roughness` (standard deviation of each harmonic, relative to the radius).
    pub fn draw(centre: Point, axes: Point, tilt: f32, roughness: f32, rng: &mut impl RngExt) -> Self {
        let angles: Point = std::array::from_fn(|_| tilt * normal(rng));
        let harmonics = std::array::from_fn(|_| roughness * normal(rng).clamp(-2.5, 2.5));
        Self { centre, axes, rotation: rotation(angles), harmonics }
    }

    /// A plain ellipsoid turned by `angles` about x, y and z.
    pub fn ellipsoid(centre: Point, axes: Point, angles: Point) -> Self {
        Self { centre, axes, rotation: rotation(angles), harmonics: [0.0; Self::HARMONICS] }
    }

    /// Distance inside the surface along the ray from the centre, in mm; negative outside.
    pub fn depth(&self, p: Point) -> f32 {
        let d: Point = std::array::from_fn(|i| p[i] - self.centre[i]);
        let local: Point = std::array::from_fn(|i| {
            (self.rotation[i][0] * d[0] + self.rotation[i][1] * d[1] + self.rotation[i][2] * d[2])
                / self.axes[i]
        });
        let r = (local[0] * local[0] + local[1] * local[1] + local[2] * local[2]).sqrt();
        let smallest = self.axes[0].min(self.axes[1]).min(self.axes[2]);
        if r < 1e-3 {
            return smallest;
        }
        // Far outside nobody needs the harmonics.
        let mm_per_unit = (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).sqrt() / r;
        if r > 3.0 {
            return (1.5 - r) * mm_per_unit;
        }
        let [x, y, z] = local.map(|v| v / r);
        let h = &self.harmonics;
        let surface = 1.0
            + h[0] * x
            + h[1] * y
            + h[2] * z
            + h[3] * 2.0 * x * y
            + h[4] * 2.0 * x * z
            + h[5] * 2.0 * y * z
            + h[6] * (x * x - y * y)
            + h[7] * (3.0 * z * z - 1.0) * 0.5
            + h[8] * x * (x * x - 3.0 * y * y)
            + h[9] * y * (y * y - 3.0 * x * x);
        (surface.max(0.3) - r) * mm_per_unit
    }

    /// Volume of the undeformed ellipsoid in ml.
    pub fn volume_ml(&self) -> f32 {
        4.0 / 3.0 * std::f32::consts::PI * self.axes.iter().product::<f32>() / 1000.0
    }
}

/// Rotation about x, then y, then z.
fn rotation(angles: Point) -> [Point; 3] {
    let [(sx, cx), (sy, cy), (sz, cz)] = angles.map(f32::sin_cos);
    [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
}

/// A tube round a line that winds along z.
#[derive(Debug, Clone)]
pub struct Tube {
    /// Where it passes z = 0.
    pub at: [f32; 2],
    /// Sideways movement in mm for each mm of z.
    pub slope: [f32; 2],
    /// Amplitude in mm and phase of a sine of 30 to 60 mm wavelength.
    wave: [f32; 4],
    frequency: f32,
    pub radius: f32,
    /// Range of z in which it exists.
    pub from_z: f32,
    pub to_z: f32,
}

impl Tube {
    /// A tube through `at`, leaning and winding a little.
    pub fn draw(at: [f32; 2], radius: f32, lean: f32, winding: f32, rng: &mut impl RngExt) -> Self {
        let slope = std::array::from_fn(|_| lean * normal(rng));
        let wave = [
            winding * normal(rng),
            winding * normal(rng),
            rng.random_range(0.0..std::f32::consts::TAU),
            rng.random_range(0.0..std::f32::consts::TAU),
        ];
        let frequency = std::f32::consts::TAU / rng.random_range(30.0..60.0f32);
        Self { at, slope, wave, frequency, radius, from_z: f32::NEG_INFINITY, to_z: f32::INFINITY }
    }

    /// Keeps only the part between two heights.
    pub fn between(mut self, from_z: f32, to_z: f32) -> Self {
        (self.from_z, self.to_z) = (from_z, to_z);
        self
    }

    /// Offset of `p` from the tube's line.
    pub fn offset(&self, p: Point) -> [f32; 2] {
        let z = p[2];
        [
            p[0] - self.at[0] - self.slope[0] * z - self.wave[0] * (self.frequency * z + self.wave[2]).sin(),
            p[1] - self.at[1] - self.slope[1] * z - self.wave[1] * (self.frequency * z + self.wave[3]).sin(),
        ]
    }

    /// Distance inside the wall in mm; negative outside.
    pub fn depth(&self, p: Point) -> f32 {
        let [x, y] = self.offset(p);
        let end = (p[2] - self.from_z).min(self.to_z - p[2]);
        (self.radius - (x * x + y * y).sqrt()).min(end)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn depth_is_exact_on_a_sphere() {
        let ball = Blob::ellipsoid([1.0, 2.0, 3.0], [5.0; 3], [0.3, 0.2, 0.1]);
        assert!((ball.depth([4.0, 2.0, 3.0]) - 2.0).abs() < 1e-4);
        assert!((ball.depth([1.0, 8.0, 3.0]) + 1.0).abs() < 1e-4);
        assert!((ball.volume_ml() - std::f32::consts::FRAC_PI_6).abs() < 1e-3);
    }

    #[test]
    fn deformed_blobs_stay_finite_and_closed() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        for _ in 0..50 {
            let blob = Blob::draw([0.0; 3], [20.0, 15.0, 18.0], 0.3, 0.05, &mut rng);
            assert!(blob.depth([0.0; 3]) > 0.0);
            for p in [[60.0, 0.0, 0.0], [0.0, -60.0, 1.0], [0.0, 1.0, 60.0]] {
                assert!(blob.depth(p) < 0.0 && blob.depth(p).is_finite());
            }
        }
    }
}
