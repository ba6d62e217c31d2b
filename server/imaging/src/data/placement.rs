//! How slices lie in the patient, for people who look at them.

use transferscope_domain::dataset::view::Placement;

use super::Geometry;

/// Letters of the world's axes, each as (towards smaller values, towards larger ones): LPS.
const AXES: [(char, char); 3] = [('R', 'L'), ('A', 'P'), ('I', 'S')];

/// Letters and slice positions of a grid of `shape` `[D, H, W]`; an oblique axis has the letters of
/// the world axis that it is closest to.
pub fn placement(geometry: &Geometry, [_, height, width]: [usize; 3]) -> Placement {
    let m = &geometry.world_from_voxel;
    let letters = |axis: usize| {
        let size = |world: usize| m[world][axis].abs();
        let nearest = (0..3).max_by(|a, b| size(*a).total_cmp(&size(*b))).unwrap_or(axis);
        let (low, high) = AXES[nearest];
        if m[nearest][axis] < 0.0 { (high, low) } else { (low, high) }
    };
    let ((left, right), (top, bottom)) = (letters(0), letters(1));
    let step_mm = geometry.spacing_mm()[0];
    let centre = geometry.world([(width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0, 0.0]);
    // A grid that was checked when it was read has no step of zero.
    let first_mm = (0..3).map(|world| centre[world] * m[world][2] / step_mm).sum();
    Placement { left, right, top, bottom, first_mm, step_mm }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transverse_series_has_the_patient_s_right_on_the_left() {
        let p = placement(&Geometry::centred([3, 5, 5], [4.0, 1.0, 1.0]), [3, 5, 5]);
        assert_eq!((p.left, p.right, p.top, p.bottom), ('R', 'L', 'A', 'P'));
        assert_eq!((p.position_mm(0), p.position_mm(1), p.position_mm(2)), (-4.0, 0.0, 4.0));
    }

    #[test]
    fn a_sagittal_series_and_flipped_columns_are_told_apart() {
        // Columns run to the back, rows to the feet, slices to the left.
        let sagittal = Geometry::new(
            [1.0, 1.0, 3.0],
            [-30.0, 0.0, 50.0],
            [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]],
        );
        let p = placement(&sagittal, [10, 4, 4]);
        assert_eq!((p.left, p.right, p.top, p.bottom), ('A', 'P', 'S', 'I'));
        assert_eq!((p.first_mm, p.step_mm), (-30.0, 3.0));
        let flipped = placement(&sagittal.flipped(0, 4), [10, 4, 4]);
        assert_eq!((flipped.left, flipped.right), ('P', 'A'));
    }
}
