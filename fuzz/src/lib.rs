//! What the targets do with a file: everything that the program does with one that a user gives it.

use transferscope_ml::checkpoint::{
    KeyMap, Pick,
    architecture::{Hints, fit, infer},
    open_bytes,
};

/// Opens a checkpoint file, finds its encoder and reads its weights; errors are as good as success.
pub fn use_up(file: Vec<u8>) {
    let Ok(mut file) = open_bytes("fuzz", file) else { return };
    if let Ok(mut map) = KeyMap::find(&mut file, &Pick::default()) {
        let hints = Hints { heads: Some(2), image: Some([16, 24, 32]) };
        if let Ok(architecture) = infer(&map, hints) {
            let _ = fit(&mut map, &architecture, "fuzz");
        }
        let _ = map.load(&mut file);
    }
    if let Ok(weights) = file.weights() {
        for tensor in weights {
            assert_eq!(tensor.data.len(), tensor.shape.iter().product::<usize>());
            assert!(tensor.data.iter().all(|v| v.is_finite()));
        }
    }
}
