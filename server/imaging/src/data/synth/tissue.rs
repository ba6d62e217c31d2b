//! What tissue looks like to the scanner.

/// Signal properties of a tissue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tissue {
    /// T2-weighted signal, arbitrary units (fat about 600).
    pub t2w: f32,
    /// Diffusion signal at b = 0, fat suppressed, arbitrary units.
    pub s0: f32,
    /// Apparent diffusion coefficient in 1e-6 mm^2/s.
    pub adc: f32,
    /// Relative amplitude of fine texture (about a voxel).
    pub fine: f32,
    /// Relative amplitude of coarse texture (a few mm).
    pub coarse: f32,
}

const fn tissue(t2w: f32, s0: f32, adc: f32, fine: f32, coarse: f32) -> Tissue {
    Tissue { t2w, s0, adc, fine, coarse }
}

// Orders of magnitude follow published T2 and ADC values at 3 T (peripheral zone ADC about 1.6 to 1.9,
// transition zone 1.2 to 1.4, cancer 0.7 to 1.1, all 1e-3 mm^2/s); the signals are relative.
pub const AIR: Tissue = tissue(0.0, 0.0, 0.0, 0.0, 0.0);
pub const GAS: Tissue = tissue(12.0, 4.0, 0.0, 0.2, 0.2);
pub const FAT: Tissue = tissue(590.0, 45.0, 300.0, 0.05, 0.10);
pub const MUSCLE: Tissue = tissue(135.0, 230.0, 1350.0, 0.14, 0.10);
pub const CORTEX: Tissue = tissue(40.0, 20.0, 400.0, 0.1, 0.1);
pub const MARROW: Tissue = tissue(390.0, 60.0, 400.0, 0.08, 0.12);
pub const CARTILAGE: Tissue = tissue(240.0, 120.0, 1200.0, 0.1, 0.1);
pub const BLADDER_WALL: Tissue = tissue(180.0, 330.0, 1400.0, 0.1, 0.1);
pub const URINE: Tissue = tissue(880.0, 1000.0, 2900.0, 0.01, 0.02);
pub const RECTAL_MUSCLE: Tissue = tissue(165.0, 300.0, 1300.0, 0.12, 0.1);
pub const MUCOSA: Tissue = tissue(430.0, 520.0, 1350.0, 0.12, 0.1);
pub const STOOL: Tissue = tissue(330.0, 220.0, 1100.0, 0.25, 0.35);
pub const VEIN: Tissue = tissue(690.0, 330.0, 1900.0, 0.05, 0.05);
pub const NERVE: Tissue = tissue(230.0, 260.0, 1300.0, 0.05, 0.05);
pub const VESICLE: Tissue = tissue(640.0, 620.0, 1800.0, 0.25, 0.25);
pub const CAPSULE: Tissue = tissue(130.0, 300.0, 1250.0, 0.05, 0.05);
pub const PERIPHERAL: Tissue = tissue(540.0, 700.0, 1720.0, 0.11, 0.12);
pub const TRANSITION: Tissue = tissue(330.0, 560.0, 1350.0, 0.13, 0.22);
pub const STROMA: Tissue = tissue(150.0, 320.0, 1180.0, 0.10, 0.10);
pub const URETHRA: Tissue = tissue(520.0, 600.0, 1650.0, 0.06, 0.05);
pub const DUCT_WALL: Tissue = tissue(210.0, 380.0, 1250.0, 0.06, 0.05);
pub const LESION: Tissue = tissue(205.0, 660.0, 780.0, 0.07, 0.10);
pub const NODULE_GLANDULAR: Tissue = tissue(520.0, 640.0, 1620.0, 0.18, 0.28);
pub const NODULE_STROMAL: Tissue = tissue(190.0, 520.0, 1080.0, 0.10, 0.16);
pub const NODULE_RIM: Tissue = tissue(140.0, 330.0, 1200.0, 0.04, 0.04);
pub const HAEMORRHAGE: Tissue = tissue(250.0, 600.0, 1560.0, 0.09, 0.14);
pub const INFLAMED: Tissue = tissue(350.0, 660.0, 1400.0, 0.10, 0.16);

impl Tissue {
    /// Covers this tissue with `over`, `alpha` from 0 to 1.
    pub fn cover(&mut self, over: &Tissue, alpha: f32) {
        let mix = |a: f32, b: f32| a + (b - a) * alpha;
        self.t2w = mix(self.t2w, over.t2w);
        self.s0 = mix(self.s0, over.s0);
        self.adc = mix(self.adc, over.adc);
        self.fine = mix(self.fine, over.fine);
        self.coarse = mix(self.coarse, over.coarse);
    }

    /// The same tissue with its T2-weighted signal, diffusion signal and ADC multiplied.
    pub fn scaled(&self, t2w: f32, s0: f32, adc: f32) -> Tissue {
        Tissue { t2w: self.t2w * t2w, s0: self.s0 * s0, adc: self.adc * adc, ..*self }
    }
}
