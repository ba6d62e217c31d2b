//! Settings that are a choice among a few, each with a name, a label and a line of help.

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

        impl $crate::setting::SettingType for $name {
            fn read(text: &str) -> Result<Self, String> {
                text.parse()
            }
            fn value(self) -> $crate::setting::Value {
                let (name, label, help) = (self.as_str(), self.label(), self.help());
                $crate::setting::Value::Choice($crate::setting::Choice { name, label, help })
            }
            fn kind(_limits: Option<(Self, Self)>) -> $crate::setting::Kind {
                use $crate::setting::Choice;
                $crate::setting::Kind::Choice(&[
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
