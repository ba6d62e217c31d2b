//! Pairs of patches and what they cost.

use burn::tensor::Tensor;
use burn_flex::Flex;
use serde_json::Value;
use transferscope_ml::pretrain::contrast::{
    loss::pair_losses,
    pairs::{Negatives, OutOfGrid, Pair, PairRule, cell_counts, pairs},
};

use super::model::{published, tiny};
use crate::{Cases, Folder, Problem, Tensors, Tolerance, numbers};

const TENSORS: &str = "models/provicnet_contrast.safetensors";
const PAIRS: &str = "models/provicnet_contrast_pairs.json";
/// As the folder's description says.
const TOLERANCE: Tolerance = Tolerance::relative(1e-5);
/// Classes of cancer, indolent and clinically significant; all count in a patch.
const CANCER: [u8; 2] = [2, 3];

/// Slices, rows and columns of the grid of patches.
type Grid = [usize; 3];

pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let tensors = folder.tensors(TENSORS)?;
    let features = tensors.get("features")?.tensor::<Flex, 4>(&Default::default())?;
    let [s, e, h, w] = features.dims();
    let grid: Grid = [s, h, w];
    if grid.contains(&0) {
        return Err(Problem::new(format!("features have shape {:?}", features.dims())));
    }
    let model = published::<Flex>(folder, "provicnet_tiny", tiny(folder)?)?;
    let head = model.cl_head.as_ref().ok_or_else(|| Problem::new("no contrastive head"))?;
    let width = head.mlp.first.weight.dims()[0];
    if width != e {
        return Err(Problem::new(format!("features have {e} values, the contrastive head takes {width}")));
    }
    let tokens = features.reshape([s, e, h * w]).swap_dims(1, 2).reshape([s * h * w, e]);
    let projected = head.forward(tokens);

    let table = folder.json(PAIRS)?;
    let table = table.as_object().ok_or_else(|| Problem::new(format!("{PAIRS} is no table")))?;
    for (case, forms) in table {
        let by_class = counts(&tensors, case, grid)?;
        compare_counts(cases, &tensors, case, &by_class, grid)?;
        let counts: Vec<usize> = by_class[0].iter().zip(&by_class[1]).map(|(a, b)| a + b).collect();
        let forms = forms.as_object().ok_or_else(|| Problem::new(format!("{PAIRS}: {case} is no table")))?;
        for (form, expected) in forms {
            let negatives = match form.as_str() {
                "distant_negative=True" => Negatives::Distant,
                "distant_negative=False" => Negatives::Near,
                other => return Err(Problem::new(format!("{PAIRS}: {case} has an unknown form {other:?}"))),
            };
            let rule = PairRule { negatives, ..PairRule::PUBLISHED };
            let ours = all_pairs(&counts, grid, &rule);
            compare(cases, &format!("{case}/{form}"), ours, expected, &projected, grid)?;
        }
    }
    Ok(())
}

/// Pixels of each class of cancer in every cell, from the class map.
fn counts(tensors: &Tensors, case: &str, [s, h, w]: Grid) -> Result<[Vec<usize>; CANCER.len()], Problem> {
    let name = format!("labels.{case}");
    let labels = tensors.get(&name)?;
    let cell = labels.shape.last().map_or(0, |columns| columns / w);
    if cell == 0 || labels.shape != [s, h * cell, w * cell] {
        return Err(Problem::new(format!("{name} has shape {:?} for {s} x {h} x {w} cells", labels.shape)));
    }
    let labels: Vec<u8> = labels.data.iter().map(|v| *v as u8).collect();
    Ok(CANCER.map(|class| cell_counts(&labels, [h, w], cell, |label| label == class)))
}

/// In the file, `[S, class, h, w]`.
fn compare_counts(
    cases: &mut Cases,
    tensors: &Tensors,
    case: &str,
    by_class: &[Vec<usize>],
    [_, h, w]: Grid,
) -> Result<(), Problem> {
    let name = format!("counts.{case}");
    let slices = by_class[0].len() / (h * w);
    let of_slice = |s: usize| by_class.iter().flat_map(move |c| &c[s * h * w..(s + 1) * h * w]);
    let ours: Vec<f64> = (0..slices).flat_map(of_slice).map(|n| *n as f64).collect();
    cases.compare(TENSORS, &name, &ours, &tensors.get(&name)?.data, Tolerance::EXACT);
    Ok(())
}

/// Pairs of all slices, by index among all cells.
fn all_pairs(counts: &[usize], [_, h, w]: Grid, rule: &PairRule) -> Result<Vec<Pair>, OutOfGrid> {
    let mut all = Vec::new();
    for (s, counts) in counts.chunks_exact(h * w).enumerate() {
        let at = s * h * w;
        let of_slice = pairs(counts, [h, w], rule)?.into_iter();
        all.extend(of_slice.map(|p| Pair { anchor: at + p.anchor, other: at + p.other, ..p }));
    }
    Ok(all)
}

/// Holds our pairs against the listed ones, in order, and what each costs.
fn compare(
    cases: &mut Cases,
    name: &str,
    ours: Result<Vec<Pair>, OutOfGrid>,
    expected: &Value,
    projected: &Tensor<Flex, 2>,
    grid: Grid,
) -> Result<(), Problem> {
    let failed = !expected["error"].is_null();
    let ours = match ours {
        Ok(pairs) if !failed => pairs,
        Ok(_) => {
            cases.equal(PAIRS, name, Some("an index is out of range there, pairs were found here".into()));
            return Ok(());
        }
        Err(error) => {
            cases.equal(PAIRS, name, (!failed).then(|| error.to_string()));
            return Ok(());
        }
    };
    let theirs = listed(expected, name, grid)?;
    let first = ours.iter().zip(&theirs).position(|(a, b)| a != b);
    let differs = match first {
        Some(i) => Some(format!("pair {i} is {:?} here, {:?} in the file", ours[i], theirs[i])),
        None if ours.len() != theirs.len() => {
            Some(format!("{} pairs here, {} in the file", ours.len(), theirs.len()))
        }
        None => None,
    };
    let same = differs.is_none();
    cases.equal(PAIRS, &format!("{name}/pairs"), differs);
    if same && !ours.is_empty() {
        let costs = pair_losses(projected.clone(), &ours);
        let mean: Vec<f64> = costs.clone().mean().into_data().iter::<f64>().collect();
        let costs: Vec<f64> = costs.into_data().iter::<f64>().collect();
        for (part, ours) in [("loss_per_pair", costs), ("mean_loss_all_pairs", mean)] {
            cases.compare(PAIRS, &format!("{name}/{part}"), &ours, &numbers(&expected[part])?, TOLERANCE);
        }
    }
    Ok(())
}

/// The pairs of the file; there an index of -1 stands for the last.
fn listed(expected: &Value, name: &str, grid: Grid) -> Result<Vec<Pair>, Problem> {
    let wrong = |what: &str| Problem::new(format!("{PAIRS}: {name}: {what}"));
    let list = |key: &str| expected[key].as_array().ok_or_else(|| wrong(&format!("{key} is no list")));
    let cell = |value: &Value| -> Result<usize, Problem> {
        let indices =
            value.as_array().filter(|v| v.len() == 3).ok_or_else(|| wrong("a cell has three indices"))?;
        let mut flat = 0;
        for (index, n) in indices.iter().zip(grid) {
            let index = match index.as_i64() {
                Some(-1) => Some(n - 1),
                Some(i) => usize::try_from(i).ok().filter(|i| *i < n),
                None => None,
            };
            flat = flat * n + index.ok_or_else(|| wrong("an index lies outside the grid"))?;
        }
        Ok(flat)
    };
    let (anchors, others, labels) = (list("anchors")?, list("comparisons")?, list("labels")?);
    if anchors.len() != others.len() || anchors.len() != labels.len() {
        return Err(wrong("anchors, comparisons and labels differ in number"));
    }
    let mut pairs = Vec::with_capacity(anchors.len());
    for ((anchor, other), label) in anchors.iter().zip(others).zip(labels) {
        pairs.push(Pair { anchor: cell(anchor)?, other: cell(other)?, positive: *label == 1 });
    }
    Ok(pairs)
}
