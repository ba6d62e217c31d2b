//! The classifier, in evaluation and in a training step with batch normalisation.

use burn::tensor::{Int, Tensor, activation::log_softmax};
use transferscope_ml::{family::profound_conv::heads::classifier::Classifier, nn::Mode, params::collect};

use super::{A, Config, Io, MULTIPLE, half_squares, load, weights};
use crate::{Cases, Folder, Problem};

pub const WEIGHTS: &str = "models/profound_classifier.pth.tar";
pub const IO: &str = "models/profound_classifier_io.safetensors";

/// Compares both modes with their gradients, and the running statistics after training.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let weights = weights(folder, WEIGHTS)?;
    let of = Config::open(folder, "classifier")?;
    let config = of.conv_next(&weights, "encoder.")?;
    let classes = of.whole("num_classes")?;
    let net = Classifier::<A>::new(&config, of.whole("bottleneck_dim")?, classes, &Default::default());
    let net = load(net, &weights)?;
    let mut io = Io::open(folder, IO, cases)?;
    let x = io.volume("input", config.in_channels, MULTIPLE)?;
    let pooled = net.pooled(x.clone());
    io.compare("pooled", pooled.clone())?;
    io.compare("hidden", net.head.bottleneck.linear.forward(pooled))?;
    let logits = net.forward(x.clone(), Mode::Eval);
    io.compare("logits", logits.clone())?;
    let loss = half_squares(logits);
    io.compare("loss", loss.clone())?;
    io.compare_gradients("grad.", &net, &loss)?;

    let samples = x.dims()[0];
    if samples < 2 {
        return Err(Problem::new(format!("{IO}: batch normalisation cannot train on one sample")));
    }
    let labels = labels(&io, samples, classes)?;
    let logits = net.forward(x, Mode::Train);
    io.compare("train.logits", logits.clone())?;
    let loss = log_softmax(logits, 1).gather(1, labels).mean().neg();
    io.compare("train.ce", loss.clone())?;
    io.compare_gradients("train.grad.", &net, &loss)?;
    for statistic in ["running_mean", "running_var"] {
        let name = format!("head.1.{statistic}");
        let after = collect(&net).into_iter().find(|t| t.name == name).map(|t| t.data).unwrap_or_default();
        let after: Vec<f64> = after.into_iter().map(f64::from).collect();
        io.compare_values(&format!("train.{statistic}"), &after)?;
    }
    Ok(())
}

/// Class of each sample, `[B, 1]`.
fn labels(io: &Io<'_>, samples: usize, classes: usize) -> Result<Tensor<A, 2, Int>, Problem> {
    let labels = io.file.get("labels")?;
    let known = labels.data.iter().all(|l| (0.0..classes as f64).contains(l));
    if labels.shape != [samples] || !known {
        return Err(Problem::new(format!("{IO}: labels are not {samples} of {classes} classes")));
    }
    let labels: Vec<i64> = labels.data.iter().map(|l| *l as i64).collect();
    Ok(Tensor::<A, 1, Int>::from_data(labels.as_slice(), &Default::default()).reshape([samples, 1]))
}

#[cfg(test)]
mod tests {
    #[test]
    fn classifier_matches() {
        crate::tests::assert_file_passes(super::IO);
    }
}
