//! Times of single operations on arrays of usual size: `cargo run --example measure`.

use std::time::Instant;

use transferscope_imaging::{
    augment::{Augmentation, Crop, Grid, Recipe},
    metrics::{SurfaceDistances, squared_distance, ssim3d},
    random::stream,
};

/// Prints the least of ten times.
fn least(what: &str, work: impl Fn(usize)) {
    let times = (0..10).map(|i| {
        let start = Instant::now();
        work(i);
        start.elapsed().as_secs_f64() * 1e3
    });
    println!("{what}: {:.2} ms", times.fold(f64::INFINITY, f64::min));
}

/// A ball in 20 x 256 x 256 voxels of 3 x 0.5 x 0.5 mm.
fn ball(centre_mm: [f64; 3], radius_mm: f64) -> Vec<u8> {
    let inside = |i: usize| {
        let at = [(i / 65536) as f64 * 3.0, (i / 256 % 256) as f64 * 0.5, (i % 256) as f64 * 0.5];
        let square: f64 = (0..3).map(|a| (at[a] - centre_mm[a]).powi(2)).sum();
        u8::from(square < radius_mm * radius_mm)
    };
    (0..20 * 256 * 256).map(inside).collect()
}

fn main() {
    let (shape, spacing) = ([20, 256, 256], [3.0, 0.5, 0.5]);
    let (a, b) = (ball([30.0, 64.0, 64.0], 22.0), ball([32.0, 67.0, 62.0], 24.0));
    least("HD95 and ASSD of two glands, 20x256x256", |_| {
        let found = SurfaceDistances::between(&a, &b, 1, shape, spacing).expect("both masks have voxels");
        assert!(found.hd95() > found.assd());
    });
    let set: Vec<bool> = a.iter().map(|v| *v == 1).collect();
    least("distance map, 20x256x256", |_| {
        assert_eq!(squared_distance(&set, shape, spacing).len(), set.len());
    });
    let grid = Grid { shape: [32, 96, 96], spacing_mm: [3.0, 1.0, 1.0] };
    let image: Vec<f32> = (0..32 * 96 * 96).map(|i| (i as f32 * 0.37).sin()).collect();
    least("SSIM, 32x96x96", |_| assert!(ssim3d(&image, &image, grid.shape, 1.0) > 0.99));
    let labels = vec![1u8; image.len()];
    for (what, recipe) in [("usual recipe", Recipe::default()), ("no change", Recipe::none())] {
        least(&format!("augmentation of three images and labels, 32x96x96, {what}"), |draw| {
            let augmentation = Augmentation::draw(&recipe, &mut stream(1, &draw.to_string()));
            let warp = augmentation.spatial(grid, Crop::whole(grid.shape));
            let (mut images, _) = warp.apply(&[&image, &image, &image], &[&labels]);
            for (channel, values) in images.iter_mut().enumerate() {
                augmentation.intensity(channel, values, grid.shape);
            }
        });
    }
}
