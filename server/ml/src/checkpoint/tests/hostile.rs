//! Files that no honest program wrote: an error or a right result, never a panic, and no more time
//! or memory than their bytes account for.

use std::time::{Duration, Instant};

use proptest::{collection::vec, prelude::*};

use super::{
    super::architecture::{Hints, infer},
    writer::{Packing, archive, legacy, legacy_state_dict, pack, state_dict},
    *,
};

/// Does with a file all that can be done with it.
fn use_up(file: Vec<u8>) -> Result<Vec<NamedTensor>, String> {
    let mut file = open_bytes("f", file).map_err(|e| e.to_string())?;
    if let Ok(map) = KeyMap::find(&mut file, &Pick::default()) {
        let _ = infer(&map, Hints { heads: Some(2), image: Some([16, 16, 16]) });
        let _ = map.load(&mut file);
    }
    file.weights().map_err(|e| e.to_string())
}

/// Runs `f`, which must not take long however slow the machine.
fn quickly<T>(f: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = f();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    result
}

fn small() -> [(&'static str, &'static [usize], Vec<f32>); 2] {
    [("a.weight", &[2, 2], vec![0.5, 1.0, -1.5, 2.0]), ("b", &[3], vec![1.0; 3])]
}

/// A changed byte anywhere is either noticed or changes nothing.
#[test]
fn every_cut_and_every_flipped_bit_of_an_archive_is_noticed() {
    for packing in [Packing::Stored, Packing::Deflated, Packing::Zip64] {
        let file = pack(&state_dict(&small()), packing);
        let sound = use_up(file.clone()).unwrap();
        for cut in 0..file.len() {
            assert!(use_up(file[..cut].to_vec()).is_err(), "{packing:?} cut at {cut}");
        }
        for at in 0..file.len() * 8 {
            let mut file = file.clone();
            file[at / 8] ^= 1 << (at % 8);
            if let Ok(read) = use_up(file) {
                assert_eq!(read, sound, "{packing:?} bit {at}");
            }
        }
    }
}

/// The old format has no checksum: a changed number is a number, but shapes must stay consistent, and what is
/// cut off is missed.
#[test]
fn every_cut_and_every_flipped_bit_of_the_old_format_is_survived() {
    let file = legacy_state_dict(&small());
    assert_eq!(use_up(file.clone()).unwrap().len(), 2);
    for cut in 0..file.len() {
        assert!(use_up(file[..cut].to_vec()).is_err(), "cut at {cut}");
    }
    for at in 0..file.len() * 8 {
        let mut file = file.clone();
        file[at / 8] ^= 1 << (at % 8);
        for tensor in use_up(file).into_iter().flatten() {
            assert_eq!(tensor.data.len(), tensor.shape.iter().product::<usize>(), "bit {at}");
        }
    }
}

/// safetensors has no checksum: a changed number is a number, but shapes must stay consistent.
#[test]
fn every_cut_and_every_flipped_bit_of_safetensors_is_survived() {
    let tensors =
        small().map(|(name, shape, data)| NamedTensor { name: name.into(), shape: shape.to_vec(), data });
    let file = to_bytes(&tensors, Precision::Half, Default::default());
    for cut in 0..file.len() {
        assert!(use_up(file[..cut].to_vec()).is_err(), "cut at {cut}");
    }
    for at in 0..file.len() * 8 {
        let mut file = file.clone();
        file[at / 8] ^= 1 << (at % 8);
        for tensor in use_up(file).into_iter().flatten() {
            assert_eq!(tensor.data.len(), tensor.shape.iter().product::<usize>(), "bit {at}");
        }
    }
}

#[test]
fn absurd_safetensors_headers_are_errors() {
    let with_header = |header: &str, data: &[u8]| {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend(data);
        quickly(|| use_up(file))
    };
    let tensor = |shape: &str, from: u64, to: u64| {
        format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let one = |tensor: String| with_header(&format!(r#"{{"w":{tensor}}}"#), &[0; 8]);
    assert!(one(tensor("[2]", 0, 8)).is_ok());
    for wrong in [
        tensor("[3]", 0, 8),
        tensor("[2]", 0, 16),
        tensor("[1]", 4, 8),
        tensor("[2]", 8, 0),
        tensor("[4294967296,4294967296]", 0, 8),
        tensor("[18446744073709551615,2]", 0, 8),
        tensor("[1,1,1,1,1,1,1,1,1,2]", 0, 8),
        tensor("[4611686018427387904]", 0, 18_446_744_073_709_551_615),
        tensor("[-1]", 0, 8),
    ] {
        assert!(one(wrong.clone()).is_err(), "{wrong}");
    }
    // Two tensors of the same bytes, a hole, the same name twice, and no name.
    for (header, data) in [
        (format!(r#"{{"a":{},"b":{}}}"#, tensor("[2]", 0, 8), tensor("[2]", 0, 8)), 8),
        (format!(r#"{{"a":{},"b":{}}}"#, tensor("[1]", 0, 4), tensor("[1]", 8, 12)), 12),
        (format!(r#"{{"a":{},"a":{}}}"#, tensor("[1]", 0, 4), tensor("[1]", 4, 8)), 8),
        (format!(r#"{{"":{}}}"#, tensor("[1]", 0, 4)), 4),
        (format!(r#"{{"a\u001b[31m":{}}}"#, tensor("[1]", 0, 4)), 4),
        ("{".repeat(100_000), 0),
        (format!(r#"{{"w":{}"#, "[".repeat(100_000)), 0),
    ] {
        assert!(with_header(&header, &vec![0; data]).is_err(), "{header:.200}");
    }
    assert!(use_up([u64::MAX.to_le_bytes().as_slice(), b"{}"].concat()).is_err());
}

#[test]
fn archives_that_cost_more_than_their_bytes_are_errors() {
    // A bomb: a thousand times as much as there is.
    let mut entries = state_dict(&[("w", &[4 << 20], vec![0.0; 4 << 20])]);
    let bomb = pack(&entries, Packing::Deflated);
    assert!(bomb.len() < 200_000);
    assert!(quickly(|| use_up(bomb)).unwrap_err().contains("would inflate"));
    // A pickle beyond the limit.
    entries[0].1 = vec![b'N'; (16 << 20) + 1];
    assert!(quickly(|| use_up(pack(&entries, Packing::Stored))).unwrap_err().contains("more than"));
    // An index that counts more entries than there are, or than there can be.
    let file = archive(&[("x/data.pkl", vec![])], Packing::Zip64);
    for count in [2, 1 << 17, u64::MAX / 2] {
        let mut file = file.clone();
        let at = file.len() - 22 - 20 - 24;
        file[at..at + 8].copy_from_slice(&u64::to_le_bytes(count));
        assert!(quickly(|| use_up(file)).is_err());
    }
    // Two entries of one name.
    let twice = archive(&[("x/data.pkl", vec![]), ("x/data.pkl", vec![])], Packing::Stored);
    assert!(use_up(twice).unwrap_err().contains("two entries"));
    // Entries that share their bytes: the index names the first one again and again.
    let content = vec![7; 10_000];
    let names: Vec<String> = (0..100).map(|i| format!("x/{i:04}")).collect();
    let entries: Vec<(&str, Vec<u8>)> = names.iter().map(|n| (n.as_str(), content.clone())).collect();
    let file = archive(&entries, Packing::Stored);
    let directory = file.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let first = file.windows(4).skip(1).position(|w| w == b"PK\x03\x04").unwrap() + 1;
    let mut overlapping = file[..first].to_vec();
    overlapping.extend(&file[directory..]);
    let end = overlapping.len() - 22;
    overlapping[end + 16..end + 20].copy_from_slice(&(first as u32).to_le_bytes());
    assert!(quickly(|| use_up(overlapping)).unwrap_err().contains("add up to"));
}

#[test]
fn deep_wide_and_circular_pickles_are_read_or_refused() {
    let depth = 400_000;
    let in_args = |value: Vec<u8>| {
        let w = Pickle::new().op(b"}(").text("w").tensor("FloatStorage", "0", 1, 0, &[1], &[1]);
        let pickle = w.text("args").op(&value).op(b"u").stop();
        quickly(|| use_up(with_pickle(pickle, floats(1))))
    };
    // Tuples in tuples, as an argument and as the whole.
    assert!(in_args([b"N".as_slice(), &b"\x85".repeat(depth)].concat()).is_ok());
    let whole = [b"\x80\x02N".as_slice(), &b"\x85".repeat(depth), b"."].concat();
    assert!(quickly(|| use_up(with_pickle(whole, vec![]))).unwrap_err().contains("a tuple"));
    // A list of ten of the list before, sixty times.
    let mut laughs = b"]q\x00".to_vec();
    for level in 0..60u8 {
        laughs.extend(b"]q");
        laughs.push(level + 1);
        laughs.push(b'(');
        for _ in 0..10 {
            laughs.extend([b'h', level]);
        }
        laughs.push(b'e');
    }
    laughs.splice(0..0, *b"(");
    laughs.push(b'l');
    assert!(in_args(laughs).is_ok());
    // Dictionaries that hold themselves, and the state dict in itself.
    assert!(in_args(b"}q\x05X\x01\0\0\0ah\x05s".to_vec()).is_ok());
    let own = Pickle::new().op(b"}q\x01(").text("model").op(b"h\x01");
    let own = own.text("w").tensor("FloatStorage", "0", 1, 0, &[1], &[1]).op(b"u").stop();
    assert_eq!(use_up(with_pickle(own, floats(1))).unwrap().len(), 1);
    // One large storage shown by many tensors.
    let mut many = Pickle::new().ordered_dict().op(b"(");
    for i in 0..100 {
        many = many.text(&format!("w{i}")).tensor("FloatStorage", "0", 10_000, 0, &[10_000], &[1]);
    }
    let many = with_pickle(many.op(b"u").stop(), floats(10_000));
    assert!(quickly(|| use_up(many)).unwrap_err().contains("show"));
    // Zero numbers of an impossible shape.
    let kernel = Pickle::new().ordered_dict().op(b"(").text("encoder.downsample_layers.0.0.weight");
    let kernel = kernel.tensor("FloatStorage", "0", 1, 0, &[8, 0, i64::MAX], &[1, 1, 1]);
    let kernel =
        kernel.text("encoder.x.kernel").tensor("FloatStorage", "0", 1, 0, &[8, 0, i64::MAX], &[1, 1, 1]);
    assert!(quickly(|| use_up(with_pickle(kernel.op(b"u").stop(), floats(1)))).is_ok());
}

/// Opcodes that are known, so that random programs get somewhere.
const OPCODES: &[u8] = b".N\x88\x89KMJ\x8a\x8bGX\x8c\x8dCB\x8e(012)t\x85\x86\x87]laed}su\x8f\x90\x91qr\x94hjc\x93R\x81\x92bQ\x80\x95";

fn program() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![
        8 => prop::sample::select(OPCODES).prop_map(|b| vec![b]),
        2 => any::<u8>().prop_map(|b| vec![b]),
        1 => prop::sample::select(vec![
            Pickle(vec![]).ordered_dict().0,
            Pickle(vec![]).text("w").0,
            Pickle(vec![]).tensor("FloatStorage", "0", 4, 0, &[2, 2], &[1, 2]).0,
            Pickle(vec![]).global("torch._utils", "_rebuild_parameter").0,
            Pickle(vec![]).global("argparse", "Namespace").0,
            b"h\x00".to_vec(),
            b"q\x00".to_vec(),
        ]),
    ];
    vec(opcode, 0..60).prop_map(|parts| [parts.concat(), b".".to_vec()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_programs_are_survived(program in program()) {
        let _ = use_up(with_pickle(program, floats(4)));
    }

    #[test]
    fn random_programs_of_the_old_format_are_survived(program in program(), count in any::<i64>()) {
        let _ = use_up(legacy(&program, &[("0", 4, floats(4))]));
        // A storage that says to have any number of elements.
        let mut file = legacy_state_dict(&small());
        let at = file.len() - 3 * 4 - 8;
        file[at..at + 8].copy_from_slice(&count.to_le_bytes());
        let _ = use_up(file);
    }

    #[test]
    fn random_bytes_are_survived(kind in 0usize..4, bytes in vec(any::<u8>(), 0..300)) {
        let head: [&[u8]; 4] =
            [b"", b"PK\x03\x04", b"\x10\0\0\0\0\0\0\0{\"", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."];
        let _ = use_up([head[kind], &bytes].concat());
    }

    #[test]
    fn tensors_of_any_geometry_show_what_their_storage_has(
        shape in vec(-1i64..5, 0..4),
        strides in vec(-1i64..7, 0..4),
        offset in -1i64..9,
        len in 0i64..40,
        huge in 0usize..40,
    ) {
        let (mut shape, mut strides, mut offset) = (shape, strides, offset);
        // Now and then a value that no multiplication survives.
        match huge {
            0 => offset = i64::MAX,
            1 => shape.push(i64::MAX),
            2 => strides.push(i64::MAX),
            _ => strides.resize(shape.len(), 1),
        }
        let read = one(|p| p.tensor("FloatStorage", "0", len, offset, &shape, &strides), floats(32));
        if let Ok(tensors) = read {
            // A tensor of nothing shows nothing, whatever its strides and offset.
            let mut expected = if shape.contains(&0) { Vec::new() } else { vec![offset] };
            for (dim, stride) in shape.iter().zip(&strides) {
                expected = expected.iter().flat_map(|at| (0..*dim).map(move |i| at + i * stride)).collect();
            }
            let expected: Vec<f32> = expected.into_iter().map(|at| at as f32).collect();
            prop_assert_eq!(&tensors[0].data, &expected);
            prop_assert!(expected.len() <= 32);
        }
    }
}
