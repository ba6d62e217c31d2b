//! Where tensors live: asks for a CUDA driver and card before the CUDA backend is touched,
//! because that backend panics where there is none.

use std::fmt;

use transferscope_domain::{FailureKind, run::DeviceChoice};

/// A device that is known to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// burn-flex on all cores.
    Cpu,
    /// The card with this index and name.
    Cuda { index: usize, name: String },
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("CPU"),
            Device::Cuda { index, name } => write!(f, "CUDA {index} ({name})"),
        }
    }
}

/// What the machine answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Cards by index; empty where there is no driver or no card.
    pub cards: Vec<Card>,
    /// Why there is no usable card; none where there is one.
    pub problem: Option<String>,
}

/// A CUDA card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    pub name: String,
    pub memory_bytes: u64,
}

/// Why a requested device cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    #[error("no CUDA device: {0}. Use --device cpu, or --device auto to use a GPU only if there is one")]
    NoCuda(String),
    #[error("there is no CUDA GPU {asked}: {present} GPU(s) found, numbered from 0")]
    NoSuchCard { asked: usize, present: usize },
}

impl DeviceError {
    /// What kind of failure it is for a run.
    pub fn kind(&self) -> FailureKind {
        match self {
            DeviceError::NoCuda(_) | DeviceError::NoSuchCard { .. } => FailureKind::Device,
        }
    }
}

/// Asks the driver for its cards. Never panics; takes milliseconds where there is no driver.
#[cfg(feature = "cuda")]
pub fn probe() -> Probe {
    use cudarc::driver::{CudaContext, sys};

    let none = |problem: String| Probe { cards: Vec::new(), problem: Some(problem) };
    // SAFETY: only tries to load the driver's library by name and drops it again.
    #[expect(
        unsafe_code,
        reason = "loading a shared library is unsafe; the driver's is the one that training would load"
    )]
    let present = unsafe { sys::is_culib_present() };
    if !present {
        return none("the NVIDIA driver (libcuda) is not installed".into());
    }
    let count = match CudaContext::device_count() {
        Ok(count) => count,
        Err(e) => return none(format!("the NVIDIA driver does not answer ({e})")),
    };
    let mut cards = Vec::new();
    for index in 0..usize::try_from(count).unwrap_or(0) {
        let card = CudaContext::new(index)
            .and_then(|c| Ok(Card { name: c.name()?, memory_bytes: c.total_mem()? as u64 }));
        match card {
            Ok(card) => cards.push(card),
            Err(e) => return none(format!("GPU {index} does not answer ({e})")),
        }
    }
    if cards.is_empty() {
        return none("the NVIDIA driver finds no GPU".into());
    }
    Probe { cards, problem: None }
}

/// Says that this build has no CUDA.
#[cfg(not(feature = "cuda"))]
pub fn probe() -> Probe {
    Probe { cards: Vec::new(), problem: Some("this program was built without CUDA".into()) }
}

/// Turns a choice into a device that is there.
///
/// # Errors
/// When CUDA is asked for by name and no such card answers.
pub fn resolve(choice: DeviceChoice) -> Result<Device, DeviceError> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Auto => {
            let first = probe().cards.into_iter().next();
            Ok(first.map_or(Device::Cpu, |card| Device::Cuda { index: 0, name: card.name }))
        }
        DeviceChoice::Cuda(index) => {
            let probe = probe();
            if let Some(problem) = probe.problem {
                return Err(DeviceError::NoCuda(problem));
            }
            let present = probe.cards.len();
            let card = probe.cards.into_iter().nth(index);
            let card = card.ok_or(DeviceError::NoSuchCard { asked: index, present })?;
            Ok(Device::Cuda { index, name: card.name })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_is_not_there_is_an_error_and_auto_always_answers() {
        assert_eq!(resolve(DeviceChoice::Cpu), Ok(Device::Cpu));
        assert!(resolve(DeviceChoice::Auto).is_ok());
        let error = resolve(DeviceChoice::Cuda(99)).unwrap_err().to_string();
        assert!(error.contains("no CUDA"), "{error}");
    }
}
