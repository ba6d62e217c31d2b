//! TensorBoard event files: a run's curves for people with a viewer of their own.
//!
//! A file is a row of records, each `length, its checksum, an Event message, its checksum`; the messages are written
//! field by field, since five fields of two messages are all that curves need.
//!
//! # Source
//! TensorFlow, `core/lib/io/record_writer.h` (framing and masked CRC32C), `core/util/event.proto` and
//! `core/framework/summary.proto` (numbers and types of the fields).

use crc::{CRC_32_ISCSI, Crc};
use transferscope_domain::api::Point;
use transferscope_store::NamedPoint;

const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
/// Added to a rotated checksum, so that checksums of data that holds checksums keep their strength.
const MASK: u32 = 0xa282_ead8;

/// First record of every file, by which readers know the version.
const VERSION: &str = "brain.Event:2";

/// Types of protobuf fields, the lower three bits of a tag.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const FIXED32: u8 = 5;

/// What every file begins with.
pub fn head(created_ms: i64) -> Vec<u8> {
    let mut version = wall_time(created_ms);
    field_bytes(&mut version, 3, VERSION.as_bytes());
    let mut file = Vec::new();
    record(&mut file, &version);
    file
}

/// Adds points; each has its step and its wall time, values have single precision.
pub fn points(points: &[NamedPoint], file: &mut Vec<u8>) {
    for (name, Point { step, t_ms, value, .. }) in points {
        let mut scalar = Vec::new();
        field_bytes(&mut scalar, 1, name.as_bytes());
        scalar.push(tag(2, FIXED32));
        scalar.extend((*value as f32).to_le_bytes());
        let mut summary = Vec::new();
        field_bytes(&mut summary, 1, &scalar);
        let mut event = wall_time(*t_ms);
        event.push(tag(2, VARINT));
        varint(&mut event, *step);
        field_bytes(&mut event, 5, &summary);
        record(file, &event);
    }
}

/// An event's first field: seconds since 1970.
fn wall_time(t_ms: i64) -> Vec<u8> {
    let mut event = vec![tag(1, FIXED64)];
    event.extend((t_ms as f64 / 1000.0).to_le_bytes());
    event
}

fn record(file: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    file.extend(length);
    file.extend(masked(&length).to_le_bytes());
    file.extend(data);
    file.extend(masked(data).to_le_bytes());
}

fn masked(data: &[u8]) -> u32 {
    CRC32C.checksum(data).rotate_right(15).wrapping_add(MASK)
}

/// Fields here have numbers below 16, so that a tag is one byte.
fn tag(number: u8, kind: u8) -> u8 {
    number << 3 | kind
}

fn field_bytes(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(tag(number, BYTES));
    varint(message, bytes.len() as u64);
    message.extend(bytes);
}

fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // The check value of CRC-32/ISCSI, and what TensorFlow's own files begin with: a record of 24 bytes.
        assert_eq!(CRC32C.checksum(b"123456789"), 0xe306_9283);
        let file = head(0);
        assert_eq!(file[..12], [0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22]);
        assert_eq!(file.len(), 8 + 4 + 24 + 4);
        assert!(file[12..].starts_with(&[0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a, 13]));
    }

    #[test]
    fn a_point_is_a_record_with_step_time_name_and_value() {
        let mut record = Vec::new();
        points(&[("val/dice".into(), (300, 2.0, 1500, 0.5).into())], &mut record);
        let length = u64::from_le_bytes(record[..8].try_into().unwrap()) as usize;
        let data = &record[12..12 + length];
        assert_eq!(record.len(), 12 + length + 4);
        assert_eq!(record[12 + length..], masked(data).to_le_bytes());
        let mut expected = vec![0x09];
        expected.extend(1.5_f64.to_le_bytes());
        // Step 300 as a varint; a summary of 17 bytes with one value of 15.
        expected.extend([0x10, 0xac, 0x02, 0x2a, 17, 0x0a, 15, 0x0a, 8]);
        expected.extend(b"val/dice");
        expected.push(0x15);
        expected.extend(0.5_f32.to_le_bytes());
        assert_eq!(data, expected);
    }
}
