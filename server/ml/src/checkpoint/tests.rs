use super::*;
use writer::{Packing, Pickle, pack, state_dict, with_pickle};

mod containers;
mod hostile;
mod many_names;
mod writer;

fn floats(n: usize) -> Vec<u8> {
    (0..n).flat_map(|v| (v as f32).to_le_bytes()).collect()
}

/// A bare state dict of one tensor `w`, as the pickle of the tensor says.
fn one(tensor: impl FnOnce(Pickle) -> Pickle, storage: Vec<u8>) -> Result<Vec<NamedTensor>, String> {
    let pickle = tensor(Pickle::new().ordered_dict().op(b"(").text("w")).op(b"u").stop();
    load(with_pickle(pickle, storage))
}

fn load(file: Vec<u8>) -> Result<Vec<NamedTensor>, String> {
    open_bytes("f", file).and_then(|mut f| f.weights()).map_err(|e| e.to_string())
}

#[test]
fn every_packing_and_both_wrappings_give_the_same() {
    let tensors = [("a.weight", &[2usize, 3][..], vec![0.5; 6]), ("b", &[][..], vec![-1.0])];
    let expected: Vec<NamedTensor> = tensors
        .iter()
        .map(|(name, shape, data)| NamedTensor {
            name: (*name).into(),
            shape: shape.to_vec(),
            data: data.clone(),
        })
        .collect();
    for packing in [Packing::Stored, Packing::Deflated, Packing::Zip64] {
        let mut entries = state_dict(&tensors);
        assert_eq!(load(pack(&entries, packing)).unwrap(), expected, "{packing:?}");
        // The same under `model`, beside arguments and an object of a class that is not known.
        let bare = entries[0].1.clone();
        let pickle = Pickle::new()
            .op(b"}(")
            .text("model")
            .op(&bare[2..bare.len() - 1])
            .text("optimizer")
            .global("somewhere", "Optimiser")
            .op(b")\x81}b")
            .text("epoch")
            .int(7)
            .text("args")
            .global("argparse", "Namespace")
            .op(b")\x81}(")
            .text("lr")
            .float(0.001)
            .text("size")
            .ints(&[64, 224, 224])
            .op(b"ubu")
            .stop();
        entries[0].1 = pickle;
        let mut file = open_bytes("f", pack(&entries, packing)).unwrap();
        assert_eq!(file.weights().unwrap(), expected);
        let metadata: Vec<_> = file.metadata().iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(metadata, ["args.lr=0.001", "args.size=[64, 224, 224]", "epoch=7"]);
    }
}

#[test]
fn types_views_and_shared_storages_are_converted() {
    let halves: Vec<u8> =
        [1.0f32, -2.5].iter().flat_map(|v| burn::tensor::f16::from_f32(*v).to_le_bytes()).collect();
    let brains: Vec<u8> =
        [1.0f32, -2.5].iter().flat_map(|v| burn::tensor::bf16::from_f32(*v).to_le_bytes()).collect();
    let doubles: Vec<u8> = [1.0f64, -2.5].iter().flat_map(|v| v.to_le_bytes()).collect();
    for (class, bytes) in [("HalfStorage", halves), ("BFloat16Storage", brains), ("DoubleStorage", doubles)] {
        let loaded = one(|p| p.tensor(class, "0", 2, 0, &[2], &[1]), bytes).unwrap();
        assert_eq!(loaded[0].data, [1.0, -2.5], "{class}");
    }
    let transposed = one(|p| p.tensor("FloatStorage", "0", 6, 0, &[3, 2], &[1, 3]), floats(6)).unwrap();
    assert_eq!(transposed[0].data, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    let two = one(
        |p| {
            let p = p.tensor("FloatStorage", "0", 6, 2, &[2], &[1]);
            p.text("v").tensor("FloatStorage", "0", 6, 0, &[2, 3], &[3, 1])
        },
        floats(6),
    );
    let two = two.unwrap();
    assert_eq!((two[0].data.as_slice(), two[1].data.len()), (&[2.0, 3.0][..], 6));
    // A parameter in place of a tensor, and a counter, which is listed but no weight.
    let pickle = Pickle::new().ordered_dict().op(b"(").text("w").global("torch._utils", "_rebuild_parameter");
    let pickle = pickle.op(b"(").tensor("FloatStorage", "0", 2, 0, &[2], &[1]).op(b"\x88").ordered_dict();
    let pickle = pickle.op(b"tR").text("n").tensor("LongStorage", "0", 1, 0, &[], &[]).op(b"u").stop();
    let mut file = open_bytes("f", with_pickle(pickle, floats(2))).unwrap();
    assert_eq!(
        file.tensors().iter().map(|t| t.element).collect::<Vec<_>>(),
        [ElementType::F32, ElementType::I64]
    );
    assert_eq!(file.weights().unwrap().len(), 1);
    assert!(file.load(&[1]).unwrap_err().to_string().contains("i64"));
}

#[test]
fn what_cannot_be_read_is_said() {
    let says = |result: Result<Vec<NamedTensor>, String>, what: &str| {
        let error = result.unwrap_err();
        assert!(error.contains(what), "{error}");
    };
    says(load(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec()), "ends too early");
    says(load(b"\x80\x04\x95\x00".to_vec()), "plain pickle");
    says(load(b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n".to_vec()), "Git LFS");
    says(load(b"\n<!DOCTYPE html><html>".to_vec()), "web page");
    says(load(b"\x89HDF\r\n\x1a\n".to_vec()), "HDF5");
    says(load(b"\x1f\x8b\x08".to_vec()), "gzip");
    says(load(b"hello".to_vec()), "neither");
    says(load(Vec::new()), "neither");
    says(load(writer::archive(&[("a.txt", vec![1])], Packing::Stored)), "data.pkl");
    let script = [("x/data.pkl", vec![]), ("x/constants.pkl", vec![])];
    says(load(writer::archive(&script, Packing::Stored)), "TorchScript");
    let whole = Pickle::new().global("models.vit", "Net").op(b")\x81}b").stop();
    says(load(with_pickle(whole, vec![])), "models.vit.Net");
    let lists = Pickle::new().op(b"}(").text("weights").op(b"]u").stop();
    says(load(with_pickle(lists, vec![])), "weights (a list)");

    says(one(|p| p.tensor("FloatStorage", "1", 1, 0, &[1], &[1]), floats(1)), "missing");
    says(one(|p| p.tensor("FloatStorage", "0", 2, 0, &[1], &[1]), floats(1)), "4 bytes");
    says(one(|p| p.tensor("FloatStorage", "0", 1, 0, &[2], &[1]), floats(1)), "beyond its storage");
    says(one(|p| p.tensor("FloatStorage", "0", 1, 0, &[2], &[0]), floats(1)), "expanded");
    says(one(|p| p.tensor("FloatStorage", "0", 1, -1, &[1], &[1]), floats(1)), "-1");
    let nan = f32::NAN.to_le_bytes().to_vec();
    says(one(|p| p.tensor("FloatStorage", "0", 1, 0, &[1], &[1]), nan), "tensor w");
    let twice = |p: Pickle| {
        let p = p.tensor("FloatStorage", "0", 1, 0, &[1], &[1]);
        p.text("w").tensor("FloatStorage", "0", 1, 0, &[1], &[1])
    };
    says(one(twice, floats(1)), "w twice");

    let mut entries = state_dict(&[("w", &[2], vec![1.0, 2.0])]);
    entries[1].1 = b"big".to_vec();
    says(load(pack(&entries, Packing::Stored)), "big");
}

#[test]
fn a_value_made_by_an_unknown_function_is_listed_by_its_name() {
    let pickle =
        Pickle::new().ordered_dict().op(b"(").text("w").tensor("FloatStorage", "0", 1, 0, &[1], &[1]);
    let pickle = pickle.text("q").global("os", "system").op(b"(").text("true").op(b"tR");
    let pickle = pickle.text("c").tensor("ComplexFloatStorage", "0", 1, 0, &[1], &[1]).op(b"u").stop();
    let mut file = open_bytes("f", with_pickle(pickle, floats(1))).unwrap();
    assert_eq!(file.weights().unwrap().len(), 1);
    assert!(file.others()["q"].contains("os.system"), "{:?}", file.others());
    assert!(file.others()["c"].contains("torch.ComplexFloatStorage"));
}
