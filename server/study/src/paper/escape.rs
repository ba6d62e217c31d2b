//! Texts that people wrote, inside files that give some characters a meaning.

use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};

/// A text for LaTeX, in ASCII: it compiles with pdflatex whatever the document's encodings of input and font, and reads
/// as it was written. A character that LaTeX has no command for is spelled as `[U+1F600]`; a line end is a space.
pub fn latex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last = ' ';
    // One letter with its marks at a time.
    let mut rest = text.nfd().peekable();
    while let Some(c) = rest.next() {
        let mut marks = Vec::new();
        while let Some(mark) = rest.next_if(|c| canonical_combining_class(*c) != 0) {
            marks.push(mark);
        }
        // `--`, `''` and `,,` are one sign each in LaTeX's fonts.
        let dash = |c: char| matches!(c, '-' | '–');
        if (c == last && matches!(c, '\'' | ',')) || (dash(c) && dash(last)) {
            out.push_str("{}");
        }
        last = c;
        out.push_str(&marked(c, &marks));
    }
    // After `\\`, a bracket would be a length and a star a command.
    if out.starts_with(['[', '*']) { format!("{{}}{out}") } else { out }
}

fn marked(c: char, marks: &[char]) -> String {
    let letter = letter(c);
    match marks {
        [] => letter.unwrap_or_else(|| spelled(c)),
        [mark] => {
            let dotless = match c {
                'i' => Some("\\i".to_owned()),
                'j' => Some("\\j".to_owned()),
                c if c.is_ascii_alphabetic() => Some(c.to_string()),
                _ => None,
            };
            match (accent(*mark), dotless) {
                // What stands below a letter leaves its dot.
                (Some(accent), Some(_)) if matches!(accent, 'c' | 'd' | 'b') => format!("\\{accent}{{{c}}}"),
                (Some(accent), Some(base)) => format!("\\{accent}{{{base}}}"),
                _ => whole(c, marks),
            }
        }
        _ => whole(c, marks),
    }
}

/// A letter whose marks LaTeX cannot set: composed again, and spelled.
fn whole(c: char, marks: &[char]) -> String {
    let parts = std::iter::once(c).chain(marks.iter().copied());
    parts.nfc().map(|c| letter(c).unwrap_or_else(|| spelled(c))).collect()
}

fn spelled(c: char) -> String {
    format!("[U+{:04X}]", u32::from(c))
}

/// The command that sets a combining mark; only those that every font encoding has.
fn accent(mark: char) -> Option<char> {
    Some(match mark {
        '\u{300}' => '`',
        '\u{301}' => '\'',
        '\u{302}' => '^',
        '\u{303}' => '~',
        '\u{304}' => '=',
        '\u{306}' => 'u',
        '\u{307}' => '.',
        '\u{308}' => '"',
        '\u{30a}' => 'r',
        '\u{30b}' => 'H',
        '\u{30c}' => 'v',
        '\u{323}' => 'd',
        '\u{327}' => 'c',
        '\u{331}' => 'b',
        _ => return None,
    })
}

/// A character by itself; none where LaTeX has nothing for it.
fn letter(c: char) -> Option<String> {
    if let Some((_, command)) = SIGNS.iter().find(|(sign, _)| *sign == c) {
        return Some((*command).to_owned());
    }
    if let Some((_, name)) = GREEK.iter().find(|(letter, _)| *letter == c) {
        return Some(format!("$\\{name}$"));
    }
    match c {
        '\n' | '\r' | '\t' => Some(" ".into()),
        '%' | '&' | '_' | '#' | '$' | '{' | '}' => Some(format!("\\{c}")),
        ' '..='~' => Some(c.into()),
        _ => None,
    }
}

const SIGNS: [(char, &str); 65] = [
    ('\\', "\\textbackslash{}"),
    ('~', "\\textasciitilde{}"),
    ('^', "\\textasciicircum{}"),
    ('|', "\\textbar{}"),
    ('<', "\\textless{}"),
    ('>', "\\textgreater{}"),
    // The straight ones: text fonts have them only in some encodings.
    ('"', "{\\ttfamily\\char34}"),
    ('`', "\\`{}"),
    ('\u{a0}', "~"),
    ('\u{2009}', "\\,"),
    ('\u{202f}', "\\,"),
    ('–', "--"),
    ('—', "\\textemdash{}"),
    ('‐', "-"),
    ('‘', "\\textquoteleft{}"),
    ('’', "\\textquoteright{}"),
    ('“', "\\textquotedblleft{}"),
    ('”', "\\textquotedblright{}"),
    ('…', "\\ldots{}"),
    ('¡', "\\textexclamdown{}"),
    ('¿', "\\textquestiondown{}"),
    ('§', "\\S{}"),
    ('¶', "\\P{}"),
    ('©', "\\copyright{}"),
    ('£', "\\pounds{}"),
    ('†', "\\dag{}"),
    ('‡', "\\ddag{}"),
    ('ß', "\\ss{}"),
    ('æ', "\\ae{}"),
    ('Æ', "\\AE{}"),
    ('œ', "\\oe{}"),
    ('Œ', "\\OE{}"),
    ('ø', "\\o{}"),
    ('Ø', "\\O{}"),
    ('ł', "\\l{}"),
    ('Ł', "\\L{}"),
    ('ı', "\\i{}"),
    ('•', "$\\bullet$"),
    ('·', "$\\cdot$"),
    ('°', "$^\\circ$"),
    ('¹', "$^1$"),
    ('²', "$^2$"),
    ('³', "$^3$"),
    ('µ', "$\\mu$"),
    ('×', "$\\times$"),
    ('÷', "$\\div$"),
    ('±', "$\\pm$"),
    ('−', "$-$"),
    ('≤', "$\\leq$"),
    ('≥', "$\\geq$"),
    ('≠', "$\\neq$"),
    ('≈', "$\\approx$"),
    ('≡', "$\\equiv$"),
    ('∞', "$\\infty$"),
    ('∈', "$\\in$"),
    ('∑', "$\\sum$"),
    ('∂', "$\\partial$"),
    ('∇', "$\\nabla$"),
    ('√', "$\\surd$"),
    ('←', "$\\leftarrow$"),
    ('→', "$\\rightarrow$"),
    ('↔', "$\\leftrightarrow$"),
    ('⇒', "$\\Rightarrow$"),
    ('½', "1/2"),
    ('¼', "1/4"),
];

const GREEK: [(char, &str); 34] = [
    ('α', "alpha"),
    ('β', "beta"),
    ('γ', "gamma"),
    ('δ', "delta"),
    ('ε', "varepsilon"),
    ('ζ', "zeta"),
    ('η', "eta"),
    ('θ', "theta"),
    ('ι', "iota"),
    ('κ', "kappa"),
    ('λ', "lambda"),
    ('μ', "mu"),
    ('ν', "nu"),
    ('ξ', "xi"),
    ('π', "pi"),
    ('ρ', "rho"),
    ('σ', "sigma"),
    ('ς', "varsigma"),
    ('τ', "tau"),
    ('υ', "upsilon"),
    ('φ', "varphi"),
    ('χ', "chi"),
    ('ψ', "psi"),
    ('ω', "omega"),
    ('Γ', "Gamma"),
    ('Δ', "Delta"),
    ('Θ', "Theta"),
    ('Λ', "Lambda"),
    ('Ξ', "Xi"),
    ('Π', "Pi"),
    ('Σ', "Sigma"),
    ('Φ', "Phi"),
    ('Ψ', "Psi"),
    ('Ω', "Omega"),
];

/// A text for a line or a table's cell of Markdown: nothing in it is a mark, a link or markup.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '#' => {
                out.push('\\');
                out.push(c);
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What people have called their experiments, and what would be worst.
    const NAMES: [&str; 12] = [
        "A_b 50% & $x^2 ~ \"q\" | <C> é ≥ 😀",
        "{#1} \\end{document} \\input{/etc/passwd}",
        "[2cm] *a -- b --- c '' `` ,, ?` !` << >>",
        "Größe Ångström Łódź naïve Dvořák ő ç ị ṯ ȧ ū ğ",
        "Ελληνικά α β Ω µm 3 ± 1 °C → ∞ …",
        "日本語 العربية עברית",
        "a\nb\r\n\tc\u{0}\u{7}\u{7f}",
        "👩‍🔬 \u{202e}reversed\u{feff}",
        "q\u{308}\u{301} \u{301} alone, ệ, ą, đ, ð, þ",
        "“quoted” ‘so’ – — ¿? ¡!",
        "100 % #hash ^caret^ ~tilde~",
        "",
    ];

    #[test]
    fn a_name_reads_the_same() {
        assert_eq!(
            latex(NAMES[0]),
            "A\\_b 50\\% \\& \\$x\\textasciicircum{}2 \\textasciitilde{} {\\ttfamily\\char34}q{\\ttfamily\\char34} \
             \\textbar{} \\textless{}C\\textgreater{} \\'{e} $\\geq$ [U+1F600]"
        );
        assert_eq!(latex("[2cm] a--b"), "{}[2cm] a-{}-b");
        assert_eq!(latex("naïve Łódź ç"), "na\\\"{\\i}ve \\L{}\\'{o}d\\'{z} \\c{c}");
        assert_eq!(latex("ą ệ 日"), "{}[U+0105] [U+1EC7] [U+65E5]");
        assert_eq!(markdown("a_b | <c> *d*\ne"), "a\\_b \\| &lt;c&gt; \\*d\\* e");
    }

    #[test]
    fn nothing_but_plain_ascii_and_known_commands_leaves() {
        for name in NAMES {
            let text = latex(name);
            assert!(text.bytes().all(|b| matches!(b, b' '..=b'~')), "{name:?}: {text:?}");
            // Braces close, and dollars come in pairs.
            let mut depth = 0_i32;
            let bare = text.replace("\\{", "").replace("\\}", "").replace("\\$", "");
            for c in bare.chars() {
                depth += i32::from(c == '{') - i32::from(c == '}');
                assert!(depth >= 0, "{name:?}: {text:?}");
            }
            assert_eq!((depth, bare.matches('$').count() % 2), (0, 0), "{name:?}: {text:?}");
            for wild in ["\\end", "\\input"] {
                assert!(!text.contains(wild), "{name:?}: {text:?}");
            }
        }
    }

    #[test]
    fn every_command_compiles() {
        use std::process::Command;
        let known = SIGNS.iter().map(|(c, _)| *c).chain(GREEK.iter().map(|(c, _)| *c));
        let every: String = known.chain(' '..='~').flat_map(|c| [c, ' ']).collect();
        let mut body = String::new();
        for name in NAMES.iter().copied().chain([every.as_str()]) {
            body.push_str(&format!(
                "\\section{{{0}}}\n\\begin{{tabular}}{{l}}\nx\\\\\n{0}\\\\\n\\end{{tabular}}\n\n",
                latex(name)
            ));
        }
        let folder = tempfile::tempdir().unwrap();
        for fonts in ["", "\\usepackage[T1]{fontenc}"] {
            let document = format!(
                "\\documentclass{{article}}\n{fonts}\n\\tracinglostchars=2\n\\begin{{document}}\n{body}\\end{{document}}\n"
            );
            std::fs::write(folder.path().join("t.tex"), document).unwrap();
            let made = Command::new("pdflatex")
                .args(["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"])
                .current_dir(folder.path())
                .output();
            let made = match made {
                Ok(made) => made,
                Err(error) => {
                    eprintln!(
                        "NOT TESTED: pdflatex cannot be started ({error}), so that nothing was compiled; what leaves was \
                         held against the allowed characters only. On Debian: apt-get install texlive-latex-base"
                    );
                    return;
                }
            };
            let log = String::from_utf8_lossy(&made.stdout).into_owned();
            assert!(made.status.success(), "{fonts}: {log}");
            assert!(!log.contains("Missing character"), "{fonts}: {log}");
        }
    }
}
