//! Charts as PNG, for slides and for links that unfurl: the SVG that a page has, drawn with a font that is in the
//! program, so that a picture is the same on every machine.

use std::sync::{Arc, LazyLock};

use epaint_default_fonts::UBUNTU_LIGHT;
use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree, fontdb::Database},
};

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error("the drawing cannot be read: {0}")]
    Svg(#[from] resvg::usvg::Error),
    #[error("a picture of {0} x {1} pixels cannot be made")]
    Size(u32, u32),
    #[error("the picture cannot be encoded: {0}")]
    Encode(String),
}

static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_data(UBUNTU_LIGHT.to_vec());
    // Every generic family ends at the one that there is.
    let name = fonts.faces().next().and_then(|f| f.families.first()).map(|f| f.0.clone());
    if let Some(name) = name {
        fonts.set_sans_serif_family(&name);
        fonts.set_serif_family(&name);
        fonts.set_monospace_family(&name);
    }
    Arc::new(fonts)
});

/// Largest picture in pixels: a slide has no more, and it takes 8 MB while it is drawn.
pub const SIZE_MAX: [u32; 2] = [1600, 1200];

/// The drawing with `scale` pixels a unit, or as many as fit into [`SIZE_MAX`].
///
/// # Errors
/// When it is no SVG, or has no size that can be drawn.
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>, PictureError> {
    let options = Options { fontdb: Arc::clone(&FONTS), ..Options::default() };
    let tree = Tree::from_str(svg, &options)?;
    let [width_max, height_max] = SIZE_MAX.map(|side| side as f32);
    let scale = scale.min(width_max / tree.size().width()).min(height_max / tree.size().height());
    // A drawing that is very long is at least one pixel wide.
    let [width, height] =
        [tree.size().width(), tree.size().height()].map(|side| ((side * scale).round() as u32).max(1));
    let mut pixels = Pixmap::new(width, height).ok_or(PictureError::Size(width, height))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|e| PictureError::Encode(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(svg: &str) -> Pixmap {
        Pixmap::decode_png(&png(svg, 2.0).unwrap()).unwrap()
    }

    #[test]
    fn texts_are_drawn_whatever_family_they_ask_for() {
        let with = |text: &str, family: &str| {
            decoded(&format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"60\" height=\"20\"><text x=\"2\" y=\"15\" \
                 font-family=\"{family}\" font-size=\"12\">{text}</text></svg>"
            ))
        };
        let empty = with("", "sans-serif");
        assert_eq!((empty.width(), empty.height()), (120, 40));
        let named = with("Dice −0.5", transferscope_app::charts::FONT);
        assert!(named.data() != empty.data());
        assert!(named.data() == with("Dice −0.5", "sans-serif").data());
    }

    #[test]
    fn what_is_no_drawing_is_refused() {
        assert!(matches!(png("nonsense", 1.0), Err(PictureError::Svg(_))));
        let large = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"4000\" height=\"8000\"/>";
        let drawn = Pixmap::decode_png(&png(large, 2.0).unwrap()).unwrap();
        assert_eq!((drawn.width(), drawn.height()), (600, 1200));
    }
}
