//! The steps of the page.

use pema_protocol::Command;

/// The steps of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Device,
    Model,
    Data,
    Train,
    Write,
    Report,
}

impl Step {
    /// In the order of the page.
    pub(crate) const ALL: [Step; 6] = [Step::Device, Step::Model, Step::Data, Step::Train, Step::Write, Step::Report];

    pub(crate) fn title(self) -> &'static str {
        ["Device", "Model", "Your pairs", "Memory and training", "Write", "Report and export"][self as usize]
    }

    /// The same where there is little room.
    pub(crate) fn short(self) -> &'static str {
        ["Device", "Model", "Pairs", "Training", "Write", "Report"][self as usize]
    }

    /// Name of its place in the page.
    pub(crate) fn anchor(self) -> &'static str {
        ["device", "model", "pairs", "training", "write", "report"][self as usize]
    }

    /// Where a command belongs.
    pub(super) fn of(command: &Command) -> Step {
        match command {
            Command::Hello { .. } | Command::OpenDevice { .. } => Step::Device,
            Command::OpenModel { .. } => Step::Model,
            Command::OpenData { .. } | Command::OpenExample | Command::PreviewPrompt { .. } => Step::Data,
            Command::Estimate { .. } | Command::Train { .. } | Command::Pause { .. } | Command::StopAndKeep => {
                Step::Train
            }
            Command::Write { .. } | Command::SetMix { .. } | Command::WhyThisWord { .. } | Command::Cancel => {
                Step::Write
            }
            Command::Evaluate { .. }
            | Command::Export { .. }
            | Command::ImportAdapter { .. }
            | Command::ListKept
            | Command::DeleteAll => Step::Report,
        }
    }
}
