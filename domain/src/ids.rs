//! Identifiers as types: a run's id cannot be handed to something that wants an experiment's.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an id: ids have 4 to 40 characters from a-z, 0-9 and '-'")]
pub struct BadId(pub String);

fn is_id(text: &str) -> bool {
    (4..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text; safe in a path, a URL and a file name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                if is_id(&text) { Ok(Self(text)) } else { Err(BadId(text)) }
            }
        }
        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Self::try_from(text.to_owned())
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id_type!(
    /// One run; also the name of its directory under `DATA/runs/`.
    RunId
);
id_type!(
    /// Runs that were started together and are meant to be compared.
    ExperimentId
);
id_type!(
    /// The short name of a shared comparison, as in `/s/{slug}`.
    ShareSlug
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_what_could_leave_a_folder() {
        for bad in ["", "abc", "../etc", "a/b/c/d", "ABCDEF", "with space", "a.b.c.d"] {
            assert!(bad.parse::<RunId>().is_err(), "{bad:?}");
        }
        assert_eq!("k3x9-abc".parse::<RunId>().unwrap().as_str(), "k3x9-abc");
        assert!(serde_json::from_str::<RunId>("\"../x\"").is_err());
    }
}
