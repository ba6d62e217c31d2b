//! `metrics/dice_ce.safetensors`: the segmentation losses and their gradients.
//!
//! Tensors are `CASE.CONFIG.{logits,target,loss,grad_logits}`; a configuration `dice_only_CONFIG` has the
//! logits and the target of `CONFIG`.

use std::collections::BTreeSet;

use burn::tensor::{Int, Tensor, TensorData};
use transferscope_ml::loss::{DiceCe, dice_ce, dice_loss};

use crate::{
    Cases, Folder, Problem,
    networks::layers::case::{B, values},
};

pub const FILE: &str = "metrics/dice_ce.safetensors";
pub const TOLERANCES: &str = "metrics/loss_tolerances.json";

/// Class weights of `softmax_weighted`.
const WEIGHTS: [f32; 4] = [0.02, 0.04, 0.5, 0.5];
const DICE_ONLY: &str = "dice_only_";

/// Compares every loss of the file.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let file = folder.tensors(FILE)?;
    let tolerances = folder.tolerances(TOLERANCES)?;
    let losses: BTreeSet<&str> = file.names().filter_map(|n| n.strip_suffix(".loss")).collect();
    for loss in losses {
        let (case, config) = loss.split_once('.').unwrap_or((loss, ""));
        let plain = config.strip_prefix(DICE_ONLY);
        let inputs = format!("{case}.{}", plain.unwrap_or(config));
        let form = match plain.unwrap_or(config) {
            "sigmoid1" => DiceCe::Sigmoid,
            "softmax_nobg" => DiceCe::WithoutBackground,
            "softmax_weighted" => DiceCe::Weighted(WEIGHTS.to_vec()),
            _ => return Err(Problem::new(format!("{loss}: no check is for a loss of this name"))),
        };
        let (logits, target) =
            (file.get(&format!("{inputs}.logits"))?, file.get(&format!("{inputs}.target"))?);
        let &[batch, classes, ..] = logits.shape.as_slice() else {
            return Err(Problem::new(format!("{inputs}.logits has shape {:?}", logits.shape)));
        };
        let positions = logits.shape[2..].iter().product::<usize>();
        let fits = match form {
            DiceCe::Sigmoid => classes == 1,
            DiceCe::WithoutBackground => classes > 1,
            DiceCe::Weighted(_) => classes == WEIGHTS.len(),
        };
        if !fits || batch * positions == 0 || target.data.len() != batch * positions {
            let sizes = (&logits.shape, &target.shape);
            return Err(Problem::new(format!("{inputs}: logits and target have shapes {sizes:?}")));
        }
        let device = Default::default();
        let x = TensorData::new(logits.f32(), [batch, classes, positions]);
        let x = Tensor::<B, 3>::from_data(x, &device).require_grad();
        let labels: Vec<i64> = target.data.iter().map(|v| *v as i64).collect();
        let labels = TensorData::new(labels, [batch, 1, positions]);
        let labels = Tensor::<B, 3, Int>::from_data(labels, &device);
        let value = match plain {
            Some(_) => dice_loss(x.clone(), labels, &form, None),
            None => dice_ce(x.clone(), labels, &form, None),
        };
        let grads = value.clone().backward();
        let gradient = x.grad(&grads).map_or_else(Vec::new, values);
        for (what, ours) in [("loss", values(value)), ("grad_logits", gradient)] {
            let tensor = format!("{loss}.{what}");
            let tolerance = tolerances.of("dice_ce.safetensors", &tensor)?;
            cases.compare(FILE, &tensor, &ours, &file.get(&tensor)?.data, tolerance);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::FILE;
    use crate::tests::assert_file_passes;

    #[test]
    fn every_loss_passes() {
        assert_file_passes(FILE);
    }
}
