//! What masked pre-training shares between networks: cells of a volume, which of them are hidden, and
//! the error on those.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

/// Cuts a volume into cells of `size` voxels and lists each cell's values, image fastest.
///
/// # Shapes
/// `[B, C, D, H, W]` -> `[B, cells, size voxels * C]`, cells in the order D, H, W; a remainder is cut off.
pub fn cells<B: Backend>(x: Tensor<B, 5>, size: [usize; 3]) -> Tensor<B, 3> {
    let [b, c, d, h, w] = x.dims();
    let [sd, sh, sw] = size;
    let (gd, gh, gw) = (d / sd, h / sh, w / sw);
    x.slice([0..b, 0..c, 0..gd * sd, 0..gh * sh, 0..gw * sw])
        .reshape([b, c, gd, sd, gh, sh, gw, sw])
        .permute([0, 2, 4, 6, 3, 5, 7, 1])
        .reshape([b, gd * gh * gw, sd * sh * sw * c])
}

/// The way back from [`cells`]: volumes of the size `[C, D, H, W]`, which cells of `size` fill.
///
/// # Shapes
/// `[B, cells, size voxels * C]` -> `[B, C, D, H, W]`.
pub fn from_cells<B: Backend>(
    cells: Tensor<B, 3>,
    size: [usize; 3],
    [c, d, h, w]: [usize; 4],
) -> Tensor<B, 5> {
    let b = cells.dims()[0];
    let [sd, sh, sw] = size;
    cells
        .reshape([b, d / sd, h / sh, w / sw, sd, sh, sw, c])
        .permute([0, 7, 1, 4, 2, 5, 3, 6])
        .reshape([b, c, d, h, w])
}

/// Mean and (unbiased) deviation of every cell over its voxels and images together.
///
/// # Shapes
/// `[B, cells, values]` -> `[B, cells, 1]` each.
pub fn statistics<B: Backend>(cells: Tensor<B, 3>) -> (Tensor<B, 3>, Tensor<B, 3>) {
    let mean = cells.clone().mean_dim(2);
    let deviation = (cells.var(2) + 1e-6).sqrt();
    (mean, deviation)
}

/// Every cell with mean 0 and unbiased variance 1 over its voxels and images together.
///
/// # Shapes
/// `[B, cells, values]` -> the same.
pub fn standardised<B: Backend>(cells: Tensor<B, 3>) -> Tensor<B, 3> {
    let (mean, deviation) = statistics(cells.clone());
    (cells - mean) / deviation
}

/// Mean squared error on hidden cells.
///
/// # Shapes
/// `pred` and `target [B, cells, values]`, `hidden [B, cells]` of 0 and 1 -> `[1]`.
pub fn masked_error<B: Backend>(
    pred: Tensor<B, 3>,
    target: Tensor<B, 3>,
    hidden: Tensor<B, 2>,
) -> Tensor<B, 1> {
    let [b, cells, _] = target.dims();
    let error = (pred - target).square().mean_dim(2).reshape([b, cells]);
    (error * hidden.clone()).sum() / hidden.sum()
}

/// As [`masked_error`], and 0 where no cell is hidden.
pub fn masked_error_of_some<B: Backend>(
    pred: Tensor<B, 3>,
    target: Tensor<B, 3>,
    hidden: Tensor<B, 2>,
) -> Tensor<B, 1> {
    let [b, cells, _] = target.dims();
    let error = (pred - target).square().mean_dim(2).reshape([b, cells]);
    (error * hidden.clone()).sum() / hidden.sum().clamp_min(1.0)
}

/// Which cells of each sample an encoder sees, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masking {
    /// All cells of each sample, the visible ones first.
    order: Vec<Vec<usize>>,
    visible: usize,
}

impl Masking {
    /// The `visible` cells with the least noise, in its order; one list of noise a sample.
    ///
    /// # Panics
    /// When samples have different numbers of cells, or fewer than `visible`.
    pub fn from_noise(noise: &[Vec<f32>], visible: usize) -> Self {
        let cells = noise.first().map_or(0, Vec::len);
        assert!(noise.iter().all(|n| n.len() == cells) && visible <= cells, "{visible} of {cells} cells");
        let order = noise.iter().map(|noise| {
            let mut order: Vec<usize> = (0..cells).collect();
            order.sort_by(|a, b| noise[*a].total_cmp(&noise[*b]));
            order
        });
        Self { order: order.collect(), visible }
    }

    /// Cells in their own order; `hidden` says which are not seen. None when samples have different
    /// numbers of cells, in all or to see.
    pub fn from_hidden(hidden: &[Vec<bool>]) -> Option<Self> {
        let first = hidden.first()?;
        let count = |hidden: &[bool]| hidden.iter().filter(|h| !**h).count();
        let visible = count(first);
        if hidden.iter().any(|h| h.len() != first.len() || count(h) != visible) {
            return None;
        }
        let order = hidden.iter().map(|hidden| {
            let (seen, unseen): (Vec<usize>, Vec<usize>) = (0..hidden.len()).partition(|i| !hidden[*i]);
            [seen, unseen].concat()
        });
        Some(Self { order: order.collect(), visible })
    }

    pub fn samples(&self) -> usize {
        self.order.len()
    }

    /// Cells of a sample.
    pub fn cells(&self) -> usize {
        self.order.first().map_or(0, Vec::len)
    }

    /// Cells of a sample that are seen.
    pub fn visible(&self) -> usize {
        self.visible
    }

    /// The place of each cell among the ordered ones, by sample.
    pub fn restore(&self) -> Vec<Vec<usize>> {
        let inverse = |order: &Vec<usize>| {
            let mut places = vec![0; order.len()];
            for (place, cell) in order.iter().enumerate() {
                places[*cell] = place;
            }
            places
        };
        self.order.iter().map(inverse).collect()
    }

    /// 1 where a cell is hidden, `[B, cells]`.
    pub fn hidden<B: Backend>(&self, device: &B::Device) -> Tensor<B, 2> {
        let mut hidden = vec![1.0f32; self.samples() * self.cells()];
        for (sample, order) in hidden.chunks_mut(self.cells().max(1)).zip(&self.order) {
            order[..self.visible].iter().for_each(|cell| sample[*cell] = 0.0);
        }
        Tensor::from_data(TensorData::new(hidden, [self.samples(), self.cells()]), device)
    }

    /// Tokens of the visible cells.
    ///
    /// # Shapes
    /// `[B, cells, E]` -> `[B, visible, E]`.
    pub fn take_visible<B: Backend>(&self, tokens: Tensor<B, 3>) -> Tensor<B, 3> {
        let seen: Vec<Vec<usize>> = self.order.iter().map(|order| order[..self.visible].to_vec()).collect();
        take(tokens, &seen)
    }

    /// Brings ordered tokens, visible ones first, back to the order of the cells.
    ///
    /// # Shapes
    /// `[B, cells, E]` -> the same.
    pub fn put_back<B: Backend>(&self, tokens: Tensor<B, 3>) -> Tensor<B, 3> {
        take(tokens, &self.restore())
    }
}

/// Tokens of each sample by number: `[B, N, E]` -> `[B, picks, E]`.
fn take<B: Backend>(tokens: Tensor<B, 3>, picks: &[Vec<usize>]) -> Tensor<B, 3> {
    let [b, n, e] = tokens.dims();
    let rows: Vec<i64> = picks
        .iter()
        .enumerate()
        .flat_map(|(s, picks)| picks.iter().map(move |i| (s * n + i) as i64))
        .collect();
    let count = rows.len();
    let rows = Tensor::<B, 1, Int>::from_data(TensorData::new(rows, [count]), &tokens.device());
    tokens.reshape([b * n, e]).select(0, rows).reshape([b, count / b.max(1), e])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;
    use burn_flex::Flex;

    #[test]
    fn tokens_are_taken_by_noise_and_put_back() {
        let device = Default::default();
        let masking = Masking::from_noise(&[vec![0.5, 0.1, 0.9, 0.3], vec![0.0, 1.0, 0.2, 0.1]], 2);
        assert_eq!(masking.restore(), [[2, 0, 3, 1], [0, 3, 2, 1]]);
        let hidden = masking.hidden::<Flex>(&device).into_data().to_vec::<f32>().unwrap();
        assert_eq!(hidden, [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
        let tokens =
            Tensor::<Flex, 3>::from_floats([[[0.], [1.], [2.], [3.]], [[10.], [11.], [12.], [13.]]], &device);
        let values = |t: Tensor<Flex, 3>| t.into_data().to_vec::<f32>().unwrap();
        let seen = masking.take_visible(tokens.clone());
        let unseen = take(tokens.clone(), &[vec![0, 2], vec![2, 1]]);
        assert_eq!(values(seen.clone()), [1., 3., 10., 13.]);
        assert_eq!(values(masking.put_back(Tensor::cat(vec![seen, unseen], 1))), values(tokens));
    }

    #[test]
    fn given_masks_keep_the_order_of_cells_and_must_be_alike() {
        let masking = Masking::from_hidden(&[vec![true, false, true, false]]).unwrap();
        assert_eq!((masking.visible(), masking.cells(), masking.samples()), (2, 4, 1));
        assert_eq!(masking.restore(), [[2, 0, 3, 1]]);
        assert_eq!(Masking::from_hidden(&[vec![true, false], vec![true, true]]), None);
        assert_eq!(Masking::from_hidden(&[vec![true, false], vec![true]]), None);
        assert_eq!(Masking::from_hidden(&[]), None);
    }

    #[test]
    fn cells_are_listed_with_image_types_fastest_and_standardised() {
        let device = Default::default();
        let x = Tensor::<Flex, 5>::random([1, 2, 4, 4, 7], Distribution::Default, &device);
        let t = cells(x.clone(), [4, 2, 3]);
        assert_eq!(t.dims(), [1, 4, 48]);
        let voxel = |c: usize, d: usize, h: usize, w: usize| {
            x.clone().slice([0..1, c..c + 1, d..d + 1, h..h + 1, w..w + 1]).into_scalar()
        };
        // Cell 3 is the second in height and width; value 2 * 7 + 1 is its eighth voxel's second type.
        let value = t.clone().slice([0..1, 3..4, 15..16]).into_scalar();
        assert_eq!(value, voxel(1, 1, 2, 4));
        let whole = x.clone().slice([0..1, 0..2, 0..4, 0..4, 0..6]);
        let back = from_cells(t.clone(), [4, 2, 3], [2, 4, 4, 6]);
        assert_eq!((back - whole).abs().max().into_scalar(), 0.0);
        let t = standardised(t);
        assert!(t.clone().mean_dim(2).abs().max().into_scalar() < 1e-4);
        assert!((t.var(2) - 1.0).abs().max().into_scalar() < 1e-3);
    }
}
