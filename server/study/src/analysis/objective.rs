//! What encoders learnt from before, against what tasks ask for: an interaction between pre-training objective and
//! kind of task, with encoders as units.

use transferscope_domain::{Arm, Task};

use super::{BackboneFacts, Cell, Choice, Finding, Verdict, restores};
use crate::statistics::{Estimate, mean, p_in_words, variance, welch};

/// What a backbone learnt from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reconstruction,
    Contrast,
}

impl Kind {
    const ALL: [(Kind, &'static str); 2] =
        [(Kind::Reconstruction, "reconstruction"), (Kind::Contrast, "contrast")];

    fn of(facts: &BackboneFacts) -> Option<Self> {
        let objective = facts.objective.as_deref()?;
        Some(if objective == "mae" { Kind::Reconstruction } else { Kind::Contrast })
    }
}

/// One pre-trained encoder: a draw from all that its objective could have given.
struct Encoder<'a> {
    facts: &'a BackboneFacts,
    kind: Kind,
}

impl Encoder<'_> {
    fn architecture(&self) -> &str {
        self.facts.architecture.as_deref().unwrap_or("unknown")
    }
}

/// Gains by encoder and task.
struct Gains<'a> {
    cells: &'a [&'a Cell],
    against: Arm,
}

impl Gains<'_> {
    /// Tasks that have a cell.
    fn tasks(&self) -> Vec<Task> {
        let mut tasks: Vec<Task> = self.cells.iter().map(|c| c.key.task).collect();
        tasks.sort_unstable();
        tasks.dedup();
        tasks
    }

    /// An encoder's gain on a task, mean over adaptations and shares of the cases, in the task's own unit.
    fn difference(&self, backbone: &str, task: Task) -> Option<f64> {
        self.of_cells(backbone, task, |cell| Some(cell.gain(self.against)?.difference.value))
    }

    /// The same in percent.
    fn percent(&self, backbone: &str, task: Task) -> Option<f64> {
        self.of_cells(backbone, task, |cell| cell.gain(self.against)?.mean)
    }

    fn of_cells(&self, backbone: &str, task: Task, of: impl Fn(&Cell) -> Option<f64>) -> Option<f64> {
        let cells = self.cells.iter().filter(|c| c.key.backbone == backbone && c.key.task == task);
        mean(&cells.filter_map(|c| of(c)).collect::<Vec<_>>())
    }

    /// Standard deviation of all gains on a task, over encoders and seeds.
    fn spread(&self, task: Task) -> Option<f64> {
        let of_task = self.cells.iter().filter(|c| c.key.task == task).filter_map(|c| c.gain(self.against));
        let gains: Vec<f64> = of_task.flat_map(|g| &g.pairs).map(|p| p.difference).collect();
        variance(&gains).map(f64::sqrt).filter(|d| *d > 0.0)
    }

    /// How much more an encoder gains where images are restored than elsewhere: means over all tasks of each kind, or
    /// none, since means over different tasks are no difference.
    fn leaning(&self, of: impl Fn(Task) -> Option<f64>) -> Option<f64> {
        let side = |restoring: bool| {
            let tasks = self.tasks().into_iter().filter(|t| restores(*t) == restoring);
            mean(&tasks.map(&of).collect::<Option<Vec<f64>>>()?)
        };
        Some(side(true)? - side(false)?)
    }
}

fn names(encoders: &[&Encoder<'_>]) -> String {
    encoders.iter().map(|e| e.facts.name.clone()).collect::<Vec<_>>().join(", ")
}

fn architectures(encoders: &[&Encoder<'_>]) -> Vec<String> {
    let mut all: Vec<String> = encoders.iter().map(|e| e.architecture().to_owned()).collect();
    all.sort();
    all.dedup();
    all
}

/// Reconstruction gains more on restoration, contrast more on semantics.
///
/// The unit is the encoder: seeds and cases of one encoder say how well it is known, not how others of its objective
/// would do. Each encoder gives one number, its mean gain on restoration less that elsewhere, each task in the spread
/// of its own gains; the objectives are compared by Welch's t over encoders. It is tested only on architectures for
/// which both objectives have encoders, since otherwise the difference would be that of the architectures.
pub fn fits(cells: &[&Cell], backbones: &[BackboneFacts], choice: Choice) -> Finding {
    let gains = Gains { cells, against: choice.against };
    let there = |facts: &&BackboneFacts| cells.iter().any(|c| c.key.backbone == facts.name);
    let encoders: Vec<Encoder<'_>> = backbones
        .iter()
        .filter(there)
        .filter_map(|facts| Some(Encoder { kind: Kind::of(facts)?, facts }))
        .collect();
    let mut because = described(&gains, &encoders, choice.against);
    let leanings = crossed(&encoders).and_then(|architectures| {
        because.extend(alone(&encoders, &architectures));
        let sides = Kind::ALL.map(|(kind, _)| leanings(&gains, &encoders, kind, &architectures));
        because.extend(holes(&sides));
        counted(sides)
    });
    let (verdict, refused) = match leanings {
        Err(why) => {
            because.push(why);
            (Verdict::Inconclusive, true)
        }
        Ok([x, y]) => {
            let found = welch(&x, &y);
            because.extend(found.map(|found| difference(found, x.len(), y.len())));
            (found.map_or(Verdict::Inconclusive, |found| Verdict::of(found.interval)), false)
        }
    };
    let claim =
        "Pre-training by reconstruction gains more on restoring images, pre-training by contrast more on segmenting \
                 and classifying them."
            .to_owned();
    Finding { claim, verdict, because, refused }
}

/// Architectures that both objectives have encoders of.
///
/// # Errors
/// Why the objectives cannot be compared.
fn crossed(encoders: &[Encoder<'_>]) -> Result<Vec<String>, String> {
    let [reconstructing, contrasting] =
        Kind::ALL.map(|(kind, _)| encoders.iter().filter(|e| e.kind == kind).collect::<Vec<_>>());
    if reconstructing.is_empty() || contrasting.is_empty() {
        return Err("Not tested: this needs encoders of both kinds of pre-training.".into());
    }
    let (one, other) = (architectures(&reconstructing), architectures(&contrasting));
    let both: Vec<String> = one.iter().filter(|a| other.contains(a)).cloned().collect();
    if both.is_empty() {
        return Err(format!(
            "Not tested: no architecture was pre-trained by both objectives. Encoders by reconstruction are {} ({}), \
             encoders by contrast {} ({}), so that a difference could come from the architectures.",
            one.join(", "),
            names(&reconstructing),
            other.join(", "),
            names(&contrasting)
        ));
    }
    Ok(both)
}

/// Names the encoders whose architecture only one objective has.
fn alone(encoders: &[Encoder<'_>], architectures: &[String]) -> Option<String> {
    let alone: Vec<&Encoder<'_>> =
        encoders.iter().filter(|e| !architectures.iter().any(|a| a == e.architecture())).collect();
    (!alone.is_empty()).then(|| {
        format!(
            "Excluded, since their architecture occurs with only one kind of pre-training: {}.",
            names(&alone)
        )
    })
}

/// An encoder's name, and how much more it gains on restoring, each task in standard deviations of its own gains; none
/// where a gain is missing.
type Leaning<'a> = (&'a str, Option<f64>);

/// The leanings of one kind's encoders that have one of these architectures.
fn leanings<'a>(
    gains: &Gains<'_>,
    encoders: &[Encoder<'a>],
    kind: Kind,
    architectures: &[String],
) -> Vec<Leaning<'a>> {
    let leaning =
        |name: &str| gains.leaning(|task| Some(gains.difference(name, task)? / gains.spread(task)?));
    encoders
        .iter()
        .filter(|e| e.kind == kind && architectures.iter().any(|a| a == e.architecture()))
        .map(|e| (e.facts.name.as_str(), leaning(&e.facts.name)))
        .collect()
}

/// Names the encoders that have no leaning.
fn holes(sides: &[Vec<Leaning<'_>>; 2]) -> Option<String> {
    let holes: Vec<&str> =
        sides.iter().flatten().filter(|(_, leaning)| leaning.is_none()).map(|(name, _)| *name).collect();
    (!holes.is_empty())
        .then(|| format!("Excluded, since a gain on one of the tasks is missing: {}.", holes.join(", ")))
}

/// The leanings that are known, by reconstruction and by contrast.
///
/// # Errors
/// That there are too few to compare.
fn counted(sides: [Vec<Leaning<'_>>; 2]) -> Result<[Vec<f64>; 2], String> {
    let [x, y] = sides.map(|side| side.into_iter().filter_map(|(_, leaning)| leaning).collect::<Vec<f64>>());
    if x.len() < 2 || y.len() < 2 {
        return Err(format!(
            "Not tested: the unit is the pre-trained encoder, and at least two of each kind are needed to know how \
             much encoders of one kind differ; with gains on both kinds of tasks there are {} by reconstruction and \
             {} by contrast.",
            x.len(),
            y.len()
        ));
    }
    Ok([x, y])
}

/// The difference between the objectives in a sentence; `n` and `m` encoders were compared.
fn difference(found: Estimate, n: usize, m: usize) -> String {
    let words = "The gain on restoration minus that on other tasks (in standard deviations of each task's gains) \
                 differs between the objectives by";
    match (found.interval, found.p) {
        (Some(i), Some(p)) => format!(
            "{words} {:+.2} (95 % interval {:+.2} to {:+.2}, p {}, Welch's t over {n} and {m} encoders; above 0 the \
             finding holds).",
            found.value,
            i.low,
            i.high,
            p_in_words(p)
        ),
        _ => {
            format!(
                "{words} {:+.2}; there is no interval, since encoders of one kind do not differ.",
                found.value
            )
        }
    }
}

/// With two decimals and a sign.
fn signed(percent: f64) -> String {
    format!("{percent:+.2}").replace('-', "−")
}

/// Mean gains of both kinds of encoders on both kinds of tasks, in percent.
fn described(gains: &Gains<'_>, encoders: &[Encoder<'_>], against: Arm) -> Vec<String> {
    let control = match against {
        Arm::Scratch => "the same network from scratch",
        Arm::Specialist | Arm::Pretrained => "the specialist",
    };
    let mut lines = Vec::new();
    for (kind, name) in Kind::ALL {
        let over = |restoring: bool| {
            let tasks: Vec<Task> = gains.tasks().into_iter().filter(|t| restores(*t) == restoring).collect();
            let of_kind = encoders.iter().filter(|e| e.kind == kind);
            mean(
                &of_kind
                    .flat_map(|e| tasks.iter().map(|t| gains.percent(&e.facts.name, *t)))
                    .collect::<Option<Vec<f64>>>()?,
            )
        };
        if let (Some(restoring), Some(telling)) = (over(true), over(false)) {
            lines.push(format!(
                "Pre-training by {name} gains {} % over {control} where images are restored and {} % where they are \
                 segmented or classified: means over encoders and tasks, without a test.",
                signed(restoring),
                signed(telling)
            ));
        }
    }
    lines
}
