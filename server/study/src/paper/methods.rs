//! The methods paragraph.

use transferscope_domain::Arm;

use super::{Paper, escape};
use crate::alignment::Kernel;

/// How the experiment was done, in sentences made from its record.
pub fn methods(paper: Paper<'_>) -> String {
    let spec = paper.spec;
    let choice = paper.analysis.choice;
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
        .tasks
        .iter()
        .map(|t| format!("{} (test {})", t.label().to_lowercase(), t.primary_metric().label()))
        .collect();
    let arms = spec
        .arms
        .iter()
        .map(|arm| match arm {
            Arm::Pretrained => "from the pre-trained checkpoint",
            Arm::Scratch => "from random weights",
            Arm::Specialist => "as a residual 3-D U-Net trained for the task alone",
        })
        .map(str::to_owned)
        .collect();
    let how = match (choice.measured.is_mmd(), choice.how.kernel) {
        (false, _) => String::new(),
        (true, Kernel::Rbf) => format!(
            ", by the {} estimate with a Gaussian kernel whose bandwidth is the median distance",
            choice.how.estimator.as_str()
        ),
        (true, Kernel::RbfSum) => format!(
            ", by the {} estimate with the sum of five Gaussian kernels, of a quarter to four times the gamma that the \
             median distance gives",
            choice.how.estimator.as_str()
        ),
    };
    let seeds: Vec<String> = spec.seeds.iter().map(u64::to_string).collect();
    let epochs = spec.epochs.map_or_else(|| "the default number of".to_owned(), |e| e.to_string());
    let data = if paper.synthetic { " (synthetic: computed phantoms)" } else { "" };
    let c = paper.analysis.counts;
    format!(
        "We fine-tuned {} on the data set {}{data} for {}, each {}, for {epochs} epochs with the seeds {}. Runs of one \
         backbone, task and seed share split, order of cases, budget and seed in every arm; the specialist was trained \
         once for each task and seed. Of {} planned runs {} have a result, {} failed and {} were stopped. The checkpoint \
         with the best validation metric was tested. A gain is the difference of the test metric m of the pre-trained network \
         and c of its control, averaged over complete pairs; beside it stands the relative gain 100 s (m - c) / |c|, s = 1 \
         where higher is better and -1 where lower is, which is undefined where a control is 0. Intervals are 95 % intervals \
         and p-values those of Student's t, with the variance of a mean over crossed seeds and test patients, (MS_seed + \
         MS_patient - MS_rest) / (seeds x patients), and Satterthwaite's degrees of freedom [satterthwaite1946]; metrics of \
         all cases together enter by their jackknife pseudo-values [dorfman1992]. Intervals of the means of bounded metrics \
         were made on the scale of normal deviates or logarithms. p-values of gains were corrected by Holm over cells \
         [holm1979]. Speed-up is the geometric mean of ratios. Convergence is the first epoch whose running best has covered 95 % of the way from \
         before training to its best. Alignment was measured between features of the validation cases, standardised by \
         the features before fine-tuning, as {} at the {} layer of each encoder{how} \
         [gretton2012, kornblith2019]. Spearman's correlations over the table of \
         backbones and tasks, raw and with both means taken out, have p-values by permuting whole backbones and whole \
         tasks, and intervals by the same orders on the scale of Fisher's z [bonett2000]. Objectives of pre-training were compared by Welch's t with \
         encoders as units [welch1947]. Computed with Transferscope {}, which implements the study of [transfer2026].\n",
        list(backbones),
        escape::markdown(&spec.dataset),
        list(tasks),
        list(arms),
        list(seeds),
        c.planned,
        c.succeeded,
        c.failed,
        c.stopped,
        choice.measured.label(),
        choice.layer.as_str(),
        paper.version,
    )
}
