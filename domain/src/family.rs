//! Families of networks, one file each: what browser, server and worker know of a family before a network is
//! built. What a worker does with one is its folder in `server/ml/src/family`.
//!
//! A new family is a file here with its [`Facts`] and its `Size`, and a line in the list at the end of this page.

use serde::{Deserialize, Serialize};

use crate::{objective::Objective, recipe::Head, task::TaskKind};

pub mod profound_conv;
pub mod profound_vit;
pub mod provicnet;
pub mod transformer;
pub mod unet;

/// What is said of a family whatever the size of its networks.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The name in JSON, URLs and on the command line.
    pub name: &'static str,
    /// The name on pages.
    pub label: &'static str,
    /// What a training starts from.
    pub step: StepDefaults,
    /// Heads beside the compact one, which every family has.
    pub heads: &'static [Head],
    /// What its encoders can be pre-trained by.
    pub objectives: &'static [Objective],
    /// Names of the sizes that are built by name: ours first, then the published ones.
    pub sizes: &'static [&'static str],
    /// The encoder of one of these names; none for another name.
    pub named: fn(&str) -> Option<Architecture>,
}

/// Where a family's fine-tuning starts before a request changes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepDefaults {
    /// Samples (crops of a volume, or slices) in one optimiser step.
    pub batch_size: u32,
    /// Samples of each training case in one epoch.
    pub samples_per_case: u32,
    /// Peak learning rate.
    pub lr: f64,
}

/// What is asked of an encoder's size, in every family that has encoders.
pub trait Encoder {
    /// The family whose networks have such an encoder.
    fn family(&self) -> Family;

    /// The size's name, e.g. `tiny`; none for a size that was never published.
    fn size(&self) -> Option<&'static str>;

    /// Whether it is smaller than every published size, and so works on the small grid of images.
    fn is_small(&self) -> bool;

    /// Blocks of the published network of this width and of this one, where they differ: a file that ends early
    /// looks like a smaller network. None for widths without a name and for our own small ones.
    fn unusual_depth(&self) -> Option<Depths>;

    /// Why a network with this encoder cannot take `images` images at once; none where it can.
    fn input_problem(&self, images: usize) -> Option<String>;

    /// What tells apart sizes without a name: `width 36, depth 2, 3 heads`.
    fn spelled_out(&self) -> String;

    /// Everything that is needed to build it, for people.
    fn details(&self) -> String;

    /// The same with an encoder for every image; none for a family whose encoder takes them all at once.
    fn for_each_image(&self) -> Option<Architecture> {
        None
    }
}

/// Numbers of blocks, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depths {
    pub usual: String,
    pub found: String,
}

/// Why an encoder of volumes cannot take `images` images at once; none where it can.
fn too_few_channels(in_channels: usize, images: usize) -> Option<String> {
    (in_channels < images)
        .then(|| format!("its encoder takes {in_channels} images at once, and the task gives {images}"))
}

/// `3, 3, 9, 3`
fn listed(values: &[usize]) -> String {
    values.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// Makes the enumerations of the list of families: [`Family`] of all, [`Architecture`] of those that have encoders.
macro_rules! families {
    (
        encoders { $($(#[$doc:meta])* $family:ident = $module:ident;)* }
        specialist { $(#[$last_doc:meta])* $last:ident = $last_module:ident; }
    ) => {
        /// Architecture family.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "kebab-case")]
        pub enum Family {
            $($(#[$doc])* $family,)*
            $(#[$last_doc])* $last,
        }

        impl Family {
            /// All families, those with encoders first.
            pub const ALL: [Family; [$(stringify!($family),)* stringify!($last)].len()] =
                [$(Family::$family,)* Family::$last];

            /// The family that is trained from random weights, without an encoder of another's.
            pub const SPECIALIST: Family = Family::$last;

            /// What its file says of it.
            pub fn facts(self) -> &'static Facts {
                match self {
                    $(Family::$family => &$module::FACTS,)*
                    Family::$last => &$last_module::FACTS,
                }
            }
        }

        /// An encoder and its size.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum Architecture {
            $($(#[$doc])* $family($module::Size),)*
        }

        impl Architecture {
            /// What its family says of its size.
            pub fn encoder(&self) -> &dyn Encoder {
                match self {
                    $(Architecture::$family(size) => size,)*
                }
            }
        }

        $(
            impl From<$module::Size> for Architecture {
                fn from(size: $module::Size) -> Self {
                    Architecture::$family(size)
                }
            }
        )*

        // By hand: the derived one would put every size beside its kind, not its fields.
        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for Architecture {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let one = utoipa::openapi::OneOfBuilder::new().description(Some("An encoder and its size."));
                one$(.item(tagged::<$module::Size>(Family::$family)))*.into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for Architecture {}
    };
}

/// The schema of a size with the field that tells its family.
#[cfg(feature = "openapi")]
fn tagged<S: utoipa::PartialSchema>(family: Family) -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};
    let mut schema = S::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        let kind = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([family.as_str()]));
        object.properties.insert("kind".to_owned(), kind.into());
        object.required.push("kind".to_owned());
    }
    schema
}

families! {
    encoders {
        /// 3-D ConvNeXt-V2 (ProFound).
        ProfoundConv = profound_conv;
        /// 3-D vision transformer of a masked autoencoder (ProFound).
        ProfoundVit = profound_vit;
        /// 2.5-D DINOv2 vision transformer with registers (ProViCNet).
        Provicnet = provicnet;
    }
    specialist {
        /// Residual 3-D U-Net, the specialist.
        Unet = unet;
    }
}

impl Family {
    /// The name in JSON, URLs and on the command line.
    pub fn as_str(self) -> &'static str {
        self.facts().name
    }

    /// The name on pages.
    pub fn label(self) -> &'static str {
        self.facts().label
    }

    /// Where a fine-tuning starts before a request changes it.
    pub fn step_defaults(self) -> StepDefaults {
        self.facts().step
    }

    /// Heads that its networks can have beside the compact one.
    pub fn heads(self) -> &'static [Head] {
        self.facts().heads
    }

    /// Why its networks cannot have the head for a task; none where they can.
    pub fn head_problem(self, head: Head, task: TaskKind) -> Option<String> {
        if head != Head::Compact && !self.heads().contains(&head) {
            let made_for = Family::ALL.into_iter().filter(|f| f.heads().contains(&head));
            let names: Vec<_> = made_for.map(Family::label).collect();
            return Some(format!(
                "{} is made for {}, not for {}",
                head.label(),
                names.join(", "),
                self.label()
            ));
        }
        (!head.fits(task)).then(|| format!("{} does not fit the task {}", head.label(), task.label()))
    }

    /// Families that an objective can train.
    pub fn trained_by(objective: Objective) -> impl Iterator<Item = Family> {
        Family::ALL.into_iter().filter(move |f| f.objectives().contains(&objective))
    }

    /// What its encoders can be pre-trained by; nothing for the specialist.
    pub fn objectives(self) -> &'static [Objective] {
        self.facts().objectives
    }

    /// Names of the sizes that are built by name: ours first, then the published ones; none for the specialist.
    pub fn sizes(self) -> &'static [&'static str] {
        self.facts().sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_one_name_everywhere() {
        for family in Family::ALL {
            assert_eq!(serde_json::to_value(family).unwrap(), family.as_str());
            if let Some(mini) = Architecture::mini(family) {
                assert_eq!(mini.family(), family);
                assert_eq!(serde_json::to_value(mini).unwrap()["kind"], family.as_str());
            }
        }
    }

    #[test]
    fn heads_fit_their_family_and_task() {
        assert_eq!(Family::ProfoundConv.head_problem(Head::Upernet, TaskKind::Segmentation), None);
        let problem = |family: Family, head, task| family.head_problem(head, task).unwrap();
        assert!(
            problem(Family::Provicnet, Head::Upernet, TaskKind::Segmentation).contains("made for ProFound")
        );
        assert!(problem(Family::Provicnet, Head::Fusion, TaskKind::Classification).contains("not fit"));
        assert_eq!(Family::ProfoundConv.head_problem(Head::Classifier, TaskKind::Classification), None);
        for family in Family::ALL {
            assert!(TaskKind::ALL.iter().all(|task| family.head_problem(Head::Compact, *task).is_none()));
        }
    }

    #[test]
    fn objectives_train_families_that_have_encoders() {
        for objective in Objective::ALL {
            assert!(Family::trained_by(objective).next().is_some(), "{objective}");
        }
        assert!(Family::SPECIALIST.objectives().is_empty() && Family::SPECIALIST.sizes().is_empty());
    }
}
