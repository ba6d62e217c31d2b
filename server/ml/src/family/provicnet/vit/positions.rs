//! The table of positions, resized to the patches of an image at every forward pass.

use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::nn::resize::{antialiased_bicubic, bicubic};

/// How a position table is resized.
///
/// # Source
/// DINOv2's `interpolate_pos_encoding` with its `interpolate_antialias` and `interpolate_offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PositionResize {
    /// Anti-aliased bicubic to the wanted size: models with registers.
    Antialiased,
    /// Plain bicubic by the factor `(n + offset) / grid`: models without, whose published offset of 0.1
    /// was to keep rounding from losing a row, and shifts the samples by a little.
    Offset(f64),
}

impl PositionResize {
    /// Of the published models with registers.
    pub const SMOOTH: Self = Self::Antialiased;
    /// Of the published models without.
    pub const SCALED: Self = Self::Offset(0.1);

    /// Of the published models with so many registers.
    pub fn of_registers(registers: usize) -> Self {
        if registers > 0 { Self::SMOOTH } else { Self::SCALED }
    }

    /// Row-major `[to, grid]`.
    fn matrix(self, grid: usize, to: usize) -> Vec<f32> {
        match self {
            Self::Antialiased => antialiased_bicubic(grid, to),
            Self::Offset(offset) => bicubic(grid, to, grid as f64 / (to as f64 + offset)),
        }
    }

    /// A table of `grid x grid` patches, resized to `rows x columns`; the table itself where that is
    /// its size.
    ///
    /// # Shapes
    /// `[1, grid * grid, E]` -> `[1, rows * columns, E]`.
    pub fn resize<B: Backend>(
        self,
        table: Tensor<B, 3>,
        grid: usize,
        [rows, columns]: [usize; 2],
    ) -> Tensor<B, 3> {
        if [rows, columns] == [grid, grid] {
            return table;
        }
        let e = table.dims()[2];
        let device = table.device();
        let matrix = |to: usize| {
            Tensor::<B, 2>::from_data(TensorData::new(self.matrix(grid, to), [to, grid]), &device)
        };
        // Columns first, then rows, as upstream does.
        let by_row = table.reshape([grid, grid, e]);
        let wide = matrix(columns).unsqueeze::<3>().expand([grid, columns, grid]).matmul(by_row);
        let tall = matrix(rows).matmul(wide.reshape([grid, columns * e]));
        tall.reshape([1, rows * columns, e])
    }
}
