//! What follows from the state: what is done, what waits for what.

use pema_protocol::DeviceKind;

use super::{State, Step};

impl State {
    /// The first step that is not done, where a newcomer goes on.
    pub(crate) fn next(&self) -> Option<Step> {
        Step::ALL.into_iter().find(|step| !self.done(*step))
    }

    /// Whether a step has what it is for.
    pub(crate) fn done(&self, step: Step) -> bool {
        match step {
            Step::Device => self.device.is_some(),
            Step::Model => self.model.is_some(),
            Step::Data => self.data.is_some(),
            Step::Train => self.trained.is_some() && !self.misfit(),
            Step::Write => self.wrote.is_some(),
            Step::Report => self.report.is_some(),
        }
    }

    /// Whether the adapter was made with another model than the one that is open.
    pub(crate) fn misfit(&self) -> bool {
        self.trained.is_some() && self.model.as_ref().is_some_and(|m| !m.fits)
    }

    /// What a step waits for; `None` when it can be used.
    pub(crate) fn waits_for(&self, step: Step) -> Option<&'static str> {
        let model = self.model.is_none().then_some("Open a model first.");
        let data = self.data.is_none().then_some("Open your pairs first.");
        let trained = match self.misfit() {
            true => Some("Your adapter was made with another model: open that one, or train again."),
            false => self.trained.is_none().then_some("Train first."),
        };
        let training = self.busy(Step::Train).then_some("The device is busy with the training.");
        match step {
            Step::Device => (!self.ready).then_some("The engine is starting…"),
            Step::Data => (!self.ready).then_some("In a moment."),
            Step::Model => self.device.is_none().then_some("The device is tested first."),
            Step::Train => model.or(data),
            Step::Write => model.or(training),
            Step::Report => model.or(data).or(training).or(trained),
        }
    }

    /// What the device means for the user, in a sentence.
    pub(crate) fn device_sentence(&self) -> Option<&'static str> {
        Some(match self.device.as_ref()?.kind {
            DeviceKind::Gpu => "Building and training take seconds.",
            DeviceKind::Software => {
                "This adapter imitates a GPU on the processor: right, but slower than the processor itself."
            }
            DeviceKind::Cpu => {
                "Everything works, in minutes instead of seconds; a first round takes on a part of your pairs."
            }
        })
    }
}
