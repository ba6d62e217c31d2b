//! The charts as SVG text: for files, pages without scripts and link previews.

use plotters::backend::SVGBackend;
use plotters_backend::DrawingBackend;
use transferscope_domain::api::{AlignmentView, CompareData, MetricSeries, RunView};

use super::{
    AlignmentLayers, CasePairs, Chart, ChartOptions, Convergence, Drawn, LayerHeatmap, Surface, Theme, build,
    surface::{SVG_TEXT, UNITS},
    theme::{Colours, css_by_scheme},
};

/// What can be drawn on any backend.
pub trait Drawing {
    /// # Errors
    /// Only when the backend fails.
    fn draw<DB: DrawingBackend>(&self, surface: &mut Surface<'_, DB>, options: &ChartOptions) -> Drawn<DB>;
}

impl Drawing for Chart {
    fn draw<DB: DrawingBackend>(&self, surface: &mut Surface<'_, DB>, options: &ChartOptions) -> Drawn<DB> {
        Chart::draw(self, surface, options)
    }
}

/// Any chart as an SVG document.
pub fn render(chart: &Chart, options: &ChartOptions) -> String {
    document(chart.title(), &description(chart, options), options, chart)
}

/// A drawing as an SVG document with a title and a description in words.
pub fn document(title: &str, description: &str, options: &ChartOptions, drawing: &impl Drawing) -> String {
    let units = UNITS as u32;
    let (width, height) = (options.width * units, options.height * units);
    let mut body = String::new();
    {
        let mut backend = SVGBackend::with_string(&mut body, (width, height));
        let mut surface = Surface::new(&mut backend, SVG_TEXT, Colours::of(options.theme));
        // Writing to a text cannot fail, so a picture is never left half drawn.
        let drawn = drawing.draw(&mut surface, options).and_then(|()| backend.present());
        debug_assert!(drawn.is_ok(), "the SVG backend writes to memory");
    }
    let drawing = body.split_once('>').map_or("", |(_, rest)| rest);
    let drawing = if options.theme == Theme::Page { css_by_scheme(drawing) } else { drawing.to_owned() };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" stroke-linejoin=\"round\"><title>{}</title><desc>{}</desc>{drawing}",
        options.width,
        options.height,
        escape(title),
        escape(description),
    )
}

fn description(chart: &Chart, options: &ChartOptions) -> String {
    let mut text = chart.axes(options);
    let table = chart.table(options);
    for row in table.rows.iter().take(24) {
        let cells: Vec<String> = table.head.iter().zip(row).map(|(h, c)| format!("{h} {c}")).collect();
        text.push_str(&format!("; {}", cells.join(", ")));
    }
    text
}

fn escape(text: &str) -> String {
    crate::format::html(text)
}

pub fn convergence(data: &Convergence, options: &ChartOptions) -> String {
    render(&Chart::Convergence(data.clone()), options)
}

pub fn alignment_layers(data: &AlignmentLayers, options: &ChartOptions) -> String {
    render(&Chart::AlignmentLayers(data.clone()), options)
}

pub fn layer_heatmap(data: &LayerHeatmap, options: &ChartOptions) -> String {
    render(&Chart::LayerHeatmap(data.clone()), options)
}

pub fn case_pairs(data: &CasePairs, options: &ChartOptions) -> String {
    render(&Chart::CasePairs(data.clone()), options)
}

/// A chart of one run: `loss`, `primary`, `alignment` or `drift`; none for any other name.
/// `series` holds what [`build::run_series`] names.
pub fn run_chart(
    name: &str,
    run: &RunView,
    series: &[MetricSeries],
    alignment: Option<&AlignmentView>,
    options: &ChartOptions,
) -> Option<String> {
    let mut chart = match name {
        "loss" => Chart::Convergence(build::loss(run, series)),
        "primary" => Chart::Convergence(build::primary(run, series)),
        "alignment" => Chart::AlignmentLayers(build::alignment(run, alignment)),
        "drift" => Chart::LayerHeatmap(build::drift(alignment).unwrap_or_else(|| LayerHeatmap {
            title: "Drift by layer and epoch".into(),
            layers: Vec::new(),
            epochs: Vec::new(),
            values: Vec::new(),
        })),
        _ => return None,
    };
    if options.standalone {
        let whose = format!("{}, {}, {}, seed {}", run.backbone, run.task, run.arm, run.seed);
        let title = match &mut chart {
            Chart::Convergence(c) => &mut c.title,
            Chart::AlignmentLayers(c) => &mut c.title,
            Chart::LayerHeatmap(c) => &mut c.title,
            Chart::CasePairs(c) => &mut c.title,
        };
        *title = format!("{title}: {whose}");
    }
    Some(render(&chart, options))
}

/// Curves of one metric of several runs.
pub fn compare_chart(data: &CompareData, metric: &str, options: &ChartOptions) -> String {
    let chart = if options.seeds { build::compare_seeds(data, metric) } else { build::compare(data, metric) };
    convergence(&chart, options)
}

#[cfg(test)]
mod tests {
    use transferscope_domain::Arm;

    use super::{super::build::tests as samples, *};
    use crate::{
        charts::convergence::{Curve, Reference, Sample},
        palette::tests::plain as style_of,
    };

    #[test]
    fn a_file_has_title_words_and_its_own_background() {
        let data = samples::data();
        let svg = compare_chart(&data, "val/dice", &ChartOptions::default());
        assert!(svg.starts_with("<svg xmlns") && svg.trim_end().ends_with("</svg>"));
        assert!(
            svg.contains("<title>Validation Dice</title>") && svg.contains("<desc>Dice, higher is better")
        );
        assert!(svg.contains("#FFFFFF") && svg.contains(">\npre-trained\n"), "{svg}");
        let dark =
            compare_chart(&data, "val/dice", &ChartOptions { theme: Theme::Dark, ..ChartOptions::default() });
        assert!(dark.contains("#14191C"));
    }

    #[test]
    fn inside_a_page_colours_follow_the_scheme() {
        let data = samples::data();
        let svg = compare_chart(&data, "val/dice", &ChartOptions::default().inline(640, 300));
        assert!(svg.contains("light-dark(") && !svg.contains("=\"#"), "{svg}");
    }

    #[test]
    fn every_chart_of_a_run_is_drawn_or_refused_by_name() {
        let data = samples::data();
        let run = samples::run("run-a", Arm::Pretrained, 0);
        let draw = |name: &str, alignment| {
            run_chart(name, &run, &data.series[0], alignment, &ChartOptions::default())
        };
        for name in ["loss", "primary", "alignment", "drift"] {
            assert!(draw(name, data.alignment[0].as_ref()).unwrap().contains("provicnet-mini"), "{name}");
        }
        assert!(draw("alignment", None).unwrap().contains("No alignment yet"));
        assert!(draw("drift", None).unwrap().contains("No alignment yet"));
        assert_eq!(draw("../etc", None), None);
    }

    #[test]
    fn names_cannot_break_out_of_the_picture() {
        let mut data = samples::data();
        data.runs[0].backbone = "<script>\"&".into();
        let svg = compare_chart(&data, "val/<b>", &ChartOptions::default());
        assert!(!svg.contains("<script") && !svg.contains("<b>"));
    }

    /// Every kind of degenerate input, in every kind of picture: drawn, never a panic.
    #[test]
    fn degenerate_input_is_drawn() {
        let sets: &[&[f64]] = &[
            &[],
            &[1.0],
            &[2.0, 2.0, 2.0],
            &[f64::NAN, 1.0, f64::NAN, f64::NAN, 2.0],
            &[f64::INFINITY, f64::NEG_INFINITY],
            &[-1.0, 0.0, 3.0],
            &[f64::MAX, f64::MIN, f64::MIN_POSITIVE],
            &[1e-300, 1e300],
            &[1e16, 1e16 + 2.0],
        ];
        for values in sets {
            let samples = values
                .iter()
                .enumerate()
                .map(|(i, v)| Sample { step: i as u64, epoch: i as f64, seconds: i as f64, value: *v })
                .collect();
            let band = values.iter().map(|v| (*v, v + 1.0)).collect();
            let curve = Curve { key: "k".into(), label: "k".into(), style: style_of("k"), samples, band };
            let twin = Curve { key: "l".into(), style: style_of("l"), ..curve.clone() };
            let chart = Convergence {
                title: String::new(),
                metric: "val/dice".into(),
                curves: vec![curve, twin],
                references: vec![Reference { label: "r".into(), value: f64::NAN }],
            };
            for log in [false, true] {
                for smooth in [0.0, 0.9] {
                    for (width, height) in [(160, 160), (4000, 160), (760, 380)] {
                        for zoom in [None, Some((0.5, 0.6)), Some((-1e308, 1e308)), Some((3.0, 1.0))] {
                            let options =
                                ChartOptions { width, height, log, smooth, zoom, ..ChartOptions::default() };
                            assert!(convergence(&chart, &options).contains("</svg>"));
                            for x in [-1e9, 0.0, 80.0, 400.0, f64::NAN] {
                                chart.hover(&options, x, 100.0);
                                chart.range_between(&options, x, 90.0);
                                chart.range_zoomed(&options, x, 0.5);
                            }
                        }
                    }
                }
            }
        }
    }
}
