//! What a slice viewer shows: the part that an address states, and the rules of zoom and grey window.

use leptos_router::params::ParamsMap;
use transferscope_domain::dataset::sheet::{GAP, Sheet};

/// Slice and masks, as in the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// From 0.
    pub slice: usize,
    pub masks: Vec<String>,
    /// Whether the inside of masks is tinted, besides their outline.
    pub tint: bool,
}

impl Shown {
    /// From a query, for a case with so many slices and these masks. Unless it says otherwise: the
    /// middle slice and all masks, but not the gland beside the zones that it consists of.
    pub fn of(query: &ParamsMap, slices: usize, masks: &[String]) -> Self {
        let asked = query.get_str("z").and_then(|z| z.parse::<usize>().ok());
        let wanted = query.get_all("masks");
        let on = |mask: &&String| match &wanted {
            Some(all) => all.iter().flat_map(|v| v.split(',')).any(|v| v == *mask),
            None => *mask != "gland" || !masks.iter().any(|m| m == "zones"),
        };
        Self {
            slice: asked.unwrap_or(slices / 2).min(slices.saturating_sub(1)),
            masks: masks.iter().filter(on).cloned().collect(),
            tint: query.get_str("style") == Some("tint"),
        }
    }

    /// The query of an address, without the slice.
    pub fn looks(&self) -> String {
        let tint = if self.tint { "&style=tint" } else { "" };
        // A plus sign in a query is a space.
        format!("masks={}{tint}", self.masks.join(",").replace('+', "%2B"))
    }

    /// The query of an address.
    pub fn query(&self) -> String {
        format!("?z={}&{}", self.slice, self.looks())
    }
}

/// Enlargement of the slices, and where their left upper corner lies in units of the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zoom {
    pub factor: f64,
    pub x: f64,
    pub y: f64,
}

impl Zoom {
    /// The whole slice.
    pub const WHOLE: Zoom = Zoom { factor: 1.0, x: 0.0, y: 0.0 };
    const MOST: f64 = 8.0;

    /// Enlarged further; what is in the middle of the frame stays there.
    pub fn by(self, factor: f64) -> Self {
        let to = (self.factor * factor).clamp(1.0, Self::MOST);
        let grown = to / self.factor;
        Self { factor: to, x: 0.5 - (0.5 - self.x) * grown, y: 0.5 - (0.5 - self.y) * grown }.moved(0.0, 0.0)
    }

    /// Moved by parts of the frame; the frame stays filled.
    pub fn moved(self, dx: f64, dy: f64) -> Self {
        let within = |at: f64| at.clamp(1.0 - self.factor, 0.0);
        Self { x: within(self.x + dx), y: within(self.y + dy), ..self }
    }

    /// Whether a part of the slice lies outside of the frame.
    pub fn is_enlarged(self) -> bool {
        self.factor > 1.0
    }

    pub fn style(self) -> String {
        format!(
            "transform:translate({:.2}%,{:.2}%) scale({:.3})",
            self.x * 100.0,
            self.y * 100.0,
            self.factor
        )
    }
}

/// Size and place of a sheet behind a frame that shows one slice of `[H, W]` pixels of it.
pub fn sheet_style(sheet: Sheet, [height, width]: [usize; 2], slice: usize) -> String {
    let [full_h, full_w] = sheet.size([height, width]).unwrap_or([height, width]).map(|n| n as f64);
    let [row, column] = sheet.tile(slice);
    let left = (column * (width + GAP)) as f64 / full_w;
    let top = (row * (height + GAP)) as f64 / full_h;
    let (w, h) = (full_w / width as f64, full_h / height as f64);
    format!(
        "width:{:.4}%;height:{:.4}%;transform:translate({:.4}%,{:.4}%)",
        w * 100.0,
        h * 100.0,
        -left * 100.0,
        -top * 100.0
    )
}

/// `feColorMatrix` values that show `window` of a picture which shows `range`.
pub fn window_matrix([low, high]: [f64; 2], window: [f64; 2]) -> String {
    let width = (window[1] - window[0]).max(f64::MIN_POSITIVE);
    let (slope, shift) = ((high - low) / width, (low - window[0]) / width);
    format!("{slope:.4} 0 0 0 {shift:.4} 0 {slope:.4} 0 0 {shift:.4} 0 0 {slope:.4} 0 {shift:.4} 0 0 0 1 0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&'static str, &str)]) -> ParamsMap {
        pairs.iter().map(|(k, v)| (*k, (*v).to_owned())).collect()
    }

    #[test]
    fn an_address_says_what_is_shown() {
        let masks = ["gland".to_owned(), "zones".into()];
        let of = |pairs: &[(&'static str, &str)]| Shown::of(&query(pairs), 24, &masks);
        let plain = of(&[]);
        assert_eq!(plain, Shown { slice: 12, masks: vec!["zones".into()], tint: false });
        assert_eq!(plain.query(), "?z=12&masks=zones");
        assert_eq!(Shown::of(&query(&[]), 24, &masks[..1]).masks, ["gland"]);
        assert_eq!(of(&[("z", "99"), ("masks", "")]), Shown { slice: 23, masks: Vec::new(), tint: false });
        // As a form without scripts sends it.
        let form = of(&[("z", "3"), ("masks", ""), ("masks", "zones"), ("style", "tint")]);
        assert_eq!(form, Shown { slice: 3, masks: vec!["zones".into()], tint: true });
        assert_eq!(of(&[("z", "3"), ("masks", "zones"), ("style", "tint")]), form);
        assert_eq!(Shown::of(&query(&[("z", "x")]), 0, &[]).slice, 0);
    }

    #[test]
    fn the_frame_stays_filled() {
        let twice = Zoom::WHOLE.by(2.0);
        assert_eq!(twice, Zoom { factor: 2.0, x: -0.5, y: -0.5 });
        assert_eq!(twice.moved(9.0, -9.0), Zoom { factor: 2.0, x: 0.0, y: -1.0 });
        assert_eq!(twice.by(0.5), Zoom::WHOLE);
        assert_eq!(twice.moved(9.0, -9.0).by(0.1), Zoom::WHOLE);
        assert_eq!(Zoom::WHOLE.by(1e9).factor, Zoom::MOST);
    }

    #[test]
    fn a_sheet_is_moved_by_whole_slices() {
        let sheet = Sheet { columns: 2, rows: 2 };
        // 2 x 8 + 2 = 18 wide, 2 x 4 + 2 = 10 high.
        assert_eq!(
            sheet_style(sheet, [4, 8], 3),
            "width:225.0000%;height:250.0000%;transform:translate(-55.5556%,-60.0000%)"
        );
    }

    #[test]
    fn a_window_maps_its_ends_to_black_and_white() {
        let matrix = window_matrix([0.0, 1000.0], [250.0, 750.0]);
        assert!(matrix.starts_with("2.0000 0 0 0 -0.5000 0 2.0000 "), "{matrix}");
        assert!(window_matrix([0.0, 1.0], [0.0, 1.0]).starts_with("1.0000 0 0 0 0.0000 "));
    }
}
