//! What can go wrong on a device, said so that the user can act.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No adapter of the wanted kind. The list says what there is.
    #[error(
        "no GPU adapter matches `{wanted}`; found: {found}. Install a Vulkan driver (Debian: apt-get install mesa-vulkan-drivers) or use --device cpu"
    )]
    NoAdapter {
        /// What was asked for.
        wanted: String,
        /// Adapters that were found, or "none".
        found: String,
    },
    /// The adapter exists but would not give a device.
    #[error("the adapter {adapter} refused a device: {why}. Close other programs that use it, or use --device cpu")]
    Refused {
        /// Adapter name.
        adapter: String,
        /// The driver's words.
        why: String,
    },
    /// An allocation is larger than the device can bind or hold.
    #[error(
        "{label} needs {bytes} bytes at once but {device} binds at most {limit}. Use a smaller batch, or --device cpu"
    )]
    TooLarge {
        /// What the buffer is for.
        label: String,
        /// Size asked for.
        bytes: u64,
        /// Largest size.
        limit: u64,
        /// Device name.
        device: String,
    },
    /// The device was lost or reported an error; results since the last read are not to be trusted.
    #[error(
        "the device {device} failed: {why}. Results since the last report are lost; try again, use a smaller batch, or --device cpu"
    )]
    Failed {
        /// Device name.
        device: String,
        /// The driver's words.
        why: String,
    },
    /// A kernel was called with buffers it cannot use: a bug of the caller, reported instead of read out of bounds.
    #[error("kernel {kernel} was called wrongly: {why}. This is a bug in the program; please report it")]
    BadCall {
        /// Kernel name.
        kernel: &'static str,
        /// What does not fit.
        why: String,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
