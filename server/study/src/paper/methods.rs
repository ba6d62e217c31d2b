//! The methods paragraph.

use transferscope_domain::Arm;

use super::{Paper, escape};
use crate::{alignment::Kernel, analysis::Gain, statistics::Correlation};

/// How the experiment was done, in sentences made from its record.
pub fn methods(paper: Paper<'_>) -> String {
    let mut text = vec![design(paper)];
    text.extend(runs(paper));
    text.extend(gains(paper));
    text.extend(convergence(paper));
    text.push(alignment(paper));
    text.extend(correlations(paper));
    text.push(format!(
        "Computed with Transferscope {}, which implements the study of [transfer2026].",
        paper.version
    ));
    text.join(" ") + "\n"
}

/// What was trained on what.
fn design(paper: Paper<'_>) -> String {
    let spec = paper.spec;
    let list = |items: Vec<String>| items.join(", ");
    let backbones = paper
        .backbones
        .iter()
        .map(|b| match &b.objective {
            Some(objective) => format!(
                "{} ({:.1} M parameters, pre-trained by {objective})",
                escape::markdown(&b.name),
                b.parameters as f64 / 1e6
            ),
            None => escape::markdown(&b.name),
        })
        .collect();
    let tasks = spec
        .tasks()
        .iter()
        .map(|t| {
            format!("{} (test {})", escape::markdown(&t.label()).to_lowercase(), t.primary_metric().label())
        })
        .collect();
    let arms = in_words(
        spec.arms
            .iter()
            .map(|arm| match arm {
                Arm::Pretrained => "from the pre-trained checkpoint",
                Arm::Scratch => "from random weights",
                Arm::Specialist => "as a residual 3-D U-Net trained for the task alone",
            })
            .collect(),
    );
    let seeds: Vec<String> = spec.seeds.iter().map(u64::to_string).collect();
    let seeds = match seeds.as_slice() {
        [one] => format!("the seed {one} alone"),
        _ => format!("the seeds {}", list(seeds)),
    };
    let epochs = spec.epochs.map_or_else(|| "the default number of".to_owned(), |e| e.to_string());
    let data = if paper.synthetic { " (synthetic: computed phantoms)" } else { "" };
    format!(
        "We fine-tuned {} on the data set {}{data} for {}, each {arms}, for {epochs} epochs with {seeds}.",
        list(backbones),
        escape::markdown(&spec.dataset),
        list(tasks),
    )
}

/// How runs compare, and what became of them.
fn runs(paper: Paper<'_>) -> Vec<String> {
    let (spec, c) = (paper.spec, paper.analysis.counts);
    let mut text = Vec::new();
    let mut say = |sentence: &str| text.push(sentence.to_owned());
    say(
        "For one backbone, task and seed, all arms share the split, the order of cases, the budget and the seed.",
    );
    if spec.arms.contains(&Arm::Specialist) {
        say("The specialist was trained once for each task and seed.");
    }
    say(&format!(
        "Of {} planned runs {} have a result, {} failed and {} were stopped. The checkpoint with the best validation metric \
         was tested.",
        c.planned, c.succeeded, c.failed, c.stopped
    ));
    text
}

/// What gains are, and their intervals and p-values: only what the record has.
fn gains(paper: Paper<'_>) -> Vec<String> {
    let analysis = paper.analysis;
    let mut text = Vec::new();
    let mut say = |sentence: &str| text.push(sentence.to_owned());
    if !analysis.unlearnt.is_empty() && !analysis.choice.unlearnt {
        let tasks: Vec<String> =
            analysis.unlearnt.iter().map(|t| escape::markdown(&t.label()).to_lowercase()).collect();
        say(&format!(
            "The analysis of alignment excludes {}, where no network was shown to be better than the best simple baseline.",
            tasks.join(", ")
        ));
    }
    let gains: Vec<&Gain> = analysis.cells.iter().flat_map(|cell| &cell.gains).collect();
    if !gains.is_empty() {
        say(
            "A gain is the difference s (m - c) between the test metric m of the pre-trained network and c of its \
             control, averaged over complete pairs, with s = 1 if higher is better and -1 if lower is; the relative \
             gain is 100 s (m - c) / |c|, which is undefined if a control is 0.",
        );
    }
    if gains.iter().any(|gain| gain.difference.interval.is_some())
        || analysis.cells.iter().flat_map(|cell| &cell.arms).any(|arm| arm.interval.is_some())
    {
        say(
            "Intervals are 95 % intervals and p-values those of Student's t, with the variance of a mean over crossed seeds \
             and test patients, (MS_seed + MS_patient - MS_rest) / (seeds x patients), and Satterthwaite's degrees of \
             freedom [satterthwaite1946]; metrics computed over all cases enter as jackknife pseudo-values \
             [dorfman1992]. For bounded metrics, intervals of means were computed on a probit or logarithmic \
             scale.",
        );
    }
    if gains.iter().any(|gain| gain.p_corrected.is_some()) {
        say("p-values of gains were corrected over cells by Holm's method [holm1979].");
    }
    text
}

/// What convergence and speed-up are.
fn convergence(paper: Paper<'_>) -> Vec<String> {
    let analysis = paper.analysis;
    let mut text = Vec::new();
    let mut say = |sentence: &str| text.push(sentence.to_owned());
    say(
        "Convergence is the first epoch at which the running best of the validation metric has covered 95 % of the \
         way from the value before training to its best.",
    );
    if analysis.cells.iter().any(|cell| cell.speed_up_estimate.is_some()) {
        say(
            "Speed-up is the number of epochs to convergence from scratch divided by that of the pre-trained \
             network, as the geometric mean over seeds.",
        );
    }
    text
}

/// How alignment was measured.
fn alignment(paper: Paper<'_>) -> String {
    let choice = paper.analysis.choice;
    let how = match (choice.measured.is_mmd(), choice.how.kernel) {
        (false, _) => String::new(),
        (true, Kernel::Rbf) => format!(
            ", by the {} estimate with a Gaussian kernel whose bandwidth is the median distance",
            choice.how.estimator.as_str()
        ),
        (true, Kernel::RbfSum) => format!(
            ", by the {} estimate with the sum of five Gaussian kernels, with a quarter to four times the gamma \
             given by the median distance",
            choice.how.estimator.as_str()
        ),
    };
    format!(
        "Alignment was measured between features of the validation cases, standardised by the features before fine-tuning, \
         as {} at the {} layer of each encoder{how} [gretton2012, kornblith2019].",
        choice.measured.label(),
        choice.layer.as_str()
    )
}

/// How correlations and objectives were tested: only what the record has.
fn correlations(paper: Paper<'_>) -> Vec<String> {
    let analysis = paper.analysis;
    let mut text = Vec::new();
    let mut say = |sentence: &str| text.push(sentence.to_owned());
    let correlations: Vec<&Correlation> =
        analysis.relations.iter().flat_map(|r| [&r.spearman, &r.centred]).flatten().collect();
    if !correlations.is_empty() {
        let intervals = if correlations.iter().any(|c| c.interval.is_some()) {
            ", and intervals from the same permutations on the scale of Fisher's z [bonett2000]"
        } else {
            "; the table is too small for intervals"
        };
        say(&format!(
            "Spearman's correlations over the table of backbones and tasks, raw and after removing both means, have \
             p-values from permutations of whole backbones and whole tasks{intervals}."
        ));
    }
    // The first finding is that of objectives.
    if analysis.findings.first().is_some_and(|finding| !finding.refused) {
        say("Pre-training objectives were compared by Welch's t-test with encoders as units [welch1947].");
    }
    text
}

/// "a", "a and b", "a, b and c".
fn in_words(items: Vec<&str>) -> String {
    match items.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
