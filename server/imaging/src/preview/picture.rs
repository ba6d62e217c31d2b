//! An RGB image and its file.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use super::{PreviewError, colour::Rgb};

/// An RGB image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    /// Row-major, three bytes a pixel.
    rgb: Vec<u8>,
}

impl Picture {
    /// A picture of one colour; sizes are the caller's to bound.
    pub(super) fn filled(width: usize, height: usize, colour: Rgb) -> Self {
        Self { width, height, rgb: colour.repeat(width * height) }
    }

    pub(super) fn fill_square(&mut self, left: usize, top: usize, side: usize, colour: Rgb) {
        for y in top..top + side {
            let start = (y * self.width + left) * 3;
            for pixel in self.rgb[start..start + side * 3].chunks_exact_mut(3) {
                pixel.copy_from_slice(&colour);
            }
        }
    }

    /// Width and height in pixels.
    pub fn size(&self) -> [usize; 2] {
        [self.width, self.height]
    }

    /// Red, green, blue of a pixel.
    ///
    /// # Panics
    /// When the pixel lies outside.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        assert!(x < self.width, "column {x} of {}", self.width);
        let at = (y * self.width + x) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// When the encoder cannot write to `out`.
    pub fn encode(&self, out: impl Write) -> io::Result<()> {
        let side = |n: usize| u32::try_from(n).map_err(io::Error::other);
        let mut encoder = png::Encoder::new(out, side(self.width)?, side(self.height)?);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgb)?;
        writer.finish()?;
        Ok(())
    }

    /// Writes the PNG under a temporary name beside `path` and renames it, so that a reader
    /// never sees half a picture.
    ///
    /// # Errors
    /// When the folder is missing or cannot be written to.
    pub fn write(&self, path: &Path) -> Result<(), PreviewError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        let written = (|| {
            // In memory first: the encoder's errors do not say whether the disk is full.
            let mut bytes = Vec::new();
            self.encode(&mut bytes)?;
            let mut file = File::create(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        })();
        written.map_err(|source| {
            // The first error is the one to tell; the temporary file may not even exist.
            let _ = fs::remove_file(&temporary);
            PreviewError::Write { path: path.to_owned(), source }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_decodes_to_the_same_pixels_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut picture = Picture::filled(5, 4, [1, 2, 3]);
        picture.fill_square(1, 1, 2, [200, 100, 50]);
        let path = folder.path().join("step-00000010.png");
        picture.write(&path).unwrap();
        picture.write(&path).unwrap();

        let mut reader =
            png::Decoder::new(io::BufReader::new(File::open(&path).unwrap())).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((info.width, info.height, info.color_type), (5, 4, png::ColorType::Rgb));
        assert_eq!(bytes, picture.rgb);
        assert_eq!(picture.pixel(2, 2), [200, 100, 50]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_an_error_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/a.png");
        let error = Picture::filled(1, 1, [0; 3]).write(&path).unwrap_err();
        assert!(error.to_string().contains("none"), "{error}");
    }
}
