//! What a row of the table of settings says, and what is made of it.

use super::{Overrides, TrainingSpec};
use crate::{
    Arm, Family, TaskKind,
    choice::{Kind, SettingType, Value},
};

/// Which runs a setting is for; the others have its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Every,
    /// Networks with an encoder to adapt: not the specialist.
    Encoder,
    Task(TaskKind),
}

/// A row as it is written; [`settings`] makes a [`Setting`] of it.
#[derive(Clone, Copy)]
pub(super) struct Row<T> {
    pub label: &'static str,
    pub help: &'static str,
    pub limits: Option<(T, T)>,
    pub default: Usual<T>,
    pub scope: Scope,
    pub several: bool,
    pub must_agree: Option<&'static str>,
    pub pretraining: bool,
    pub old: bool,
    pub when: fn(&TrainingSpec) -> bool,
}

/// Where a default comes from.
#[derive(Clone, Copy)]
pub(super) enum Usual<T> {
    Same(T),
    By(fn(Family, TaskKind) -> T),
}

impl<T: Copy> Usual<T> {
    pub(super) fn of(self, family: Family, task: TaskKind) -> T {
        match self {
            Usual::Same(value) => value,
            Usual::By(value) => value(family, task),
        }
    }

    /// The default of all networks and tasks, where there is one.
    pub(super) fn same(self) -> Option<T> {
        match self {
            Usual::Same(value) => Some(value),
            Usual::By(_) => None,
        }
    }
}

/// A number whose default is still to be said.
pub(super) struct Number<T> {
    label: &'static str,
    limits: (T, T),
}

/// A number between `low` and `high`, both included.
pub(super) const fn number<T>(label: &'static str, low: T, high: T) -> Number<T> {
    Number { label, limits: (low, high) }
}

impl<T: Copy> Number<T> {
    /// The default of every network and task.
    pub const fn usually(&self, value: T) -> Row<T> {
        row(self.label, Some(self.limits), Usual::Same(value))
    }

    /// The default by network and task.
    pub const fn by_network(&self, value: fn(Family, TaskKind) -> T) -> Row<T> {
        row(self.label, Some(self.limits), Usual::By(value))
    }
}

/// Names with those that stand where nothing was said.
pub(super) const fn names<T: Copy>(label: &'static str, default: T) -> Row<T> {
    row(label, None, Usual::Same(default))
}

/// A choice with its default.
pub(super) const fn choice<T: Copy>(label: &'static str, default: T) -> Row<T> {
    row(label, None, Usual::Same(default))
}

const fn row<T: Copy>(label: &'static str, limits: Option<(T, T)>, default: Usual<T>) -> Row<T> {
    Row {
        label,
        help: "",
        limits,
        default,
        scope: Scope::Every,
        several: false,
        must_agree: None,
        pretraining: false,
        old: false,
        when: always,
    }
}

const fn always(_: &TrainingSpec) -> bool {
    true
}

impl<T: Copy> Row<T> {
    /// What it means, in a sentence; on the form, in the API and in the docs.
    pub const fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }

    /// Which runs it is for; every one unless said.
    pub const fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// An experiment may have several values, each of which makes runs of its own.
    pub const fn several(self) -> Self {
        Self { several: true, ..self }
    }

    /// Results with different values are not set against each other; what differs is called so in a sentence.
    pub const fn must_agree(self, called: &'static str) -> Self {
        Self { must_agree: Some(called), ..self }
    }

    /// Pre-training uses it as well.
    pub const fn pretraining(self) -> Self {
        Self { pretraining: true, ..self }
    }

    /// Still read, and said in another way since.
    pub const fn old(self) -> Self {
        Self { old: true, ..self }
    }

    /// Trainings in which it counts, by their other settings.
    pub const fn when(self, when: fn(&TrainingSpec) -> bool) -> Self {
        Self { when, ..self }
    }
}

/// What there is to say and do about one setting.
pub struct Setting {
    /// The key in JSON, URLs and on the command line.
    pub name: &'static str,
    /// On pages.
    pub label: &'static str,
    /// What it means, in a sentence.
    pub help: &'static str,
    pub scope: Scope,
    /// Whether an experiment may have several values, each of which makes runs of its own.
    pub several: bool,
    /// Its name in a sentence, where results with different values are not set against each other.
    pub must_agree: Option<&'static str>,
    /// Whether pre-training uses it as well.
    pub pretraining: bool,
    /// Whether it is still read, and said in another way since: no page offers or shows it.
    pub old: bool,
    pub(crate) when: fn(&TrainingSpec) -> bool,
    pub(crate) kind: fn() -> Kind,
    pub(crate) value: fn(&TrainingSpec) -> Value,
    pub(crate) text: fn(&TrainingSpec) -> String,
    pub(crate) same: fn(&TrainingSpec, &TrainingSpec) -> bool,
    pub(crate) reset: fn(&mut TrainingSpec),
    pub(crate) given: fn(&Overrides) -> Option<String>,
    pub(crate) set: fn(&mut Overrides, &str) -> Result<(), String>,
    pub(crate) copy: fn(&TrainingSpec, &mut Overrides),
    pub(crate) apply: fn(&Overrides, &mut TrainingSpec),
    pub(crate) out_of_range: fn(&Overrides) -> Option<String>,
}

impl Setting {
    /// The setting of a key.
    pub fn named(name: &str) -> Option<&'static Setting> {
        Setting::ALL.iter().find(|s| s.name == name)
    }

    /// The values that it can have.
    pub fn kind(&self) -> Kind {
        (self.kind)()
    }

    /// Its value in a training.
    pub fn value(&self, spec: &TrainingSpec) -> Value {
        (self.value)(spec)
    }

    /// Its value in a training, as [`Setting::set`] reads it.
    pub fn text(&self, spec: &TrainingSpec) -> String {
        (self.text)(spec)
    }

    /// Whether two trainings have the same value.
    pub fn same(&self, one: &TrainingSpec, other: &TrainingSpec) -> bool {
        (self.same)(one, other)
    }

    /// Whether it counts in such a run.
    pub fn counts(&self, spec: &TrainingSpec, task: TaskKind, arm: Arm) -> bool {
        if task == TaskKind::Pretraining {
            return self.pretraining;
        }
        let in_scope = match self.scope {
            Scope::Every => true,
            Scope::Encoder => arm != Arm::Specialist,
            Scope::Task(own) => own == task,
        };
        in_scope && !self.old && (self.when)(spec)
    }

    /// Reads a value from text; an empty one keeps the default.
    ///
    /// # Errors
    /// When the text is no value of it. Limits are checked by [`Overrides::errors`].
    pub fn set(&self, overrides: &mut Overrides, text: &str) -> Result<(), String> {
        match text.trim() {
            "" => Ok(()),
            text => (self.set)(overrides, text),
        }
    }
}

/// What is wrong with a number that is not between its limits.
pub(super) fn out_of_range<T: SettingType>(value: Option<T>, limits: Option<(T, T)>) -> Option<String> {
    let (value, (low, high)) = (value?, limits?);
    (!(value >= low && value <= high)).then(|| format!("{value} is out of range: use {low} to {high}"))
}

/// Makes [`TrainingSpec`], [`Overrides`] and [`Setting::ALL`] of the table.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $row:expr;)*) => {
        /// Everything that decides a training, after defaults and overrides.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(try_from = "Stored")]
        pub struct TrainingSpec {
            pub epochs: u32,
            $($(#[$doc])* pub $name: $type,)*
        }

        /// What a request changes in the defaults; unknown keys are an error.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(default, deny_unknown_fields)]
        pub struct Overrides {
            $(
                $(#[$doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<$type>,
            )*
        }

        /// A [`TrainingSpec`] in a file, which may be from before there were all of today's settings.
        #[derive(Deserialize)]
        struct Stored {
            epochs: u32,
            $($name: Option<$type>,)*
        }

        impl TryFrom<Stored> for TrainingSpec {
            type Error = String;
            fn try_from(stored: Stored) -> Result<Self, String> {
                Ok(Self {
                    epochs: stored.epochs,
                    $($name: {
                        const ROW: row::Row<$type> = $row;
                        stored
                            .$name
                            .or(ROW.default.same())
                            .ok_or_else(|| format!("missing field `{}`", stringify!($name)))?
                    },)*
                })
            }
        }

        impl TrainingSpec {
            /// The defaults of a family on a task.
            pub fn default_for(family: Family, task: TaskKind) -> Self {
                Self {
                    epochs: Self::DEFAULT_EPOCHS,
                    $($name: {
                        const ROW: row::Row<$type> = $row;
                        ROW.default.of(family, task)
                    },)*
                }
            }
        }

        impl Setting {
            /// Every setting, in the order of pages.
            pub const ALL: &'static [Setting] = &[$({
                const ROW: row::Row<$type> = $row;
                Setting {
                    name: stringify!($name),
                    label: ROW.label,
                    help: ROW.help,
                    scope: ROW.scope,
                    several: ROW.several,
                    must_agree: ROW.must_agree,
                    pretraining: ROW.pretraining,
                    old: ROW.old,
                    when: ROW.when,
                    kind: || <$type as SettingType>::kind(ROW.limits),
                    value: |spec| spec.$name.value(),
                    text: |spec| spec.$name.to_string(),
                    same: |one, other| one.$name == other.$name,
                    reset: |spec| if let Some(value) = ROW.default.same() { spec.$name = value },
                    given: |overrides| overrides.$name.map(|v| v.to_string()),
                    set: |overrides, text| {
                        overrides.$name = Some(<$type as SettingType>::read(text)?);
                        Ok(())
                    },
                    copy: |spec, overrides| overrides.$name = Some(spec.$name),
                    apply: |overrides, spec| if let Some(value) = overrides.$name { spec.$name = value },
                    out_of_range: |overrides| row::out_of_range(overrides.$name, ROW.limits),
                }
            }),*];
        }
    };
}

pub(super) use settings;
