//! The names and layouts of ProFound's pre-training checkpoints, whose encoder has sparse layers; the
//! other way round than [`crate::checkpoint`] reads them, and written apart from it.

use transferscope_ml::params::NamedTensor;

/// Name and shape there of a parameter of [`transferscope_ml::family::profound_conv::fcmae::Fcmae`]; none for the encoder's last
/// norm, which pre-training does not have.
pub fn name_and_shape(name: &str, shape: &[usize]) -> Option<(String, Vec<usize>)> {
    let Some(inside) = name.strip_prefix("encoder.") else {
        return Some((name.to_owned(), shape.to_vec()));
    };
    let parts: Vec<&str> = inside.split('.').collect();
    let (last, before) = parts.split_last()?;
    let layer = *before.last()?;
    if inside.starts_with("norm.") {
        return None;
    }
    // The stem works on all voxels and is a dense layer there too.
    if inside.starts_with("downsample_layers.0.") {
        return Some((name.to_owned(), shape.to_vec()));
    }
    let down = parts[0] == "downsample_layers";
    let inner = match layer {
        "norm" => Some("ln"),
        "0" if down => Some("ln"),
        "pwconv1" | "pwconv2" => Some("linear"),
        _ => None,
    };
    let convolution = layer == "dwconv" || (down && layer == "1");
    let mut path: Vec<&str> = std::iter::once("encoder").chain(before.iter().copied()).collect();
    path.extend(inner);
    path.push(if convolution && *last == "weight" { "kernel" } else { last });
    let shape = match (shape, convolution) {
        ([to, 1, a, b, c], true) => vec![a * b * c, *to],
        ([to, from, 1, 1, 1], true) => vec![*from, *to],
        ([to, from, a, b, c], true) => vec![a * b * c, *from, *to],
        ([to], true) => vec![1, *to],
        ([1, 1, 1, 1, channels], false) => vec![1, *channels],
        (other, _) => other.to_vec(),
    };
    Some((path.join("."), shape))
}

/// A parameter, or its gradient, as it is there; see [`name_and_shape`]. Kernels have their first
/// spatial axis fastest and the channels behind, `[taps, in, out]`.
pub fn tensor(dense: &NamedTensor) -> Option<NamedTensor> {
    let (name, shape) = name_and_shape(&dense.name, &dense.shape)?;
    let mut data = dense.data.clone();
    if let ([to, from, kd, kh, kw], true) = (dense.shape.as_slice(), name.ends_with(".kernel")) {
        let mut at = dense.data.iter();
        for o in 0..*to {
            for i in 0..*from {
                for tap in (0..kd * kh * kw).map(|t| {
                    let (z, y, x) = (t / (kh * kw), t / kw % kh, t % kw);
                    z + kd * (y + kh * x)
                }) {
                    data[(tap * from + i) * to + o] = *at.next()?;
                }
            }
        }
    }
    Some(NamedTensor { name, shape, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_have_their_sparse_names() {
        let of = |name: &str, shape: &[usize]| name_and_shape(name, shape);
        let is = |name: &str, shape: &[usize]| Some((name.to_owned(), shape.to_vec()));
        assert_eq!(
            of("encoder.downsample_layers.1.1.weight", &[6, 4, 2, 2, 2]),
            is("encoder.downsample_layers.1.1.kernel", &[8, 4, 6])
        );
        assert_eq!(
            of("encoder.downsample_layers.3.1.weight", &[6, 4, 1, 1, 1]),
            is("encoder.downsample_layers.3.1.kernel", &[4, 6])
        );
        assert_eq!(
            of("encoder.downsample_layers.2.0.bias", &[4]),
            is("encoder.downsample_layers.2.0.ln.bias", &[4])
        );
        assert_eq!(of("encoder.stages.0.0.dwconv.bias", &[4]), is("encoder.stages.0.0.dwconv.bias", &[1, 4]));
        assert_eq!(
            of("encoder.stages.0.0.pwconv2.weight", &[4, 16]),
            is("encoder.stages.0.0.pwconv2.linear.weight", &[4, 16])
        );
        assert_eq!(
            of("encoder.stages.0.0.grn.beta", &[1, 1, 1, 1, 16]),
            is("encoder.stages.0.0.grn.beta", &[1, 16])
        );
        assert_eq!(of("encoder.norm.weight", &[4]), None);
        let untouched = "decoder.0.grn.beta";
        assert_eq!(of(untouched, &[1, 1, 1, 1, 16]), is(untouched, &[1, 1, 1, 1, 16]));
    }

    #[test]
    fn the_first_axis_of_a_kernel_is_fastest() {
        let name = "encoder.downsample_layers.1.1.weight".to_owned();
        // Two channels out, one in: values count up in the dense order.
        let data = (0..16u8).map(f32::from).collect();
        let raw = tensor(&NamedTensor { name, shape: vec![2, 1, 2, 2, 2], data }).unwrap();
        assert_eq!(raw.data[..6], [0.0, 8.0, 4.0, 12.0, 2.0, 10.0]);
    }
}
