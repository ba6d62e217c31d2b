//! Filling an encoder from tensors by name.

use std::collections::{HashMap, HashSet};

use burn::{module::Module, tensor::backend::Backend};
use transferscope_domain::report::LoadReport;

use super::{error::CheckpointError, key_map::EncoderWeights};
use crate::{
    family,
    params::{Fill, NamedTensor, fill, within_encoder},
};

/// Fills the encoder of `module` (its parameters named `encoder.*`) from `weights`; what belongs to
/// heads on either side is left alone. A position table of another size is resized. Where `module` has an
/// encoder for each of `images` (`encoder.0.*`, `encoder.1.*`), each takes its own weights
/// (`encoder.t2w.*`) where the file has them by image, and the shared ones where it does not.
///
/// # Errors
/// When an encoder parameter is missing or has another shape: a run must not start from a half
/// loaded encoder.
pub fn load_encoder<B: Backend, M: Module<B>>(
    module: M,
    path: &str,
    weights: &EncoderWeights,
    images: &[&str],
) -> Result<(M, LoadReport), CheckpointError> {
    let by_name: HashMap<&str, &NamedTensor> = weights.tensors.iter().map(|t| (t.name.as_str(), t)).collect();
    let mut report = LoadReport { source: path.to_owned(), ..LoadReport::default() };
    let mut wrong = None;
    let mut used = HashSet::new();
    let module = fill(module, |name, shape| {
        if within_encoder(name).is_none() {
            return Fill::Keep;
        }
        let Some(tensor) = stored_names(name, images).iter().find_map(|n| by_name.get(n.as_str())) else {
            report.missing.push(name.to_owned());
            return Fill::Keep;
        };
        let (list, values) = if tensor.shape == shape {
            let defaulted = weights.defaulted.contains(&tensor.name);
            let list = if defaulted { &mut report.defaulted } else { &mut report.applied };
            (list, tensor.data.clone())
        } else if let Some(values) = family::resized(tensor, shape, &by_name) {
            (&mut report.reshaped, values)
        } else {
            wrong.get_or_insert_with(|| CheckpointError::Shape {
                path: path.into(),
                name: name.into(),
                found: tensor.shape.clone(),
                expected: shape.to_vec(),
            });
            return Fill::Keep;
        };
        list.push(name.to_owned());
        used.insert(tensor.name.clone());
        Fill::Values(values)
    });
    if let Some(error) = wrong {
        return Err(error);
    }
    if let Some(first) = report.missing.first() {
        return Err(CheckpointError::Missing {
            path: path.into(),
            count: report.missing.len(),
            first: first.clone(),
        });
    }
    let names = weights.tensors.iter().map(|t| t.name.clone());
    report.unused = names.filter(|name| !used.contains(name)).collect();
    Ok((module, report))
}

/// Names under which a file may hold a network's parameter, the most particular one first.
fn stored_names(name: &str, images: &[&str]) -> Vec<String> {
    let numbered = within_encoder(name).and_then(|rest| {
        let (number, rest) = rest.split_once('.')?;
        Some((images.get(number.parse::<usize>().ok()?)?, rest))
    });
    match numbered {
        Some((sequence, rest)) => vec![format!("encoder.{sequence}.{rest}"), format!("encoder.{rest}")],
        None => vec![name.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checkpoint::{Precision, open_bytes, to_bytes},
        family::Net,
        init,
        model::io::TaskIo,
        params::collect,
    };
    use burn_flex::Flex;
    use transferscope_domain::{Family, task::Output};

    fn net(family: Family, seed: u64) -> Net<Flex> {
        init::random(
            Net::mini(family, TaskIo { images: 3, out: 3, output: Output::Classes }, &Default::default()),
            seed,
        )
    }

    #[test]
    fn an_encoder_goes_through_a_file_and_a_head_stays() {
        for family in [Family::ProfoundConv, Family::Provicnet] {
            let source = collect(&net(family, 1));
            let bytes = to_bytes(&source, Precision::Single, HashMap::from([("k".into(), "v".into())]));
            let mut file = open_bytes("x", bytes).unwrap();
            assert_eq!(file.metadata()["k"], "v");
            let tensors = file.weights().unwrap();
            let (loaded, report) = load_encoder(net(family, 2), "x", &tensors.into(), &[]).unwrap();
            assert!(report.missing.is_empty() && !report.unused.is_empty());
            for (a, b) in collect(&loaded).iter().zip(&source) {
                assert_eq!(a.name, b.name);
                let random = a.name.ends_with(".weight") && a.shape.len() > 1;
                assert_eq!(a.data == b.data, a.name.starts_with("encoder.") || !random, "{}", a.name);
            }
        }
    }

    /// A file for all images fills every encoder; one with encoders by image fills each with its
    /// own, whatever their order in the network.
    #[test]
    fn image_types_take_their_own_encoder_or_the_shared_one() {
        use transferscope_domain::{Architecture, Head};
        let device = Default::default();
        let io = TaskIo { images: 2, out: 3, output: Output::Classes };
        let architecture = Architecture::mini(Family::Provicnet);
        let own = || init::random(Net::<Flex>::new(architecture.as_ref(), Head::Fusion, io, &device), 1);
        let shared = collect(&net(Family::Provicnet, 7));
        let (loaded, report) = load_encoder(own(), "f", &shared.clone().into(), &["t2w", "adc"]).unwrap();
        let value = |net: &Net<Flex>, name: &str| {
            collect(net).into_iter().find(|t| t.name == name).unwrap_or_else(|| panic!("{name}")).data
        };
        assert_eq!(value(&loaded, "encoder.0.cls_token"), value(&loaded, "encoder.1.cls_token"));
        assert!(report.applied.contains(&"encoder.1.blocks.0.attn.qkv.weight".to_owned()));

        let mut by_type = Vec::new();
        for (sequence, seed) in [("hbv", 3), ("adc", 4), ("t2w", 5)] {
            for mut tensor in collect(&net(Family::Provicnet, seed)) {
                if let Some(rest) = tensor.name.strip_prefix("encoder.") {
                    tensor.name = format!("encoder.{sequence}.{rest}");
                    by_type.push(tensor);
                }
            }
        }
        let (loaded, report) = load_encoder(own(), "f", &by_type.into(), &["t2w", "adc"]).unwrap();
        let other = |seed| value(&net(Family::Provicnet, seed), "encoder.cls_token");
        assert_eq!(value(&loaded, "encoder.0.cls_token"), other(5));
        assert_eq!(value(&loaded, "encoder.1.cls_token"), other(4));
        assert!(report.unused.iter().all(|n| n.starts_with("encoder.hbv.")) && !report.unused.is_empty());
    }

    #[test]
    fn names_and_layouts_are_the_published_ones() {
        let names: Vec<_> =
            collect(&net(Family::ProfoundConv, 0)).into_iter().map(|t| (t.name, t.shape)).collect();
        for (name, shape) in [
            ("encoder.downsample_layers.0.0.weight", vec![24, 3, 4, 4, 4]),
            ("encoder.downsample_layers.1.0.weight", vec![24]),
            ("encoder.downsample_layers.3.1.weight", vec![192, 96, 1, 1, 1]),
            ("encoder.stages.2.1.dwconv.weight", vec![96, 1, 7, 7, 7]),
            ("encoder.stages.0.0.pwconv1.weight", vec![96, 24]),
            ("encoder.stages.0.0.grn.gamma", vec![1, 1, 1, 1, 96]),
            ("encoder.norm.bias", vec![192]),
        ] {
            assert!(names.contains(&(name.into(), shape.clone())), "{name} {shape:?}");
        }
        let names: Vec<_> = collect(&net(Family::Provicnet, 0)).into_iter().map(|t| t.name).collect();
        for name in [
            "encoder.blocks.3.attn.qkv.weight",
            "encoder.blocks.0.ls1.gamma",
            "encoder.patch_embed.proj.weight",
            "encoder.axis_pos.weight",
        ] {
            assert!(names.iter().any(|n| n == name), "{name}");
        }
    }

    #[test]
    fn a_missing_or_misshapen_encoder_tensor_is_named() {
        let mut source = collect(&net(Family::ProfoundConv, 1));
        let at = source.iter().position(|t| t.name == "encoder.norm.weight").unwrap();
        let taken = source.remove(at);
        let error = load_encoder(net(Family::ProfoundConv, 2), "f", &source.clone().into(), &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("encoder.norm.weight"), "{error}");
        source.push(NamedTensor { shape: vec![1], data: vec![0.0], ..taken });
        let error = load_encoder(net(Family::ProfoundConv, 2), "f", &source.clone().into(), &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("[1]") && error.contains("[192]"), "{error}");
    }
}
