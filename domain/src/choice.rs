//! What values a setting can have: numbers, names of images, or a choice among a few, each with a name, a label and a line
//! of help.

use std::fmt::Display;

use crate::name::Inputs;

/// One value of a setting that is a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// In JSON, URLs and on the command line.
    pub name: &'static str,
    /// On pages.
    pub label: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
}

/// Which values a setting can have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Both ends included.
    Whole { low: u32, high: u32 },
    /// Both ends included.
    Real { low: f64, high: f64 },
    /// The default first.
    Choice(&'static [Choice]),
    /// Names of a data set's images.
    Names,
}

/// A setting's value, as pages show it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    Number(f64),
    Choice(Choice),
    Names(Inputs),
}

/// A type that a setting can have.
pub trait SettingType: Copy + PartialOrd + Display {
    /// Reads what was typed, without spaces around it.
    ///
    /// # Errors
    /// What is wrong with the text.
    fn read(text: &str) -> Result<Self, String>;

    /// The value as pages show it.
    fn value(self) -> Value;

    /// The values between `limits`, which choices do not have.
    fn kind(limits: Option<(Self, Self)>) -> Kind;
}

impl SettingType for u32 {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is not a whole number"))
    }
    fn value(self) -> Value {
        Value::Number(self.into())
    }
    fn kind(limits: Option<(Self, Self)>) -> Kind {
        let (low, high) = limits.unwrap_or((0, u32::MAX));
        Kind::Whole { low, high }
    }
}

impl SettingType for f64 {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().ok().filter(|v: &f64| v.is_finite()).ok_or_else(|| format!("{text:?} is not a number"))
    }
    fn value(self) -> Value {
        Value::Number(self)
    }
    fn kind(limits: Option<(Self, Self)>) -> Kind {
        let (low, high) = limits.unwrap_or((f64::MIN, f64::MAX));
        Kind::Real { low, high }
    }
}

impl SettingType for Inputs {
    /// Names parted by commas.
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }
    fn value(self) -> Value {
        Value::Names(self)
    }
    fn kind(_limits: Option<(Self, Self)>) -> Kind {
        Kind::Names
    }
}

/// Makes an enumeration of the choices of one setting; the first one is the default.
macro_rules! choices {
    (
        $(#[$outer:meta])*
        $name:ident, $what:literal {
            $(#[$first_doc:meta])*
            $first:ident = $first_text:literal, $first_label:literal, $first_help:literal;
            $($(#[$doc:meta])* $variant:ident = $text:literal, $label:literal, $help:literal;)*
        }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $(#[$first_doc])*
            #[default]
            #[serde(rename = $first_text)]
            $first,
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// All choices, in the order in which pages list them; the default first.
            pub const ALL: &'static [$name] = &[$name::$first, $($name::$variant),*];

            /// The name in JSON, URLs and on the command line.
            pub fn as_str(self) -> &'static str {
                match self {
                    $name::$first => $first_text,
                    $($name::$variant => $text,)*
                }
            }

            /// The name on pages.
            pub fn label(self) -> &'static str {
                match self {
                    $name::$first => $first_label,
                    $($name::$variant => $label,)*
                }
            }

            /// What it does, in a line.
            pub fn help(self) -> &'static str {
                match self {
                    $name::$first => $first_help,
                    $($name::$variant => $help,)*
                }
            }
        }

        impl $crate::choice::SettingType for $name {
            fn read(text: &str) -> Result<Self, String> {
                text.parse()
            }
            fn value(self) -> $crate::choice::Value {
                let (name, label, help) = (self.as_str(), self.label(), self.help());
                $crate::choice::Value::Choice($crate::choice::Choice { name, label, help })
            }
            fn kind(_limits: Option<(Self, Self)>) -> $crate::choice::Kind {
                use $crate::choice::Choice;
                $crate::choice::Kind::Choice(&[
                    Choice { name: $first_text, label: $first_label, help: $first_help },
                    $(Choice { name: $text, label: $label, help: $help },)*
                ])
            }
        }

        // By hand: the derived one does not see names that come from a macro's literals.
        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let each = Self::ALL.iter().map(|c| format!("{}: {} ({})", c.as_str(), c.label(), c.help()));
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some(format!("The {}. {}", $what, each.collect::<Vec<_>>().join("; "))))
                    .enum_values(Some(Self::ALL.iter().map(|c| c.as_str())))
                    .into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|c| c.as_str() == text).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|c| c.as_str()).collect();
                    format!(concat!("unknown ", $what, " {:?}: use one of {}"), text, known.join(", "))
                })
            }
        }
    };
}

pub(crate) use choices;
