//! The containers of the field: the old format, several state dicts in a file, several files of a checkpoint.

use std::{fs, path::Path};

use super::{
    super::architecture::{Hints, infer, tensors},
    writer::{legacy, legacy_state_dict},
    *,
};
use transferscope_domain::{Architecture, family::provicnet};

/// A small DINOv2 with registers.
pub fn dino() -> Architecture {
    Architecture::Provicnet(provicnet::Size {
        slices: 3,
        patch: 14,
        grid: 3,
        dim: 8,
        depth: 2,
        heads: 2,
        registers: 4,
        axis_tokens: false,
        modalities: 0,
        each: false,
    })
}

/// Its tensors, every value another, named as `name` makes them of ours without `encoder.`.
pub fn weights(shift: f32, name: impl Fn(&str) -> String) -> Vec<NamedTensor> {
    let mut next = shift;
    let all = tensors(&dino()).into_iter().map(|(ours, shape)| {
        let data = (0..shape.iter().product::<usize>())
            .map(|_| {
                next += 0.5;
                next
            })
            .collect();
        NamedTensor { name: name(ours.trim_start_matches("encoder.")), shape, data }
    });
    all.collect()
}

/// The encoder of an open file, by our names, and what is said of it.
pub fn encoder(mut file: CheckpointFile, pick: &Pick) -> Result<(Vec<NamedTensor>, Vec<String>), String> {
    let map = KeyMap::find(&mut file, pick).map_err(|e| e.to_string())?;
    let hints = Hints { heads: Some(2), image: None };
    assert_eq!(infer(&map, hints)?, dino());
    let loaded = map.load(&mut file).map_err(|e| e.to_string())?;
    Ok((loaded.tensors, map.notes().to_vec()))
}

/// What the encoder must be.
pub fn expected(shift: f32) -> Vec<NamedTensor> {
    let mut all = weights(shift, |name| format!("encoder.{name}"));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

type Dict<'a> = (&'a str, Vec<NamedTensor>);

/// A file of `torch.save` of dictionaries of tensors under keys; `/` in a key is a dictionary in another.
fn file_of(dicts: &[Dict<'_>]) -> CheckpointFile {
    let mut pickle = Pickle::new().op(b"}(");
    let mut entries = vec![("x/data.pkl".to_owned(), Vec::new())];
    for (key, tensors) in dicts {
        let keys: Vec<&str> = key.split('/').collect();
        for key in &keys {
            pickle = pickle.text(key).op(b"}(");
        }
        for NamedTensor { name, shape, data } in tensors {
            let storage = entries.len().to_string();
            let mut strides = vec![1i64; shape.len()];
            for axis in (1..shape.len()).rev() {
                strides[axis - 1] = strides[axis] * shape[axis] as i64;
            }
            let shape: Vec<i64> = shape.iter().map(|d| *d as i64).collect();
            let len = data.len() as i64;
            pickle = pickle.text(name).tensor("FloatStorage", &storage, len, 0, &shape, &strides);
            entries.push((format!("x/data/{storage}"), data.iter().flat_map(|v| v.to_le_bytes()).collect()));
        }
        for _ in &keys {
            pickle = pickle.op(b"u");
        }
    }
    entries[0].1 = pickle.text("epoch").int(3).op(b"u").stop();
    open_bytes("f", pack(&entries, Packing::Stored)).unwrap()
}

fn key(key: &str) -> Pick {
    Pick { key: Some(key.into()), prefix: None }
}

fn prefix(prefix: &str) -> Pick {
    Pick { key: None, prefix: Some(prefix.into()) }
}

#[test]
fn the_old_format_holds_the_same() {
    let plain = weights(0.0, str::to_owned);
    let tensors: Vec<_> =
        plain.iter().map(|t| (t.name.as_str(), t.shape.as_slice(), t.data.clone())).collect();
    let file = open_bytes("f", legacy_state_dict(&tensors)).unwrap();
    assert_eq!((file.container(), file.wrapper()), (Container::OldTorch, None));
    assert_eq!(encoder(file, &Pick::default()).unwrap().0, expected(0.0));

    // Under a key, beside numbers; a part of a storage; a storage that two tensors share.
    let pickle = Pickle::new().op(b"}(").text("state_dict").op(b"}(");
    let pickle = pickle.text("a").legacy_tensor("7", 6, Some((2, 3)), 1, &[2], &[1]);
    let pickle = pickle.text("b").legacy_tensor("7", 6, None, 0, &[2, 3], &[3, 1]);
    let pickle = pickle.op(b"u").text("epoch").int(5).op(b"u").stop();
    let mut file = open_bytes("f", legacy(&pickle, &[("7", 6, floats(6))])).unwrap();
    let loaded = file.weights().unwrap();
    assert_eq!((loaded[0].data.as_slice(), loaded[1].data.len()), (&[3.0, 4.0][..], 6));
    assert_eq!((file.wrapper().as_deref(), file.metadata()["epoch"].as_str()), (Some("state_dict"), "5"));
}

#[test]
fn the_old_format_is_held_to_its_bytes() {
    let one = |part, shape: &[i64]| {
        Pickle::new().op(b"}").text("a").legacy_tensor("7", 6, part, 0, shape, &[1]).op(b"s").stop()
    };
    let error = |file: Vec<u8>| open_bytes("f", file).unwrap_err().to_string();
    assert!(error(legacy(&one(None, &[6]), &[("7", 7, floats(6))])).contains("beyond its end"));
    assert!(error(legacy(&one(None, &[6]), &[("7", u64::MAX, floats(6))])).contains("beyond its end"));
    assert!(error(legacy(&one(None, &[6]), &[("8", 6, floats(6))])).contains("type that is not read"));
    assert!(error(legacy(&one(None, &[6]), &[])).contains("is missing"));
    assert!(error(legacy(&one(None, &[6]), &[("7", 3, floats(3))])).contains("12 bytes where 6 numbers"));
    assert!(error(legacy(&one(Some((4, 3)), &[3]), &[("7", 6, floats(6))])).contains("belong"));
    let mut big = legacy(&one(None, &[6]), &[("7", 6, floats(6))]);
    let at = big.windows(14).position(|w| w == b"little_endian\x88").unwrap();
    big[at + 13] = 0x89;
    assert!(error(big).contains("byte order is big"));
    let whole = Pickle::new().global("models.resnet", "ResNet").op(b")\x81}b").stop();
    assert!(error(legacy(&whole, &[])).contains("models.resnet.ResNet"));
}

#[test]
fn of_several_state_dicts_the_model_is_taken_and_the_others_are_named() {
    let (one, two) = (|| weights(0.0, str::to_owned), || weights(0.25, str::to_owned));
    let taken = |dicts: &[Dict<'_>], pick: &Pick| encoder(file_of(dicts), pick);
    for (first, second) in [
        ("model", "model_ema"),
        ("state_dict", "state_dict_ema"),
        ("teacher", "student"),
        ("model", "teacher"),
    ] {
        for dicts in [[(first, one()), (second, two())], [(second, two()), (first, one())]] {
            let (tensors, notes) = taken(&dicts, &Pick::default()).unwrap();
            assert_eq!(tensors, expected(0.0), "{first} and {second}");
            assert!(notes[0].contains(&format!("{first:?}")) && notes[1].contains(&format!("{second:?}")));
            assert!(notes[1].contains("--key"), "{notes:?}");
            assert_eq!(taken(&dicts, &key(second)).unwrap().0, expected(0.25));
        }
    }
    for only in ["model_ema", "network_weights", "student", "params", "a/b", "model/teacher"] {
        let (tensors, notes) = taken(&[(only, one())], &Pick::default()).unwrap();
        assert_eq!(tensors, expected(0.0), "{only}");
        assert!(notes.len() == 1 && notes[0].contains(&only.replace('/', ".")), "{notes:?}");
    }
    // A head without an encoder is no choice, and neither are an optimiser's moments.
    let head = vec![NamedTensor { name: "fc.weight".into(), shape: vec![1], data: vec![1.0] }];
    let dicts = [("model", head), ("backbone", one()), ("optimizer/state", two())];
    assert_eq!(taken(&dicts, &Pick::default()).unwrap().0, expected(0.0));
    assert_eq!(file_of(&dicts).metadata()["epoch"], "3");

    let twins = [("t2", one()), ("adc", two())];
    let error = taken(&twins, &Pick::default()).unwrap_err();
    assert!(error.contains("2 encoders") && error.contains("--key") && error.contains("\"adc\""), "{error}");
    assert_eq!(taken(&twins, &key("adc")).unwrap().0, expected(0.25));
    let error = taken(&twins, &key("dwi")).unwrap_err();
    assert!(error.contains("\"dwi\"") && error.contains("t2, adc"), "{error}");
}

#[test]
fn of_several_encoders_in_one_state_dict_the_names_tell() {
    let both = |first: &str, second: &str| {
        let (a, b) = (weights(0.0, |n| format!("{first}{n}")), weights(0.25, |n| format!("{second}{n}")));
        file_of(&[("state_dict", a.into_iter().chain(b).collect())])
    };
    for (first, second) in
        [("teacher.backbone.", "student.backbone."), ("model.", "ema_model."), ("net.vit.", "net_ema.vit.")]
    {
        let (tensors, notes) = encoder(both(first, second), &Pick::default()).unwrap();
        assert_eq!(tensors, expected(0.0), "{first}");
        assert!(notes[1].contains(second) && notes[1].contains("--prefix"), "{notes:?}");
        assert_eq!(encoder(both(first, second), &prefix(second)).unwrap().0, expected(0.25));
    }
    let error = encoder(both("t2.", "adc."), &Pick::default()).unwrap_err();
    assert!(error.contains("--prefix") && error.contains("\"t2.\"") && error.contains("\"adc.\""), "{error}");
    assert_eq!(encoder(both("t2.", "adc."), &prefix("adc")).unwrap().0, expected(0.25));
    assert!(encoder(both("t2.", "adc."), &prefix("dwi.")).unwrap_err().contains("under this key and prefix"));
}

/// Files of a checkpoint, the tensors dealt out, and its index.
fn shards(folder: &Path, count: usize) -> Vec<String> {
    let all = weights(0.0, str::to_owned);
    let name = |i: usize| format!("model-{:05}-of-{count:05}.safetensors", i + 1);
    let mut map = serde_json::Map::new();
    for i in 0..count {
        let some: Vec<_> = all.iter().skip(i).step_by(count).cloned().collect();
        map.extend(some.iter().map(|t| (t.name.clone(), name(i).into())));
        fs::write(folder.join(name(i)), to_bytes(&some, Precision::Single, Default::default())).unwrap();
    }
    let index = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": map});
    fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
    (0..count).map(name).collect()
}

#[test]
fn several_files_are_one_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let names = shards(folder.path(), 3);
    for path in [folder.path().to_owned(), folder.path().join("model.safetensors.index.json")] {
        let file = open(&path).unwrap();
        assert_eq!(file.files().len(), 3);
        assert_eq!(encoder(file, &Pick::default()).unwrap().0, expected(0.0));
    }
    let error = encoder(open(&folder.path().join(&names[1])).unwrap(), &Pick::default()).unwrap_err();
    assert!(
        error.contains("file 2 of the 3 of one checkpoint; give model.safetensors.index.json"),
        "{error}"
    );

    fs::remove_file(folder.path().join(&names[1])).unwrap();
    let error = open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("1 of the 3 files") && error.contains(&names[1]), "{error}");
    fs::remove_file(folder.path().join("model.safetensors.index.json")).unwrap();
    let error = encoder(open(&folder.path().join(&names[0])).unwrap(), &Pick::default()).unwrap_err();
    assert!(error.contains("fetch all 3"), "{error}");
    let error = open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("several checkpoint files") && error.contains(&names[2]), "{error}");
    assert!(
        open(tempfile::tempdir().unwrap().path()).unwrap_err().to_string().contains("without a checkpoint")
    );
}

/// An index is a list of names beside it, whatever it says.
#[test]
fn an_index_leads_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let tensor = NamedTensor { name: "w".into(), shape: vec![1], data: vec![1.0] };
    let bytes = to_bytes(&[tensor], Precision::Single, Default::default());
    fs::write(folder.path().join("secret.safetensors"), &bytes).unwrap();
    fs::write(inner.join("a.safetensors"), &bytes).unwrap();
    let index = inner.join("model.safetensors.index.json");
    let absolute = folder.path().join("secret.safetensors").display().to_string();
    let of = |text: &str| {
        fs::write(&index, text).unwrap();
        open(&index).and_then(|mut file| file.weights()).map_err(|e| e.to_string())
    };
    let naming = |file: &str| of(&serde_json::json!({"weight_map": {"w": file}}).to_string());
    assert_eq!(naming("a.safetensors").unwrap().len(), 1);
    for file in
        ["../secret.safetensors", &absolute, "..", ".", "", "./a.safetensors", "x/../a.safetensors", "..\\a"]
    {
        let error = naming(file).unwrap_err();
        assert!(error.contains("not one beside it"), "{file}: {error}");
    }
    assert!(naming("b.safetensors").unwrap_err().contains("1 of the 1 files"));
    // A tensor that is not where the index says, an index of itself, and none at all.
    assert!(
        of(r#"{"weight_map": {"v": "a.safetensors"}}"#).unwrap_err().contains("v is not in a.safetensors")
    );
    assert!(naming("model.safetensors.index.json").is_err());
    for text in ["", "{}", "[]", r#"{"weight_map": {}}"#, r#"{"weight_map": {"w": 3}}"#, &"[".repeat(100_000)]
    {
        assert!(of(text).is_err(), "{text:.40}");
    }
    assert!(of(r#"{"weight_map": {"a\u001b": "a.safetensors"}}"#).is_err());
}
