use std::io::Cursor;

use ::tiff::encoder::{TiffEncoder, colortype};
use proptest::prelude::*;

use super::*;
use crate::data::fixtures::picture::{Png, jpeg, png};

fn read_bytes(name: &str, bytes: &[u8]) -> Result<Raster, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    read(&path)
}

fn tiff_bytes(write: impl FnOnce(&mut TiffEncoder<&mut Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    write(&mut TiffEncoder::new(&mut bytes).unwrap());
    bytes.into_inner()
}

fn part(raster: &Raster, part: &Part, kind: Kind) -> Vec<f32> {
    raster.part(part, kind).unwrap().0
}

#[test]
fn every_depth_of_png_is_read() {
    let grey = read_bytes("a.PNG", &png(3, 2, Png::Grey8, &[0, 1, 2, 3, 4, 255])).unwrap();
    assert_eq!(
        (grey.shape, grey.bands, &grey.samples[..]),
        ([1, 2, 3], 1, &[0.0, 1.0, 2.0, 3.0, 4.0, 255.0][..])
    );
    let deep = read_bytes("a.png", &png(2, 1, Png::Grey16, &[0x12, 0x34, 0xff, 0xff])).unwrap();
    assert_eq!(deep.samples, [4660.0, 65535.0]);
    // Every line begins with a byte of its own.
    let few = read_bytes("a.png", &png(3, 2, Png::Grey(2), &[0b0001_1000, 0b1101_0000])).unwrap();
    assert_eq!(few.samples, [0.0, 1.0, 2.0, 3.0, 1.0, 0.0]);
    let alpha = read_bytes("a.png", &png(1, 2, Png::Rgba8, &[1, 2, 3, 0, 4, 5, 6, 255])).unwrap();
    assert_eq!((alpha.bands, &alpha.samples[..]), (3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0][..]));
    assert!(alpha.is_coloured());
}

#[test]
fn a_palette_is_numbers_in_a_mask_and_colours_in_an_image() {
    let palette = [[0, 0, 0], [255, 0, 0], [10, 20, 30]];
    let bytes = png(4, 1, Png::Palette(palette.to_vec()), &[0, 1, 2, 1]);
    let raster = read_bytes("a.png", &bytes).unwrap();
    assert_eq!(part(&raster, &Part::Grey, Kind::Labels), [0.0, 1.0, 2.0, 1.0]);
    assert_eq!(part(&raster, &Part::Red, Kind::Intensities), [0.0, 255.0, 10.0, 255.0]);
    assert_eq!(part(&raster, &Part::Blue, Kind::Intensities), [0.0, 0.0, 30.0, 0.0]);
}

#[test]
fn colours_of_a_mask_are_classes() {
    let raster = read_bytes("a.png", &png(3, 1, Png::Rgb8, &[0, 0, 0, 255, 0, 0, 0, 255, 0])).unwrap();
    let colours: Vec<Colour> = raster.colours(16).unwrap().into_iter().collect();
    assert_eq!(colours, [[0, 0, 0], [0, 255, 0], [255, 0, 0]]);
    let classes = Part::Colours(vec![[255, 0, 0], [0, 255, 0]].into());
    assert_eq!(part(&raster, &classes, Kind::Labels), [0.0, 1.0, 2.0]);
    let one = Part::Colours(vec![[255, 0, 0]].into());
    assert!(raster.part(&one, Kind::Labels).unwrap_err().contains("#00ff00, which no other mask has"));
    assert!(raster.part(&Part::Grey, Kind::Labels).unwrap_err().contains("a mask in many colours"));
    assert_eq!(raster.colours(2), None);
}

#[test]
fn pages_of_a_tiff_are_slices() {
    let bytes = tiff_bytes(|file| {
        for page in 0..3u16 {
            let mut image = file.new_image::<colortype::Gray16>(2, 1).unwrap();
            image.resolution(
                ::tiff::tags::ResolutionUnit::Centimeter,
                ::tiff::encoder::Rational { n: 20, d: 1 },
            );
            image.write_data(&[page * 1000, 7]).unwrap();
        }
    });
    let raster = read_bytes("a.tif", &bytes).unwrap();
    assert_eq!((raster.shape, &raster.samples[..]), ([3, 1, 2], &[0.0, 7.0, 1000.0, 7.0, 2000.0, 7.0][..]));
    assert_eq!(raster.pixel_mm, Some([0.5, 0.5]));
    let (image, _) = raster.image(&Part::Grey, true, Kind::Intensities).unwrap();
    assert_eq!(image.geometry.spacing_mm(), [0.5; 3]);
    let (image, _) = raster.image(&Part::Grey, false, Kind::Intensities).unwrap();
    assert_eq!(image.geometry.spacing_mm(), [1.0; 3]);
    let odd = tiff_bytes(|file| {
        file.write_image::<colortype::Gray8>(2, 1, &[0, 7]).unwrap();
        file.write_image::<colortype::Gray8>(1, 2, &[0, 7]).unwrap();
    });
    assert!(read_bytes("a.tif", &odd).unwrap_err().contains("page 2 has 1x2 pixels"));
    let colours = tiff_bytes(|file| file.write_image::<colortype::RGB8>(1, 1, &[9, 8, 7]).unwrap());
    assert_eq!(read_bytes("a.tif", &colours).unwrap().samples, [9.0, 8.0, 7.0]);
    let real = tiff_bytes(|file| file.write_image::<colortype::Gray32Float>(2, 1, &[-0.5, 1.5]).unwrap());
    assert_eq!(read_bytes("a.tif", &real).unwrap().samples, [-0.5, 1.5]);
}

#[test]
fn sizes_of_screens_are_no_sizes_of_pixels() {
    let dpi = |dpi: f64| physical([25.4 / dpi; 2]);
    assert_eq!(dpi(72.0), None);
    assert_eq!(dpi(299.9994), None);
    assert!(dpi(50.0).is_some());
    assert_eq!(physical([0.0; 2]), None);
    assert_eq!(physical([2.5e-4; 2]), None);
    let mut bytes = Vec::new();
    let mut file = ::png::Encoder::new(&mut bytes, 1, 1);
    file.set_color(::png::ColorType::Grayscale);
    file.set_pixel_dims(Some(::png::PixelDimensions { xppu: 2000, yppu: 4000, unit: ::png::Unit::Meter }));
    file.write_header().unwrap().write_image_data(&[1]).unwrap();
    assert_eq!(read_bytes("a.png", &bytes).unwrap().pixel_mm, Some([0.5, 0.25]));
}

#[test]
fn what_is_no_picture_is_refused_before_memory_is_taken() {
    assert!(read_bytes("a.png", b"").unwrap_err().contains("it is empty"));
    assert!(read_bytes("a.png", b"GIF89a").unwrap_err().contains("neither PNG nor JPEG nor TIFF"));
    let mut huge = png(2, 2, Png::Grey8, &[0; 4]);
    huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let crc = crc(&huge[12..29]);
    huge[29..33].copy_from_slice(&crc.to_be_bytes());
    let error = read_bytes("a.png", &huge).unwrap_err();
    assert!(error.contains("65536x65536x1 voxels: at most"), "{error}");
    huge[16..24].copy_from_slice(&[0, 0, 0x20, 0, 0, 0, 0x20, 0]);
    let crc = self::crc(&huge[12..29]);
    huge[29..33].copy_from_slice(&crc.to_be_bytes());
    assert!(read_bytes("a.png", &huge).unwrap_err().contains("more than"), "8192x8192 in a few bytes");
}

/// The checksum of a part of a PNG file.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

#[test]
fn jpeg_is_read_and_a_mask_of_two_values_is_told() {
    let raster = read_bytes("a.jpg", &jpeg()).unwrap();
    assert_eq!((raster.shape, raster.bands), ([1, 8, 16], 1));
    let (mask, note) = raster.part(&Part::Grey, Kind::Labels).unwrap();
    assert!(note.unwrap().contains("JPEG changes the values of a mask"));
    let expected: Vec<f32> = (0..128).map(|i| if i % 16 < 8 { 0.0 } else { 255.0 }).collect();
    assert_eq!(mask, expected);
    let grey = Raster { samples: vec![100.0; 128], ..raster };
    assert!(grey.part(&Part::Grey, Kind::Labels).unwrap_err().contains("PNG or TIFF was expected"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Whatever is done to a file, it is read or refused.
    #[test]
    fn damaged_files_never_panic(
        which in 0..4usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = match which {
            0 => png(5, 4, Png::Rgb8, &[7; 60]),
            1 => png(4, 4, Png::Palette(vec![[1, 2, 3]; 4]), &[3; 16]),
            2 => jpeg(),
            _ => tiff_bytes(|file| {
                file.write_image::<colortype::Gray16>(3, 2, &[1, 2, 3, 4, 5, 6]).unwrap();
                file.write_image::<colortype::Gray16>(3, 2, &[1, 2, 3, 4, 5, 7]).unwrap();
            }),
        };
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(raster) = read_bytes("a.png", &bytes) {
            let n: usize = raster.shape.iter().product();
            prop_assert_eq!(raster.samples.len(), n * raster.bands);
            for kind in [Kind::Intensities, Kind::Labels] {
                for part in [Part::Grey, Part::Red, Part::Colours(vec![[1, 2, 3]].into())] {
                    if let Ok((plane, _)) = raster.part(&part, kind) {
                        prop_assert_eq!(plane.len(), n);
                    }
                }
            }
        }
    }
}
