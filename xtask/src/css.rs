//! The style sheet: `style/main.css` with everything it imports, as one minified file.

use std::path::Path;

use anyhow::{Result, anyhow};
use lightningcss::bundler::{Bundler, FileProvider};
use lightningcss::stylesheet::{MinifyOptions, ParserOptions, PrinterOptions};

/// Bundles and minifies a style sheet.
///
/// # Errors
/// When a file is missing or is not CSS; the message holds file, line and column.
pub fn bundle(main: &Path) -> Result<String> {
    let files = FileProvider::new();
    let mut sheet = Bundler::new(&files, None, ParserOptions::default())
        .bundle(main)
        .map_err(|error| anyhow!("style sheet: {error}"))?;
    sheet.minify(MinifyOptions::default()).map_err(|error| anyhow!("style sheet: {error}"))?;
    let printed = sheet
        .to_css(PrinterOptions { minify: true, ..PrinterOptions::default() })
        .map_err(|error| anyhow!("style sheet: {error}"))?;
    Ok(printed.code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn imports_are_inlined_in_their_layers_and_errors_name_the_file() {
        let dir = std::env::temp_dir().join(format!("xtask-css-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a folder");
        let main = dir.join("main.css");
        fs::write(&main, "@layer tokens, base;\n@import \"tokens.css\" layer(tokens);\n").expect("a file");
        fs::write(dir.join("tokens.css"), ":root {\n  --ink: light-dark(#000000, #ffffff);\n}\n")
            .expect("a file");
        let css = bundle(&main).expect("the sheet is valid");
        assert!(css.contains("@layer tokens{:root{--ink:"), "{css}");
        assert!(!css.contains("@import") && !css.contains('\n'), "{css}");

        fs::write(dir.join("tokens.css"), ":root { --ink }").expect("a file");
        let message = bundle(&main).expect_err("a property without a value").to_string();
        assert!(message.contains("tokens.css"), "{message}");
        fs::remove_dir_all(&dir).expect("clean up");
    }
}
