//! Position tables resized as the models without registers do it.

use burn::tensor::Tensor;
use burn_flex::Flex;
use transferscope_ml::{
    family::provicnet::vit::{DinoSize, Vit, VitConfig},
    params::{Fill, fill},
};

use crate::{Cases, Folder, Problem, Tolerance};

const FILE: &str = "models/dinov2_noreg_posembed.safetensors";
/// As the folder's description says.
const TOLERANCE: Tolerance = Tolerance::relative(1e-5);
/// Patches in each direction that are resized to at most.
const SIDE: usize = 256;

pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let tensors = folder.tensors(FILE)?;
    let table = tensors.get("pos_embed")?;
    let shape: Option<[usize; 3]> = table.shape.clone().try_into().ok();
    let odd = || Problem::new(format!("pos_embed has shape {:?}, which is no table", table.shape));
    let Some([1, n, dim]) = shape else { return Err(odd()) };
    let grid = n.saturating_sub(1).isqrt();
    if grid == 0 || grid * grid + 1 != n || grid > SIDE || dim == 0 {
        return Err(odd());
    }
    // No blocks: only the table matters.
    let config = VitConfig { grid, dim, hidden: dim, depth: 0, ..VitConfig::dinov2(DinoSize::Small, false) };
    let vit = Vit::<Flex>::new(&config, &Default::default());
    let vit = fill(vit, |name, _| match name {
        "pos_embed" => Fill::Values(table.f32()),
        _ => Fill::Keep,
    });
    for name in tensors.names() {
        let Some(size) = name.strip_prefix("resized_") else { continue };
        let sides = size
            .split_once('x')
            .and_then(|(rows, columns)| Some((rows.parse().ok()?, columns.parse().ok()?)));
        let Some((rows, columns)) = sides.filter(|(r, c)| (1..=SIDE).contains(r) && (1..=SIDE).contains(c))
        else {
            return Err(Problem::new(format!("{name} does not say a size of at most {SIDE}")));
        };
        let ours: Tensor<Flex, 3> = vit.position_table(rows, columns);
        let ours: Vec<f64> = ours.into_data().iter::<f64>().collect();
        cases.compare(FILE, name, &ours, &tensors.get(name)?.data, TOLERANCE);
    }
    Ok(())
}
