//! Charts: one drawing function a chart, generic over a plotters `DrawingBackend`, so that the
//! browser draws on a canvas what the server draws as SVG.
//!
//! # For routes (feature `ssr`)
//! ```text
//! ChartOptions::from_pairs(query)                                      x=epoch|step|time  log=1  smooth=0.6
//!                                                                      hide=RUN,RUN  theme=light|dark  width=  height=
//! build::run_series(task)                      -> Vec<String>   the series that a run's charts need
//! svg::run_chart(name, &run, &series, alignment, &options) -> Option<String>   name: loss | primary | alignment | drift
//! svg::compare_chart(&compare_data, metric, &options)      -> String
//! svg::{convergence, alignment_layers, layer_heatmap, case_pairs}(&data, &options) -> String
//! ```
//! All take plain data and never fail: what cannot be drawn becomes a labelled empty picture.
//!
//! # For pages
//! ```text
//! <RunCharts detail=RunDetail series=Vec<MetricSeries> alignment=Option<AlignmentView> live=RunLive/>
//! <CompareChart data=CompareData base_view=BTreeMap<String, String>/>
//! <ChartFigure chart=Signal<Chart> options=Signal<ChartOptions>/>      any chart
//! ```
//! `RunCharts` wants the series named by [`build::run_series`]; `CompareChart` reads `metric`, `x`, `log`,
//! `smooth` and `hide` from the page's query over `base_view` (what a share stored) and writes
//! them back there; it draws the controls, the chart, the alignment and the paired cases.
//!
//! # Parts
//! [`scale`], [`crate::downsample`], [`smooth`], [`hover`], [`legend`] and [`polyline`] are pure
//! functions; [`surface`] turns CSS pixels into a backend's units; [`frame`] draws axes;
//! [`build`] makes charts from what the API answers; [`figure`] is the component.

pub mod alignment_layers;
pub mod build;
pub mod case_pairs;
pub mod convergence;
pub mod figure;
pub mod frame;
pub mod hover;
pub mod layer_heatmap;
pub mod legend;
pub mod options;
#[cfg(feature = "hydrate")]
mod paint;
pub mod panels;
pub mod polyline;
pub mod scale;
#[cfg(feature = "ssr")]
pub mod scatter;
pub mod smooth;
pub mod surface;
#[cfg(feature = "ssr")]
pub mod svg;
pub mod text;
pub mod theme;
pub mod view_state;

use plotters_backend::DrawingBackend;

pub use alignment_layers::AlignmentLayers;
pub use case_pairs::CasePairs;
pub use convergence::Convergence;
pub use figure::ChartFigure;
pub use hover::Hover;
pub use layer_heatmap::LayerHeatmap;
pub use legend::Entry;
pub use options::{ChartOptions, Theme, XAxis};
pub use panels::{CompareChart, RunCharts};
pub use surface::{Drawn, FONT, Surface};
pub use text::Table;

/// Any of the charts.
#[derive(Debug, Clone, PartialEq)]
pub enum Chart {
    Convergence(Convergence),
    AlignmentLayers(AlignmentLayers),
    LayerHeatmap(LayerHeatmap),
    CasePairs(CasePairs),
}

impl Chart {
    /// What the chart shows, in a few words.
    pub fn title(&self) -> &str {
        match self {
            Chart::Convergence(c) => &c.title,
            Chart::AlignmentLayers(c) => &c.title,
            Chart::LayerHeatmap(c) => &c.title,
            Chart::CasePairs(c) => &c.title,
        }
    }

    /// Both axes with their units, in words.
    pub fn axes(&self, options: &ChartOptions) -> String {
        match self {
            Chart::Convergence(c) => c.axes(options),
            Chart::AlignmentLayers(c) => c.axes(),
            Chart::LayerHeatmap(c) => c.axes(),
            Chart::CasePairs(c) => c.axes(),
        }
    }

    /// The legend; empty where the picture explains itself.
    pub fn legend(&self) -> Vec<Entry> {
        match self {
            Chart::Convergence(c) => c.legend(),
            Chart::AlignmentLayers(c) => c.legend(),
            Chart::LayerHeatmap(_) | Chart::CasePairs(_) => Vec::new(),
        }
    }

    /// The numbers of the chart, for readers who do not see it.
    pub fn table(&self, options: &ChartOptions) -> Table {
        match self {
            Chart::Convergence(c) => c.table(options),
            Chart::AlignmentLayers(c) => c.table(),
            Chart::LayerHeatmap(c) => c.table(),
            Chart::CasePairs(c) => c.table(),
        }
    }

    /// Whether a range of x can be picked out.
    pub fn zoomable(&self) -> bool {
        matches!(self, Chart::Convergence(_))
    }

    /// Draws the chart on any backend.
    ///
    /// # Errors
    /// Only when the backend fails; data never makes it fail.
    pub fn draw<DB: DrawingBackend>(
        &self,
        surface: &mut Surface<'_, DB>,
        options: &ChartOptions,
    ) -> Drawn<DB> {
        match self {
            Chart::Convergence(c) => c.draw(surface, options),
            Chart::AlignmentLayers(c) => c.draw(surface, options),
            Chart::LayerHeatmap(c) => c.draw(surface, options),
            Chart::CasePairs(c) => c.draw(surface, options),
        }
    }

    /// What stands under a pointer, in CSS pixels of the picture.
    pub fn hover(&self, options: &ChartOptions, x: f64, y: f64) -> Option<Hover> {
        match self {
            Chart::Convergence(c) => c.hover(options, x, y),
            Chart::AlignmentLayers(c) => c.hover(options, x, y),
            Chart::LayerHeatmap(c) => c.hover(options, x, y),
            Chart::CasePairs(c) => c.hover(options, x, y),
        }
    }

    /// The values of x at two places of the picture, smaller first; none where x cannot be zoomed
    /// or nothing would be left.
    pub fn range_between(&self, options: &ChartOptions, a: f64, b: f64) -> Option<(f64, f64)> {
        match self {
            Chart::Convergence(c) => c.range_between(options, a, b),
            Chart::AlignmentLayers(_) | Chart::LayerHeatmap(_) | Chart::CasePairs(_) => None,
        }
    }

    /// The range of x after zooming by `factor` (below 1: in) around a place of the picture.
    pub fn range_zoomed(&self, options: &ChartOptions, at: f64, factor: f64) -> Option<(f64, f64)> {
        match self {
            Chart::Convergence(c) => c.range_zoomed(options, at, factor),
            Chart::AlignmentLayers(_) | Chart::LayerHeatmap(_) | Chart::CasePairs(_) => None,
        }
    }
}
