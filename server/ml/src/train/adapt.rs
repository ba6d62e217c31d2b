//! What of a network is trained: everything, or a head and perhaps low-rank additions on an encoder
//! that stays as it is.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
use transferscope_domain::{Adaptation, TrainingSpec};

use crate::{
    family::Net,
    nn::lora,
    params::{Walk, within_encoder},
};

/// Makes of a network with its starting weights the one that `spec` trains: gives it low-rank
/// additions, and takes the gradients from what stays as it is, so that they are not computed.
/// The specialist is left alone.
pub fn adapt<B: AutodiffBackend>(net: Net<B>, spec: &TrainingSpec, seed: u64, device: &B::Device) -> Net<B> {
    if !net.has_backbone() || !spec.adaptation.freezes_encoder() {
        return net;
    }
    let net = if spec.adaptation == Adaptation::Lora {
        lora::random(net.with_lora(spec.lora_rank as usize, device), seed)
    } else {
        net
    };
    net.map(&mut Freeze(Walk::default()))
}

/// Whether a parameter stays as it is when the encoder does.
fn is_frozen(name: &str) -> bool {
    within_encoder(name).is_some() && !lora::is_lora(name)
}

struct Freeze(Walk);

impl<B: Backend> ModuleMapper<B> for Freeze {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.0.leave();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if is_frozen(&self.0.name()) { param.set_require_grad(false) } else { param }
    }
}

/// Numbers of parameters, running statistics not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parameters {
    pub total: u64,
    pub trained: u64,
}

/// Counts a module's parameters.
pub fn count<B: Backend, M: Module<B>>(module: &M) -> Parameters {
    struct Count(Walk, Parameters);
    impl<B: Backend> ModuleVisitor<B> for Count {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.leave();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            if self.0.name().rsplit('.').next().is_some_and(|last| last.starts_with("running_")) {
                return;
            }
            let n = param.dims().iter().product::<usize>() as u64;
            self.1.total += n;
            self.1.trained += if param.is_require_grad() { n } else { 0 };
        }
    }
    let mut count = Count(Walk::default(), Parameters::default());
    module.visit(&mut count);
    count.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        family::samples,
        init,
        model::io::{Input, TaskIo},
        nn::{Mode, drop_path::DropPath},
        params::{collect, gradients},
    };
    use burn::{backend::Autodiff, tensor::Distribution};
    use burn_flex::Flex;
    use std::collections::BTreeMap;
    use transferscope_domain::{Family, TaskKind, task::Output};

    type A = Autodiff<Flex>;

    const IO: TaskIo = TaskIo { images: 3, out: 3, output: Output::Classes };
    const FAMILIES: [Family; 3] = [Family::ProfoundConv, Family::ProfoundVit, Family::Provicnet];

    fn spec(family: Family, adaptation: Adaptation) -> TrainingSpec {
        TrainingSpec { adaptation, ..TrainingSpec::default_for(family, TaskKind::Segmentation) }
    }

    fn net(family: Family, adaptation: Adaptation) -> Net<A> {
        let device = Default::default();
        let net = Net::<A>::mini(family, IO, &device);
        let net = if adaptation == Adaptation::LinearProbe { net.with_probe(IO, &device) } else { net };
        adapt(init::random(net, 1), &spec(family, adaptation), 1, &device)
    }

    fn input(family: Family) -> Input<A> {
        samples::input(family, &Default::default())
    }

    /// Every parameter's gradient by name, `None` where there is none.
    fn all_gradients(net: &Net<A>, family: Family) -> BTreeMap<String, Option<Vec<f32>>> {
        let out = net.forward(input(family), DropPath::NONE, Mode::Eval);
        let up = Tensor::random(out.dims(), Distribution::Normal(0.0, 1.0), &out.device());
        let grads = (out * up).sum().backward();
        let mut all: BTreeMap<String, Option<Vec<f32>>> =
            collect(net).into_iter().map(|t| (t.name, None)).collect();
        all.extend(gradients(net, &grads).into_iter().map(|t| (t.name, Some(t.data))));
        all
    }

    #[test]
    fn gradients_reach_what_is_trained_and_nothing_else() {
        for (family, adaptation) in FAMILIES.iter().flat_map(|f| Adaptation::ALL.iter().map(|a| (*f, *a))) {
            let net = net(family, adaptation);
            for (name, gradient) in all_gradients(&net, family) {
                let case = format!("{} {adaptation}: {name}", family.as_str());
                if adaptation.freezes_encoder() && is_frozen(&name) {
                    assert!(gradient.is_none(), "{case}");
                    continue;
                }
                if family == Family::ProfoundVit && name == "encoder.pos_embed" {
                    assert!(gradient.is_none(), "{case}");
                    continue;
                }
                // The dense head does not look at the pooled vector's normalisation.
                if family == Family::ProfoundConv && name.starts_with("encoder.norm.") {
                    continue;
                }
                let gradient = gradient.unwrap_or_else(|| panic!("{case} has no gradient"));
                assert!(gradient.iter().all(|g| g.is_finite()), "{case}");
                // The first low-rank factor waits for the second one, which starts at zero.
                let waits = lora::is_lora(&name) && name.ends_with(".a");
                assert_eq!(gradient.iter().any(|g| *g != 0.0), !waits, "{case}");
            }
        }
    }

    #[test]
    fn lora_starts_as_the_network_without_it() {
        for family in FAMILIES {
            let run = |adaptation| {
                net(family, adaptation)
                    .forward(input(family), DropPath::NONE, Mode::Eval)
                    .into_data()
                    .to_vec::<f32>()
                    .unwrap()
            };
            assert_eq!(run(Adaptation::Lora), run(Adaptation::Full));
        }
    }

    /// Values of a table that no training changes: a code for the class token and for each patch.
    fn fixed(family: Family) -> u64 {
        if family == Family::ProfoundVit { (1 + 6 * 6 * 6) * 192 } else { 0 }
    }

    #[test]
    fn parameters_are_counted() {
        let device = Default::default();
        for family in FAMILIES {
            let full = count(&net(family, Adaptation::Full));
            assert_eq!(full.total, full.trained + fixed(family));
            let frozen = count(&net(family, Adaptation::Frozen));
            assert_eq!(frozen.total, full.total);
            assert!(frozen.trained > 0 && frozen.trained < full.total);
            let lora = count(&net(family, Adaptation::Lora));
            assert_eq!(lora.total - full.total, lora.trained - frozen.trained);
            assert!(count(&net(family, Adaptation::LinearProbe)).trained < frozen.trained);
        }
        // Two matrices of each ViT-mini block, 96 x 96, by two factors of rank 4.
        let lora = count(&net(Family::Provicnet, Adaptation::Lora));
        assert_eq!(lora.total - count(&net(Family::Provicnet, Adaptation::Full)).total, 4 * 2 * 2 * 96 * 4);
        let specialist = Net::<A>::mini(Family::Unet, IO, &device);
        let specialist = adapt(specialist, &spec(Family::Unet, Adaptation::Frozen), 1, &device);
        let all = count(&specialist);
        assert_eq!(all.total, all.trained);
    }

    #[test]
    fn a_probe_answers_at_the_size_of_its_input() {
        for family in FAMILIES {
            let out = net(family, Adaptation::LinearProbe)
                .forward(input(family), DropPath::NONE, Mode::Eval)
                .dims();
            assert_eq!(out, samples::answer(family, IO.out));
        }
    }
}
