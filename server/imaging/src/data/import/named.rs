//! Names in messages.

/// How many there are of something, and the first few of them by name: `3 images (a, b, c)`.
pub fn few(names: &[String], what: &str) -> String {
    const SHOWN: usize = 5;
    let s = if names.len() == 1 { "" } else { "s" };
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    format!("{} {what}{s} ({}{more})", names.len(), shown.join(", "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_names_stand_for_all() {
        let names: Vec<String> = (0..7).map(|i| format!("c{i}")).collect();
        assert_eq!(super::few(&names[..1], "image"), "1 image (c0)");
        assert_eq!(super::few(&names, "image"), "7 images (c0, c1, c2, c3, c4, ...)");
    }
}
