//! How a chart is to be drawn; the part that a reader chooses travels in the URL.

/// What runs along x.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum XAxis {
    #[default]
    Epoch,
    Step,
    /// Wall time since the run's first value.
    Time,
}

impl XAxis {
    pub const ALL: [XAxis; 3] = [XAxis::Epoch, XAxis::Step, XAxis::Time];

    /// The name in a query.
    pub fn as_str(self) -> &'static str {
        match self {
            XAxis::Epoch => "epoch",
            XAxis::Step => "step",
            XAxis::Time => "time",
        }
    }

    /// The name on pages.
    pub fn label(self) -> &'static str {
        match self {
            XAxis::Epoch => "Epoch",
            XAxis::Step => "Step",
            XAxis::Time => "Time",
        }
    }

    /// Reads a query value; anything unknown is the default.
    pub fn parse(text: &str) -> Self {
        Self::ALL.into_iter().find(|x| x.as_str() == text).unwrap_or_default()
    }
}

/// Which colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    #[default]
    Light,
    Dark,
    /// SVG inside a page: CSS picks by the page's colour scheme.
    Page,
}

/// Smallest and largest width or height in CSS pixels that a query may ask for.
pub const SIDE: std::ops::RangeInclusive<u32> = 160..=4000;
/// Strongest smoothing.
pub const SMOOTH_MAX: f64 = 0.99;

/// Everything that decides a picture besides its data.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartOptions {
    /// CSS pixels.
    pub width: u32,
    /// CSS pixels.
    pub height: u32,
    pub x: XAxis,
    /// Whether y is logarithmic.
    pub log: bool,
    /// Weight of the past in the exponential moving average, 0 (none) to 0.99.
    pub smooth: f64,
    /// Visible range of x in the axis' own values; none for all.
    pub zoom: Option<(f64, f64)>,
    /// Whether runs that differ in their seed are shown as their mean.
    pub seeds: bool,
    /// Keys of legend entries that are switched off.
    pub hidden: Vec<String>,
    pub theme: Theme,
    /// Whether title and legend belong to the picture (a file) or to the page around it.
    pub standalone: bool,
}

impl Default for ChartOptions {
    fn default() -> Self {
        Self {
            width: 760,
            height: 380,
            x: XAxis::Epoch,
            log: false,
            smooth: 0.0,
            zoom: None,
            seeds: false,
            hidden: Vec::new(),
            theme: Theme::Light,
            standalone: true,
        }
    }
}

impl ChartOptions {
    /// Reads `x`, `log`, `seeds`, `smooth`, `hide`, `theme`, `width` and `height`; unknown keys and values that cannot be
    /// read leave the default, numbers out of range are moved to the nearest end.
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut options = Self::default();
        for (key, value) in pairs {
            let value = value.as_ref();
            let side = |old: u32| value.parse::<u32>().map_or(old, |v| v.clamp(*SIDE.start(), *SIDE.end()));
            match key.as_ref() {
                "x" => options.x = XAxis::parse(value),
                "log" => options.log = matches!(value, "1" | "true" | "on"),
                "seeds" => options.seeds = matches!(value, "1" | "true" | "on"),
                "smooth" => options.smooth = parse_smooth(value),
                "hide" => {
                    options.hidden = value.split(',').filter(|v| !v.is_empty()).map(str::to_owned).collect();
                }
                "theme" => options.theme = if value == "dark" { Theme::Dark } else { Theme::Light },
                "width" => options.width = side(options.width),
                "height" => options.height = side(options.height),
                _ => {}
            }
        }
        options
    }

    /// The same choices for a picture inside a page.
    pub fn inline(mut self, width: u32, height: u32) -> Self {
        (self.width, self.height) = (width, height);
        self.theme = Theme::Page;
        self.standalone = false;
        self
    }

    /// Whether a legend entry is switched on.
    pub fn shows(&self, key: &str) -> bool {
        !self.hidden.iter().any(|h| h == key)
    }
}

fn parse_smooth(text: &str) -> f64 {
    text.parse::<f64>().ok().filter(|v| v.is_finite()).map_or(0.0, |v| v.clamp(0.0, SMOOTH_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_and_nonsense_is_harmless() {
        let o = ChartOptions::from_pairs([
            ("x", "step"),
            ("log", "1"),
            ("smooth", "7"),
            ("hide", "a,,b"),
            ("width", "9999999"),
            ("height", "-3"),
            ("nonsense", "x"),
        ]);
        assert_eq!((o.x, o.log, o.smooth), (XAxis::Step, true, SMOOTH_MAX));
        assert_eq!(o.hidden, ["a", "b"]);
        assert_eq!((o.width, o.height), (4000, 380));
        assert!(!o.shows("a") && o.shows("c"));
        assert_eq!(ChartOptions::from_pairs([("smooth", "NaN")]).smooth, 0.0);
    }
}
