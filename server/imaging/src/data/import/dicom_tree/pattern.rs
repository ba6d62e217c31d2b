//! Patterns of descriptions: `*` stands for anything, `?` for one letter, `|` parts several of which one must fit; capitals
//! do not count.

/// Whether a text fits a pattern.
pub fn fits(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.trim().to_lowercase().chars().collect();
    pattern.split('|').any(|pattern| {
        let pattern: Vec<char> = pattern.trim().to_lowercase().chars().collect();
        one(&pattern, &text)
    })
}

/// In steps of at most the product of both lengths: what went wrong after a star is tried again one letter later, and
/// only for the last star.
fn one(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (p, t) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_anything_and_one_letter() {
        for (pattern, text, expected) in [
            ("t2*tra*", "T2_TSE_tra_p2", true),
            ("t2*tra*", "t2_tse_sag", false),
            ("*adc", "ep2d_diff_ADC", true),
            ("*adc", "ADC_map", false),
            ("b?00", "B800", true),
            ("b?00", "b1000", false),
            ("t2", "t2 ", true),
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
            ("a*b*c", "aXbXbc", true),
            ("t2* | *flair", "AX FLAIR", true),
            ("GRÖSSE*", "größe", false),
            ("ÄX*", "äx t1", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_fits_itself_and_what_is_made_of_it_by_stars(text in "[a-z0-9_ .éß]{0,20}", cut in 0usize..20, pattern in "[ab*?|]{0,30}") {
            let _ = fits(&pattern, &text);
            let letters: Vec<char> = text.trim().chars().collect();
            let (head, tail) = letters.split_at(cut.min(letters.len()));
            let starred = format!("{}*{}", head.iter().collect::<String>(), tail.iter().skip(1).collect::<String>());
            prop_assert!(fits(&text, &text));
            prop_assert!(fits(&starred, &text), "{} {}", starred, text);
        }
    }
}
