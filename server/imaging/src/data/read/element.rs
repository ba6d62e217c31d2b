//! Types of stored voxels, whatever the format calls them.

/// A real number as it lies in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Element {
    /// Bytes of one.
    pub fn width(self) -> usize {
        match self {
            Element::U8 | Element::I8 => 1,
            Element::U16 | Element::I16 => 2,
            Element::U32 | Element::I32 | Element::F32 => 4,
            Element::U64 | Element::I64 | Element::F64 => 8,
        }
    }

    /// Whole elements of `bytes` as `slope * stored + intercept`, computed in double precision;
    /// `big_endian` says that the most significant byte comes first.
    pub fn decode(self, bytes: &[u8], big_endian: bool, slope: f64, intercept: f64) -> Vec<f32> {
        let scale = |v: f64| (slope * v + intercept) as f32;
        match self {
            Element::U8 => run(bytes, big_endian, |b: [u8; 1]| scale(f64::from(b[0]))),
            Element::I8 => run(bytes, big_endian, |b| scale(f64::from(i8::from_le_bytes(b)))),
            Element::U16 => run(bytes, big_endian, |b| scale(f64::from(u16::from_le_bytes(b)))),
            Element::I16 => run(bytes, big_endian, |b| scale(f64::from(i16::from_le_bytes(b)))),
            Element::U32 => run(bytes, big_endian, |b| scale(f64::from(u32::from_le_bytes(b)))),
            Element::I32 => run(bytes, big_endian, |b| scale(f64::from(i32::from_le_bytes(b)))),
            Element::U64 => run(bytes, big_endian, |b| scale(u64::from_le_bytes(b) as f64)),
            Element::I64 => run(bytes, big_endian, |b| scale(i64::from_le_bytes(b) as f64)),
            Element::F32 => run(bytes, big_endian, |b| scale(f64::from(f32::from_le_bytes(b)))),
            Element::F64 => run(bytes, big_endian, |b| scale(f64::from_le_bytes(b))),
        }
    }
}

/// `read` gets the bytes of each element, the least significant first.
fn run<const N: usize>(bytes: &[u8], big_endian: bool, read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|chunk| {
            let mut little = *chunk;
            if big_endian {
                little.reverse();
            }
            read(little)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_orders_signs_and_scaling() {
        assert_eq!(Element::I16.decode(&[0xfe, 0xff, 0x01, 0x00], false, 0.5, 10.0), [9.0, 10.5]);
        assert_eq!(Element::I16.decode(&[0xff, 0xfe], true, 1.0, 0.0), [-2.0]);
        assert_eq!(Element::F64.decode(&1.25f64.to_be_bytes(), true, 1.0, 0.0), [1.25]);
        assert_eq!(Element::U8.decode(&[200], false, 1.0, 0.0), [200.0]);
    }
}
