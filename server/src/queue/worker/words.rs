//! What goes wrong in a worker, in words: whose fault it is, and what to do about it.

use transferscope_domain::{RunRequest, run::Failure};

/// Gives a failure its own kind where its message shows a full disk or exhausted memory.
pub(super) fn sharpen(failure: Failure, request: &RunRequest) -> Failure {
    let text = failure.message.to_lowercase();
    if text.contains("no space left on device") || text.contains("os error 28") {
        let hint = "Make room on the disk that holds the data folder; the run goes on by itself.";
        return Failure { kind: "disk".into(), hint: hint.into(), ..failure };
    }
    if out_of_memory(&text) {
        return Failure {
            kind: "out-of-memory".into(),
            hint: memory_hint(request.training.batch_size),
            ..failure
        };
    }
    failure
}

/// Whether a lower-case message speaks of exhausted memory.
pub fn out_of_memory(text: &str) -> bool {
    ["out of memory", "outofmemory", "out_of_memory", "memory allocation of", "cannot allocate memory"]
        .iter()
        .any(|sign| text.contains(sign))
}

/// What to do about exhausted memory.
pub fn memory_hint(batch_size: u32) -> String {
    if batch_size > 1 {
        let smaller = (batch_size / 2).max(1);
        format!(
            "Repeat the run with a smaller batch_size (it was {batch_size}; try {smaller}), or give it more memory."
        )
    } else {
        "batch_size is 1 already: run fewer workers at once (serve --jobs), or give the machine more memory."
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exhausted_memory_is_recognised_and_names_the_setting() {
        assert!(out_of_memory("cuda_error_out_of_memory"));
        assert!(out_of_memory("memory allocation of 123 bytes failed"));
        assert!(!out_of_memory("index out of bounds"));
        assert!(memory_hint(8).contains("try 4") && memory_hint(1).contains("--jobs"));
    }
}
