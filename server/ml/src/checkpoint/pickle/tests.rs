use super::*;

fn read(bytes: &[u8]) -> Result<Objects, String> {
    parse(bytes).map(|(objects, _)| objects).map_err(|e| e.to_string())
}

#[test]
fn numbers_texts_and_containers_of_protocols_2_to_5() {
    // pickle.dumps((1, -2, 300, 2**40, 1.5, None, True, "ä", [b"x"], {"k": 1}, {1}), protocol=2 and 5)
    let two = b"\x80\x02(K\x01J\xfe\xff\xff\xffM,\x01\x8a\x06\x00\x00\x00\x00\x00\x01G?\xf8\x00\x00\x00\x00\x00\x00N\x88X\x02\x00\x00\x00\xc3\xa4q\x00]q\x01c_codecs\nencode\nq\x02X\x01\x00\x00\x00xq\x03X\x06\x00\x00\x00latin1q\x04\x86q\x05Rq\x06a}q\x07X\x01\x00\x00\x00kq\x08K\x01sc__builtin__\nset\nq\t]q\nK\x01a\x85q\x0bRq\x0ctq\r.";
    let five = b"\x80\x05\x95<\x00\x00\x00\x00\x00\x00\x00(K\x01J\xfe\xff\xff\xffM,\x01\x8a\x06\x00\x00\x00\x00\x00\x01G?\xf8\x00\x00\x00\x00\x00\x00N\x88\x8c\x02\xc3\xa4\x94]\x94C\x01x\x94a}\x94\x8c\x01k\x94K\x01s\x8f\x94(K\x01\x90t\x94.";
    for bytes in [&two[..], &five[..]] {
        let objects = read(bytes).unwrap();
        let Object::Tuple(items) = objects.get(objects.root()) else { panic!() };
        let ints: Vec<_> = items[..4].iter().map(|i| format!("{:?}", objects.get(*i))).collect();
        assert_eq!(ints, ["Int(1)", "Int(-2)", "Int(300)", "Int(1099511627776)"]);
        assert!(matches!(objects.get(items[4]), Object::Float(v) if *v == 1.5));
        assert!(matches!(objects.get(items[5]), Object::None));
        assert!(matches!(objects.get(items[6]), Object::Bool(true)));
        assert_eq!(objects.text(items[7]), Some("ä"));
        assert!(matches!(objects.get(items[8]), Object::List(list) if list.len() == 1));
        let (key, _) = objects.pairs(items[9]).unwrap()[0];
        assert_eq!(objects.text(key), Some("k"));
        assert_eq!(items.len(), 11);
    }
}

#[test]
fn a_list_may_hold_itself() {
    let objects = read(b"\x80\x02]q\x00h\x00a.").unwrap();
    let Object::List(items) = objects.get(objects.root()) else { panic!() };
    assert_eq!(items.as_slice(), [objects.root()]);
}

#[test]
fn broken_programs_are_errors() {
    for bytes in [
        &b""[..],
        b".",
        b"\x80\x02",
        b"\x80\x09N.",
        b"N",
        b"K",
        b"X\xff\xff\xff\xffa.",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.",
        b"(N0.",
        b"t.",
        b"N\x86.",
        b"h\x00.",
        b"q\x00.",
        b"NNa.",
        b"}N(u.",
        b"}(Nu.",
        b"\x93.",
        b"NN\x93.",
        b"NR.",
        b"cos\n.",
        b"i.",
        b"\xff.",
    ] {
        assert!(read(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn limits_hold() {
    let many = |unit: &[u8]| {
        let mut bytes = unit.repeat((1 << 20) + 1);
        bytes.push(b'.');
        read(&bytes).unwrap_err()
    };
    assert!(many(b"N").contains("objects"));
    assert!(many(b"N0").contains("objects"));
    assert!(many(b"(").contains("marks"));
    let mut repeated = b"N".to_vec();
    repeated.extend(b"2".repeat(1 << 20));
    assert!(read(&repeated).unwrap_err().contains("stack"));
}
