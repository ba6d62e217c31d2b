//! How the autoencoder learns: the whole image is a step's box, and its patches are the cells.
//!
//! # Source
//! MAE, which hides 0.75 of the patches.

use burn::module::Module;
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
use transferscope_domain::report::LoadReport;

use super::mae_vit::{MaeEncoder, MaeVit, MaeVitConfig};
use crate::{
    checkpoint::{CheckpointError, EncoderWeights, load_encoder},
    model::masked::Masking,
    nn::kernels::Kernels,
    params::within_encoder,
    pretrain::{
        Drawn, Pretrain, Validation,
        mae::{Geometry, Masked},
    },
    train::{example::Example, sampling::SamplingGeometry},
};

/// The transformer with its decoder; both are named as parts of the encoder, so that they start alike.
#[derive(Module, Debug)]
pub struct VitAutoencoder<B: Backend> {
    pub encoder: MaeVit<B>,
}

/// The part that other networks start from, under the name that it has in them.
#[derive(Module, Debug)]
struct Kept<B: Backend> {
    encoder: MaeEncoder<B>,
}

impl<B: Backend> VitAutoencoder<B> {
    pub fn new(config: &MaeVitConfig, device: &B::Device) -> Self {
        Self { encoder: MaeVit::new(config, device) }
    }
}

impl<B: Kernels> Masked<B> for VitAutoencoder<B> {
    const HIDDEN: f64 = 0.75;

    fn geometry(sampling: SamplingGeometry) -> Geometry {
        Geometry { whole: sampling.crop, cell: sampling.multiple }
    }

    fn reconstruct(&self, x: Tensor<B, 5>, hidden: &[Vec<bool>]) -> Tensor<B, 3> {
        let masking = Masking::from_hidden(hidden).expect("masks hide as many cells of every sample");
        self.encoder.decode(self.encoder.mae_encoder.latent(x, &masking), &masking)
    }
}

impl<B: AutodiffBackend + Kernels> Pretrain<B> for VitAutoencoder<B>
where
    B::InnerBackend: Kernels,
{
    fn start_from(self, path: &str, weights: &EncoderWeights) -> Result<(Self, LoadReport), CheckpointError> {
        let Self { mut encoder } = self;
        let kept = Kept { encoder: encoder.mae_encoder };
        let (kept, report) = load_encoder(kept, path, weights, &[])?;
        encoder.mae_encoder = kept.encoder;
        Ok((Self { encoder }, report))
    }

    fn is_kept(name: &str) -> bool {
        let dropped = ["decoder_", "mask_token"];
        within_encoder(name).is_some_and(|inside| !dropped.iter().any(|d| inside.starts_with(d)))
    }

    fn loss(&self, drawn: Drawn<'_>, device: &B::Device) -> Tensor<B, 1> {
        self.objective(drawn, device)
    }

    fn validate(
        net: &Self::InnerModule,
        examples: &[Example],
        sampling: SamplingGeometry,
        seed: u64,
        device: &B::Device,
    ) -> Validation {
        net.validation(examples, sampling, seed, device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;
    use transferscope_domain::Family;

    #[test]
    fn masks_hide_the_same_share_of_every_sample_and_can_be_drawn_again() {
        let geometry = <VitAutoencoder<Flex> as Masked<Flex>>::geometry(Family::ProfoundVit.into());
        let draw = || <VitAutoencoder<Flex> as Masked<Flex>>::mask(&["a".into(), "b".into()], geometry, 3);
        let masks = draw();
        assert_eq!(masks, draw());
        assert_ne!(masks[0], masks[1]);
        for mask in &masks {
            assert_eq!(mask.len(), 216);
            assert_eq!(mask.iter().filter(|h| **h).count(), 162);
        }
    }

    #[test]
    fn what_is_kept_of_a_transformer_is_its_encoder() {
        use crate::params::collect;
        type A = burn::backend::Autodiff<Flex>;
        let net = VitAutoencoder::<A>::new(&MaeVitConfig::mini(), &Default::default());
        let is_kept = <VitAutoencoder<A> as Pretrain<A>>::is_kept;
        let mut kept: Vec<String> =
            collect(&net).into_iter().map(|t| t.name).filter(|n| is_kept(n)).collect();
        let mut wanted: Vec<String> =
            collect(&Kept { encoder: net.encoder.mae_encoder.clone() }).into_iter().map(|t| t.name).collect();
        kept.sort();
        wanted.sort();
        assert_eq!(kept, wanted);
    }
}
