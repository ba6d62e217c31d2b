//! Gradients through whole networks, and what the families say against what their modules are.

use burn::{
    backend::Autodiff,
    module::Module,
    tensor::{Distribution, Tensor},
};
use burn_flex::Flex;

use super::{
    profound_conv::{
        convnext::ConvNextConfig,
        fcmae::{Fcmae, FcmaeConfig},
        heads::{
            classifier::Classifier,
            unetr::ConvnextUnetr,
            upernet::{UperNet, UperNetConfig},
        },
    },
    profound_vit::mae_vit::{MaeVit, MaeVitConfig},
};
use crate::{
    init,
    model::masked::Masking,
    nn::Mode,
    params::{gradients, shapes},
};

type A = Autodiff<Flex>;

/// Parameters of a freshly drawn network that the gradient of the mean square of what it computes
/// does not reach.
fn unreached<M: Module<A>, const D: usize>(
    network: M,
    compute: impl Fn(&M) -> Vec<Tensor<A, D>>,
) -> Vec<String> {
    let network = init::random(network, 1);
    let loss = compute(&network).into_iter().map(|x| x.square().mean()).reduce(Tensor::add).unwrap();
    let reached = gradients(&network, &loss.backward());
    let all = shapes(&network).into_iter().map(|(name, _)| name);
    all.filter(|name| !reached.iter().any(|t| t.name == *name)).collect()
}

fn volume(size: [usize; 3]) -> Tensor<A, 5> {
    let [d, h, w] = size;
    Tensor::random([2, 3, d, h, w], Distribution::Normal(0.0, 1.0), &Default::default())
}

#[test]
fn gradients_reach_every_parameter_that_is_used() {
    let device = Default::default();
    let small = ConvNextConfig { in_channels: 3, depths: [1; 4], dims: [4, 6, 8, 10] };
    let x = volume([16, 16, 32]);

    let classifier = Classifier::<A>::new(&small, 5, 3, &device);
    let statistics = ["head.1.running_mean", "head.1.running_var"];
    assert_eq!(unreached(classifier, |net| vec![net.forward(x.clone(), Mode::Train)]), statistics);

    let sizes = UperNetConfig { out: 2, hidden: 4, auxiliary: 3, pool_scales: vec![1, 3] };
    let upernet = UperNet::<A>::new(&small, &sizes, &device);
    let both = |net: &UperNet<A>| {
        let output = net.forward(x.clone(), Mode::Train);
        vec![output.logits, output.auxiliary.unwrap()]
    };
    // The head takes maps, and the last norm is for pooled features.
    assert_eq!(unreached(upernet, both), ["encoder.norm.weight", "encoder.norm.bias"]);

    let unetr = ConvnextUnetr::<A>::new(&small, 2, 1, &device);
    assert_eq!(unreached(unetr, |net| vec![net.forward(x.clone()).logits]), [""; 0]);

    let sizes = FcmaeConfig { encoder: small, decoder_dim: 6, decoder_depth: 2 };
    let hidden = Tensor::from_floats([[[[[1.0, 0.0]]]], [[[[0.0, 1.0]]]]], &device);
    let fcmae = Fcmae::<A>::new(&sizes, &device);
    let objective = |net: &Fcmae<A>| vec![net.objective(x.clone(), hidden.clone(), true)];
    assert_eq!(unreached(fcmae, objective), ["encoder.norm.weight", "encoder.norm.bias"]);
}

#[test]
fn gradients_reach_every_parameter_of_the_transformer_autoencoder_but_its_tables() {
    let device = Default::default();
    let sizes = MaeVitConfig { depth: 1, decoder_depth: 1, ..MaeVitConfig::mini() };
    let noise: Vec<f32> = (0..sizes.patches()).map(|i| (i * 7 % 5) as f32).collect();
    let masking = Masking::from_noise(&[noise.clone(), noise], 54);
    let x = volume(sizes.image);
    let mae = MaeVit::<A>::new(&sizes, &device);
    let objective = |net: &MaeVit<A>| vec![net.objective(x.clone(), &masking, true)];
    assert_eq!(unreached(mae, objective), ["pos_embed", "decoder_pos_embed"]);
}
