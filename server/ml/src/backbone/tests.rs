use super::*;

#[test]
fn what_ships_is_listed_and_can_be_read() {
    let data = tempfile::tempdir().unwrap();
    let all = registry(data.path());
    assert_eq!(all.len(), 3);
    for backbone in all {
        let reference = checkpoint_reference(data.path(), &data.path().join("runs/1"), &backbone);
        let hash = backbone.checkpoint_hash.as_deref();
        let weights = read(data.path(), &reference, hash).unwrap();
        let values: usize = weights.tensors.iter().map(|t| t.data.len()).sum();
        assert_eq!(values as u64, backbone.parameters, "{}", backbone.name);
        assert!(read(data.path(), &reference, Some("other")).unwrap_err().to_string().contains("changed"));
    }
}

#[test]
fn folders_that_are_none_are_left_out() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("backbones/x");
    fs::create_dir_all(&folder).unwrap();
    for card in ["", "{}", r#"{"file_hash": 1}"#] {
        fs::write(folder.join(CARD), card).unwrap();
        assert_eq!(registry(data.path()).len(), 3);
        assert!(stored(&folder).unwrap_err().starts_with(CARD));
    }
    assert!(added_in(&data.path().join("backbones")).is_empty());
}
