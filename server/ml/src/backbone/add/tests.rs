use super::{super::*, *};
use crate::{
    checkpoint::{Precision, load_encoder, to_bytes},
    family::Net,
    init,
    model::io::TaskIo,
    params::{NamedTensor, collect},
};
use burn_flex::Flex;
use transferscope_domain::{Family, Head, family::provicnet, task::Output};

fn net(family: Family, seed: u64) -> Net<Flex> {
    let io = TaskIo { images: 3, out: 3, output: Output::Classes };
    init::random(Net::mini(family, io, &Default::default()), seed)
}

/// A safetensors file of these tensors in a folder of its own.
fn file(name: &str, tensors: &[NamedTensor]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, to_bytes(tensors, Precision::Single, HashMap::new())).unwrap();
    (folder, path)
}

/// Everything below a folder of backbones but the lock.
fn entries(backbones: &Path) -> Vec<String> {
    let names = fs::read_dir(backbones).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|n| n != ".lock").collect();
    names.sort();
    names
}

/// A backbone as the registry has it.
fn listed(data_dir: &Path, name: &str) -> Backbone {
    registry(data_dir).into_iter().find(|b| b.name == name).unwrap()
}

#[test]
fn an_added_backbone_is_listed_and_a_network_starts_from_it() {
    let data = tempfile::tempdir().unwrap();
    let backbones = data.path().join("backbones");
    for family in [Family::ProfoundConv, Family::ProfoundVit, Family::Provicnet] {
        let weights = collect(&net(family, 1));
        let (_folder, path) = file("T2_Best.safetensors", &weights);
        let options = AddOptions {
            name: (family != Family::ProfoundConv).then(|| family.as_str().to_owned()),
            source: Some("our own".into()),
            licence: Some("MIT".into()),
            ..AddOptions::default()
        };
        let card = add(&backbones, &path, &options).unwrap();
        assert!(card.load_report.applied.iter().all(|n| n.starts_with("encoder.")));
        assert!(card.load_report.unused.iter().all(|n| !n.starts_with("encoder.")));
        assert!(!card.load_report.unused.is_empty());

        let found = listed(data.path(), &card.name);
        assert_eq!(found.family, family);
        assert_eq!(found.architecture, Some(card.architecture.clone()));
        assert_eq!(found.licence.as_deref(), Some("MIT"));
        let run = data.path().join("runs/1");
        let reference = checkpoint_reference(data.path(), &run, &found);
        fs::create_dir_all(&run).unwrap();
        let read = read(&run, &reference, found.checkpoint_hash.as_deref()).unwrap();
        let (loaded, report) = load_encoder(net(family, 2), &reference, &read, &[]).unwrap();
        assert!(report.unused.is_empty() && report.defaulted.is_empty());
        let same = |t: &NamedTensor| collect(&loaded).contains(t);
        assert!(weights.iter().filter(|t| t.name.starts_with("encoder.")).all(same));
    }
    assert_eq!(entries(&backbones), ["profound-vit", "provicnet", "t2_best"]);
    let minis: Vec<_> =
        registry(data.path()).into_iter().take(3).map(|b| b.architecture.unwrap().name()).collect();
    assert_eq!(minis, ["profound-conv-mini", "profound-vit-mini", "provicnet-mini"]);
}

/// As ProViCNet is published: one file per image.
#[test]
fn a_backbone_may_have_an_encoder_for_each_image_type() {
    let data = tempfile::tempdir().unwrap();
    let backbones = data.path().join("backbones");
    let files: Vec<_> = (1..4)
        .map(|seed| file(&format!("part{seed}.safetensors"), &collect(&net(Family::Provicnet, seed))))
        .collect();
    let options = |hbv: &Path| AddOptions {
        name: Some("all".into()),
        by_type: vec![("hbv", hbv.to_owned()), ("adc", files[2].1.clone())],
        ..AddOptions::default()
    };
    let (_conv, conv) = file("conv.safetensors", &collect(&net(Family::ProfoundConv, 1)));
    let error = add(&backbones, &files[0].1, &options(&conv)).unwrap_err().to_string();
    assert!(error.contains("conv.safetensors holds a profound-conv-mini"), "{error}");
    let error = add(&backbones, &conv, &options(&files[1].1)).unwrap_err().to_string();
    assert!(error.contains("only ProViCNet"), "{error}");

    let card = add(&backbones, &files[0].1, &options(&files[1].1)).unwrap();
    assert!(card.architecture.to_string().ends_with("one for each image"));
    let io = TaskIo { images: 2, out: 2, output: Output::Classes };
    let found = listed(data.path(), "all");
    let run = data.path().join("runs/1");
    fs::create_dir_all(&run).unwrap();
    let reference = checkpoint_reference(data.path(), &run, &found);
    let weights = read(&run, &reference, found.checkpoint_hash.as_deref()).unwrap();
    let empty = Net::<Flex>::new(found.architecture.as_ref(), Head::Compact, io, &Default::default());
    let (loaded, _) = load_encoder(empty, &reference, &weights, &["t2w", "adc"]).unwrap();
    let value = |tensors: Vec<NamedTensor>, name: &str| {
        tensors.into_iter().find(|t| t.name == name).unwrap_or_else(|| panic!("{name}")).data
    };
    let of = |seed| value(collect(&net(Family::Provicnet, seed)), "encoder.cls_token");
    assert_eq!(value(collect(&loaded), "encoder.0.cls_token"), of(1));
    assert_eq!(value(collect(&loaded), "encoder.1.cls_token"), of(3));
}

#[test]
fn names_and_contents_are_added_once() {
    let data = tempfile::tempdir().unwrap();
    let backbones = data.path().join("backbones");
    let weights = collect(&net(Family::ProfoundConv, 1));
    let (_folder, path) = file("a.safetensors", &weights);
    let named = |name: &str| AddOptions { name: Some(name.into()), ..AddOptions::default() };
    add(&backbones, &path, &AddOptions::default()).unwrap();
    let error = |path: &Path, options: &AddOptions| add(&backbones, path, options).unwrap_err().to_string();
    assert!(error(&path, &named("a")).contains("\"a\" already"));
    assert!(error(&path, &named("unet")).contains("already"));
    assert!(error(&path, &named("provicnet-mini")).contains("already"));
    assert!(error(&path, &named("../b")).contains("not a backbone name"));
    assert!(error(&path, &named("b")).contains("as backbone \"a\""));
    // Another file of the same encoder.
    let encoder: Vec<_> = weights.into_iter().filter(|t| t.name.starts_with("encoder.")).collect();
    let (_folder, path) = file("b.safetensors", &encoder);
    assert!(error(&path, &AddOptions::default()).contains("as backbone \"a\""));
    assert_eq!(entries(&backbones), ["a"]);
}

#[test]
fn what_is_no_backbone_leaves_nothing() {
    let data = tempfile::tempdir().unwrap();
    let backbones = data.path().join("backbones");
    let error = |tensors: &[NamedTensor], options: &AddOptions| {
        let (_folder, path) = file("x.safetensors", tensors);
        add(&backbones, &path, options).unwrap_err().to_string()
    };
    let conv = collect(&net(Family::ProfoundConv, 1));
    let without = |name: &str| conv.iter().filter(|t| t.name != name).cloned().collect::<Vec<_>>();
    let auto = AddOptions::default();
    assert!(error(&without("encoder.norm.weight"), &auto).contains("encoder.norm.weight"));
    assert!(
        error(&without("encoder.stages.0.0.dwconv.weight"), &auto).contains("depth cannot be determined")
    );
    assert!(error(&collect(&net(Family::Unet, 1)), &auto).contains("no encoder that is known"));
    let kind = AddOptions { kind: Some("provicnet".into()), ..AddOptions::default() };
    assert!(error(&conv, &kind).contains("holds a profound-conv-mini, not a provicnet"));
    let mut odd = conv.clone();
    let at = odd.iter().position(|t| t.name == "encoder.norm.bias").unwrap();
    odd[at].shape = vec![2, 96];
    assert!(error(&odd, &auto).contains("[2, 96]"));
    odd[at].shape = vec![192];
    odd[at].data[3] = f32::NAN;
    assert!(error(&odd, &auto).contains("encoder.norm.bias holds a value that is not finite"));
    assert!(entries(&backbones).is_empty());
    assert!(
        add(&backbones, Path::new("/nowhere/x.pth"), &auto).unwrap_err().to_string().contains("/nowhere")
    );
}

/// What a killed process has left neither shows nor stands in the way; the next start of a server removes it.
#[test]
fn a_half_written_backbone_is_no_obstacle() {
    let data = tempfile::tempdir().unwrap();
    let backbones = data.path().join("backbones");
    let left = format!(".a.{}.0.partial", i32::MAX);
    fs::create_dir_all(backbones.join(&left)).unwrap();
    fs::write(backbones.join(&left).join("weights.safetensors"), b"half").unwrap();
    assert_eq!(registry(data.path()).len(), 3);
    let (_folder, path) = file("a.safetensors", &collect(&net(Family::ProfoundConv, 1)));
    add(&backbones, &path, &AddOptions::default()).unwrap();
    assert_eq!(entries(&backbones), [left.as_str(), "a"]);
}

#[test]
fn names_are_made_of_file_names() {
    for (file, name) in [
        ("T2_best.pth", "t2_best"),
        ("checkpoint-799.pth.tar", "checkpoint-799"),
        ("Pro Found (1).pt", "pro-found--1-"),
        (".hidden.safetensors", "hidden"),
    ] {
        assert_eq!(name_of(file), name);
    }
}

/// As models are downloaded: several files with an index in a folder that tells the name, and a `config.json` that
/// tells the heads.
#[test]
fn a_folder_is_added_by_its_index() {
    let data = tempfile::tempdir().unwrap();
    let backbones = data.path().join("backbones");
    let folder = data.path().join("download/Dino-Tiny");
    fs::create_dir_all(&folder).unwrap();
    let weights = collect(&net(Family::Provicnet, 1));
    let half = weights.len() / 2;
    let mut map = serde_json::Map::new();
    for (i, part) in [&weights[..half], &weights[half..]].into_iter().enumerate() {
        let name = format!("model-0000{}-of-00002.safetensors", i + 1);
        fs::write(folder.join(&name), to_bytes(part, Precision::Single, HashMap::new())).unwrap();
        map.extend(part.iter().map(|t| (t.name.clone(), name.clone().into())));
    }
    let index = serde_json::json!({ "weight_map": map });
    fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
    fs::write(folder.join("config.json"), r#"{"num_attention_heads": 12, "model_type": "x"}"#).unwrap();

    let part = folder.join("model-00001-of-00002.safetensors");
    let refused = add(&backbones, &part, &AddOptions::default()).unwrap_err().to_string();
    assert!(refused.contains("file 1 of the 2"), "{refused}");
    assert!(entries(&backbones).is_empty());

    let card = add(&backbones, &folder, &AddOptions::default()).unwrap();
    assert_eq!(card.name, "dino-tiny");
    assert!(
        matches!(card.architecture, Architecture::Provicnet(provicnet::Size { heads: 12, .. })),
        "{}",
        card.architecture
    );
    assert!(
        card.load_report.notes[0].starts_with("taken: the bare state dict"),
        "{:?}",
        card.load_report.notes
    );
    // What is told goes before what lies beside.
    let hints = Hints { heads: Some(3), image: None };
    let told = AddOptions { name: Some("told".into()), hints, ..AddOptions::default() };
    let error = add(&backbones, &folder, &told).unwrap_err().to_string();
    assert!(error.contains("as backbone \"dino-tiny\""), "{error}");
    let inspected = crate::backbone::inspect::inspect(&folder, hints, &Pick::default()).unwrap();
    assert!(matches!(
        inspected.architecture,
        Some(Architecture::Provicnet(provicnet::Size { heads: 3, .. }))
    ));
    assert_eq!((inspected.state_dicts.len(), inspected.state_dicts[0].key.as_str()), (1, "."));
    fs::remove_file(folder.join("model-00002-of-00002.safetensors")).unwrap();
    let error = add(&backbones, &folder, &told).unwrap_err().to_string();
    assert!(error.contains("1 of the 2 files") && error.contains("model-00002-of-00002"), "{error}");
}
