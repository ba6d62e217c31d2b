//! What goes wrong in a worker, in words: whose fault it is, and what to do about it.

use transferscope_domain::{Failure, FailureKind, RunRequest};
use transferscope_ml::outcome::RunError;

/// The failure of a run that ended in an error.
pub(super) fn of_error(error: &RunError, request: &RunRequest) -> Failure {
    with_batch_size(error.failure(), request)
}

/// The failure of a run that ended in a panic with this message.
pub(super) fn of_panic(message: &str, request: &RunRequest) -> Failure {
    let kind = memory_kind(message).unwrap_or(FailureKind::Internal);
    let message = match kind {
        FailureKind::Internal => format!("The training code failed an internal check: {message}"),
        _ => message.to_owned(),
    };
    with_batch_size(Failure::new(kind, message), request)
}

fn with_batch_size(failure: Failure, request: &RunRequest) -> Failure {
    match failure.kind {
        FailureKind::OutOfMemory | FailureKind::OutOfDeviceMemory => {
            let hint = memory_hint(&failure.kind, request.training.batch_size);
            failure.with_hint(hint)
        }
        _ => failure,
    }
}

/// The kind of exhausted memory that a text speaks of: the message of a panic, the end of a worker's log.
///
/// The only search by words: neither the backends nor Rust's allocator hand over an error; they panic or abort and
/// leave a message, and so does the system's kernel through the scheduler of a cluster.
pub fn memory_kind(text: &str) -> Option<FailureKind> {
    let text = text.to_lowercase();
    let says = |signs: &[&str]| signs.iter().any(|sign| text.contains(sign));
    if says(&DEVICE_SIGNS) {
        return Some(FailureKind::OutOfDeviceMemory);
    }
    says(&MEMORY_SIGNS).then_some(FailureKind::OutOfMemory)
}

/// In lower case: what CUDA and Vulkan say of a card's own memory, and how cubecl shows that a buffer on a device cannot
/// be had.
const DEVICE_SIGNS: [&str; 6] = [
    "cuda_error_out_of_memory",
    "cudaerrormemoryallocation",
    "cuda out of memory",
    "out_of_device_memory",
    "can't allocate buffer of size",
    "buffertoobig",
];

/// In lower case: the allocator's words, errno's, those of libraries, a cgroup's.
const MEMORY_SIGNS: [&str; 8] = [
    "memory allocation of",
    "cannot allocate memory",
    "out of memory",
    "outofmemory",
    "out_of_memory",
    "oom-kill",
    "oom_kill",
    "oom kill",
];

/// What to do about memory that did not suffice for batches of this size.
pub fn memory_hint(kind: &FailureKind, batch_size: u32) -> String {
    let hint = kind.hint();
    if batch_size > 1 {
        format!("{hint} batch_size was {batch_size}: try {}.", batch_size / 2)
    } else {
        format!("{hint} batch_size is already 1.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exhausted_memory_is_recognised_and_names_the_setting() {
        let memory = Some(FailureKind::OutOfMemory);
        for text in [
            "memory allocation of 123 bytes failed",
            "Cannot allocate memory (os error 12)",
            "slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch",
        ] {
            assert_eq!(memory_kind(text), memory, "{text}");
        }
        for text in [
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
            "VK_ERROR_OUT_OF_DEVICE_MEMORY",
            "can't allocate buffer of size: 8589934592",
            "BufferTooBig { size: 8589934592 }",
        ] {
            assert_eq!(memory_kind(text), Some(FailureKind::OutOfDeviceMemory), "{text}");
        }
        for text in ["index out of bounds", "No space left on device (os error 28)"] {
            assert_eq!(memory_kind(text), None, "{text}");
        }
        let hint = |batch_size| memory_hint(&FailureKind::OutOfMemory, batch_size);
        assert!(hint(8).contains("try 4") && hint(1).contains("already 1") && hint(1).contains("--jobs"));
    }
}
