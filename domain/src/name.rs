//! Names of the images, masks and labels of a data set.

use std::{fmt, ops::Deref, str::FromStr};

use arrayvec::ArrayString;
use serde::{Deserialize, Serialize};

/// A name that files, URLs and command lines can hold as it is: small letters, digits and `-_.+`, a letter or digit
/// first. It is copied freely, so it has an end: [`Name::MAX`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(ArrayString<{ Name::MAX }>);

impl Name {
    /// Most bytes.
    pub const MAX: usize = 40;

    /// The name that this text is.
    ///
    /// # Errors
    /// When it is none, with what one looks like.
    pub fn new(text: &str) -> Result<Self, String> {
        let of_it = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.+".contains(c);
        let good = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        match ArrayString::from(text) {
            Ok(name) if good && text.chars().all(of_it) => Ok(Self(name)),
            _ => Err(format!(
                "{text:?} is no name: 1 to {} small letters, digits and -_.+, a letter or digit first",
                Self::MAX
            )),
        }
    }

    /// The name nearest to a text as people write them: `T1 weighted` is `t1-weighted`. None where nothing of the text
    /// can stand in a name.
    pub fn like(text: &str) -> Option<Self> {
        let mut name = ArrayString::<{ Self::MAX }>::new();
        for c in text.trim().chars().map(|c| c.to_ascii_lowercase()) {
            let fits = c.is_ascii_lowercase() || c.is_ascii_digit() || "_.+-".contains(c);
            let c = if fits { c } else { '-' };
            let doubled = c == '-' && name.ends_with('-');
            let first = name.is_empty() && !c.is_ascii_alphanumeric();
            if !doubled && !first && name.try_push(c).is_err() {
                break;
            }
        }
        Self::new(name.trim_end_matches(['-', '_', '.', '+'])).ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl FromStr for Name {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::new(text)
    }
}

impl TryFrom<String> for Name {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::new(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.as_str().to_owned()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Name {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .max_length(Some(Name::MAX))
            .pattern(Some("^[a-z0-9][a-z0-9._+-]*$"))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Name {}

/// Images that go into a network, by name; all that a data set has where none is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "Vec<Name>", into = "Vec<Name>")]
pub struct Inputs(ArrayString<{ Inputs::MAX }>);

impl Inputs {
    /// Most bytes of all names and the commas between them.
    const MAX: usize = 240;

    /// All that a data set has.
    pub const ALL: Self = Self(ArrayString::new_const());

    pub fn iter(&self) -> impl Iterator<Item = Name> + '_ {
        self.0.split(',').filter_map(|name| Name::new(name).ok())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<Name>> for Inputs {
    type Error = String;
    fn try_from(names: Vec<Name>) -> Result<Self, String> {
        let mut text = ArrayString::new();
        for (i, name) in names.iter().enumerate() {
            if names[..i].contains(name) {
                return Err(format!("{name} is named twice"));
            }
            let comma = if i > 0 { "," } else { "" };
            let room = text.try_push_str(comma).and_then(|()| text.try_push_str(name));
            room.map_err(|_| format!("too many images: {} bytes of names at most", Self::MAX))?;
        }
        Ok(Self(text))
    }
}

impl From<Inputs> for Vec<Name> {
    fn from(inputs: Inputs) -> Self {
        inputs.iter().collect()
    }
}

impl fmt::Display for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Inputs {
    type Err = String;
    /// Names parted by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
        parts.map(Name::new).collect::<Result<Vec<_>, _>>()?.try_into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Inputs {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ArrayBuilder::new().items(<Name as utoipa::PartialSchema>::schema()).into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Inputs {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inputs(text: &str) -> Result<Inputs, String> {
        text.parse()
    }

    #[test]
    fn images_are_named_once_and_parted_by_commas() {
        let two = inputs("t2w, adc").unwrap();
        assert_eq!(two.to_string(), "t2w,adc");
        assert_eq!(serde_json::to_value(two).unwrap(), serde_json::json!(["t2w", "adc"]));
        assert_eq!(serde_json::from_str::<Inputs>("[\"t2w\",\"adc\"]").unwrap(), two);
        assert!(inputs("t2w,t2w").is_err() && inputs("T2").is_err());
        assert!(inputs(&(0..200).map(|i| format!("i{i}")).collect::<Vec<_>>().join(",")).is_err());
    }

    #[test]
    fn what_people_write_becomes_a_name() {
        for (text, name) in [
            ("T2W", "t2w"),
            (" T1 weighted (post-contrast) ", "t1-weighted-post-contrast"),
            ("FLAIR", "flair"),
            ("ADC_map", "adc_map"),
            ("Cho/Cr ratio", "cho-cr-ratio"),
        ] {
            assert_eq!(Name::like(text).unwrap(), name);
        }
        assert_eq!(Name::like("\u{56fe}\u{50cf}"), None);
        assert_eq!(Name::like(""), None);
        for bad in ["", "T2w", "a b", "../x", "-a", ".", &"x".repeat(41)] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<Name>("\"a/b\"").is_err());
        assert_eq!(serde_json::from_str::<Name>("\"t2w\"").unwrap(), "t2w");
    }

    proptest! {
        #[test]
        fn the_nearest_name_is_one_and_is_its_own_nearest(text in "\\PC{0,80}") {
            if let Some(name) = Name::like(&text) {
                prop_assert_eq!(Name::new(&name), Ok(name));
                prop_assert_eq!(Name::like(&name), Some(name));
            }
        }
    }
}
