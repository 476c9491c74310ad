//! What the page knows, as plain data: events in, facts out. No browser, so it is tested natively.

use pema_protocol::{
    Answer, Check, CheckProgress, Command, DataInfo, DeviceInfo, Estimate, Event, Kept, MemoryProgress, ModelInfo,
    Neighbour, Project, Report, RequestId, Side, TokenView, TrainInfo, TrainProgress, TrainSettings, Trouble,
    TroubleKind,
};

use self::aloud::aloud;
pub(crate) use self::step::Step;

mod aloud;
mod facts;
mod step;

/// Everything the page shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    /// Whether the engine answers.
    pub(crate) ready: bool,
    pub(crate) device: Option<DeviceInfo>,
    pub(crate) kept_model: Option<(String, u64)>,
    pub(crate) model: Option<ModelInfo>,
    /// Bytes so far and in all.
    pub(crate) fetching: Option<(u64, u64)>,
    pub(crate) data: Option<DataInfo>,
    pub(crate) preview: Option<(Vec<String>, u32, u32)>,
    /// What the next run takes on and needs.
    pub(crate) estimate: Option<Estimate>,
    /// A run that was cut off, which goes on with the model that is open.
    pub(crate) unfinished: bool,
    /// What the last run was begun with.
    pub(crate) run: Option<TrainSettings>,
    pub(crate) memory: Option<MemoryProgress>,
    pub(crate) history: Vec<TrainProgress>,
    /// The check of what was trained, while it runs.
    pub(crate) checking: Option<CheckProgress>,
    pub(crate) trained: Option<TrainInfo>,
    pub(crate) paused: bool,
    /// Answers asked for so far: tokens of an earlier one are other tokens.
    pub(crate) asked: u32,
    pub(crate) base: Vec<TokenView>,
    pub(crate) adapted: Vec<TokenView>,
    /// Whether a likelier adapted answer is being looked for.
    pub(crate) searching: bool,
    /// The likeliest of several versions.
    pub(crate) searched: Option<Answer>,
    pub(crate) wrote: Option<(Answer, Option<Answer>)>,
    pub(crate) why: Option<(u32, Vec<Neighbour>)>,
    pub(crate) measuring: Option<(u32, u32)>,
    pub(crate) report: Option<Report>,
    pub(crate) kept: Option<Kept>,
    /// Addresses that were fetched, with bytes.
    pub(crate) ledger: Vec<(String, u64)>,
    pub(crate) troubles: Vec<(Step, Trouble)>,
    /// What happened to an engine that had to be started again.
    pub(crate) notice: Option<String>,
    /// What a screen reader says: milestones, and progress in tenths.
    pub(crate) said: String,
    /// How often everything was deleted: what the page holds of the user's goes with it.
    pub(crate) wiped: u32,
    /// What there was before a run that has not begun yet; one that is refused changes nothing.
    before: Option<Box<Outcome>>,
    /// Requests that are not answered yet.
    running: Vec<(RequestId, Step)>,
    /// Those of them that the page asked by itself.
    quiet: Vec<RequestId>,
}

/// What a run makes.
#[derive(Debug, Clone, Default, PartialEq)]
struct Outcome {
    memory: Option<MemoryProgress>,
    history: Vec<TrainProgress>,
    trained: Option<TrainInfo>,
    report: Option<Report>,
    unfinished: bool,
    run: Option<TrainSettings>,
}

impl State {
    /// For another engine: only what no engine knows is kept.
    pub(crate) fn again(&self) -> State {
        let (ledger, notice) = (self.ledger.clone(), self.notice.clone());
        State { ledger, notice, wiped: self.wiped, asked: self.asked, ..State::default() }
    }

    /// A command is on its way.
    pub(crate) fn begin(&mut self, id: RequestId, command: &Command) {
        let step = Step::of(command);
        // An estimate follows every run by itself; what went wrong in it must stay to be read.
        if !matches!(command, Command::Estimate { .. }) {
            self.troubles.retain(|t| t.0 != step);
        }
        if matches!(command, Command::Estimate { .. } | Command::PreviewPrompt { .. }) {
            self.quiet.push(id);
            self.running.push((id, step));
            return;
        }
        match command {
            Command::Train { settings, .. } => {
                let run = Some(settings.clone());
                self.before = Some(Box::new(self.outcome(Outcome { run, ..Outcome::default() })));
                (self.paused, self.checking) = (false, None);
            }
            Command::Write { .. } => self.forget_answers(),
            Command::OpenDevice { .. } => (self.device, self.model) = (None, None),
            Command::OpenModel { .. } => self.fetching = Some((0, 0)),
            Command::Evaluate { .. } => self.measuring = Some((0, 0)),
            // Obeyed at once, or of no matter to whoever waits.
            Command::Cancel
            | Command::StopAndKeep
            | Command::SetMix { .. }
            | Command::Pause { .. }
            | Command::ListKept => return,
            _ => {}
        }
        self.running.push((id, step));
    }

    /// Puts one outcome in the place of another.
    fn outcome(&mut self, new: Outcome) -> Outcome {
        let Outcome { memory, history, trained, report, unfinished, run } = new;
        Outcome {
            memory: std::mem::replace(&mut self.memory, memory),
            history: std::mem::replace(&mut self.history, history),
            trained: std::mem::replace(&mut self.trained, trained),
            report: std::mem::replace(&mut self.report, report),
            unfinished: std::mem::replace(&mut self.unfinished, unfinished),
            run: std::mem::replace(&mut self.run, run),
        }
    }

    fn forget_answers(&mut self) {
        self.asked += 1;
        self.base.clear();
        self.adapted.clear();
        (self.wrote, self.why, self.searched, self.searching) = (None, None, None, false);
    }

    /// Whether a command of this step is being worked on.
    pub(crate) fn busy(&self, step: Step) -> bool {
        self.running.iter().any(|r| r.1 == step && !self.quiet.contains(&r.0))
    }

    /// Whether anything is being worked on: the engine does one thing after another. What the page asks by
    /// itself is answered at once, so nobody is kept from clicking meanwhile.
    pub(crate) fn occupied(&self) -> bool {
        self.running.iter().any(|r| !self.quiet.contains(&r.0))
    }

    /// Takes in what the engine said about a request.
    pub(crate) fn apply(&mut self, id: RequestId, event: Event) {
        if is_last(&event) {
            self.running.retain(|r| r.0 != id || matches!(event, Event::Trouble(_)));
            self.quiet.retain(|q| *q != id || matches!(event, Event::Trouble(_)));
        }
        if let Some(said) = aloud(&event) {
            self.said = said;
        }
        if matches!(event, Event::TrainBegan | Event::CheckProgress(_) | Event::Trained(_)) {
            self.before = None; // the run has begun
        }
        match event {
            Event::Ready { project, .. } => self.restore(*project),
            Event::DeviceReady(info) => self.device = Some(info),
            Event::ModelProgress { bytes, of } => {
                (self.model, self.fetching) = (None, Some((bytes, of)));
                // The first bytes of another one lie in its place.
                self.kept_model = self.kept_model.take().filter(|_| bytes == 0);
            }
            Event::ModelReady(info) => {
                self.forget_answers();
                (self.kept_model, self.unfinished) = (Some((info.name.clone(), info.bytes)), info.unfinished);
                (self.model, self.fetching) = (Some(info), None);
            }
            Event::DataReady(info) => {
                self.data = Some(info);
                (self.preview, self.estimate) = (None, None);
                self.outcome(Outcome::default());
            }
            Event::PromptPreview { tokens, context, too_long } => self.preview = Some((tokens, context, too_long)),
            Event::Estimated(estimate) => self.estimate = Some(estimate),
            Event::MemoryProgress(progress) => self.memory = Some(progress),
            Event::TrainResumed { history } => self.history = history,
            Event::TrainProgress(progress) => self.history.push(progress),
            Event::CheckProgress(progress) => self.checking = Some(progress),
            Event::Trained(info) => {
                self.history.clone_from(&info.history);
                self.checking = None;
                (self.trained, self.paused, self.unfinished) = (Some(info), false, false);
                if let Some(model) = &mut self.model {
                    model.fits = true;
                }
            }
            Event::Paused { paused } => self.paused = paused,
            Event::Token { side: Side::Base, token } => self.base.push(token),
            Event::Token { side: Side::Adapted, token } => self.adapted.push(token),
            Event::Searching => self.searching = true,
            Event::Searched { answer } => self.searched = Some(answer),
            Event::Wrote { base, adapted } => (self.wrote, self.searching) = (Some((base, adapted)), false),
            Event::Neighbours { token, rows } => self.why = Some((token, rows)),
            Event::EvaluateProgress { done, of } => self.measuring = Some((done, of)),
            Event::Reported(report) => (self.report, self.measuring) = (Some(report), None),
            Event::TrainBegan | Event::Exported { .. } => {}
            Event::KeptList(kept) => self.kept = Some(kept),
            Event::Deleted => {
                *self = State {
                    ready: true,
                    device: self.device.clone(),
                    ledger: std::mem::take(&mut self.ledger),
                    asked: self.asked,
                    wiped: self.wiped + 1,
                    said: std::mem::take(&mut self.said),
                    ..State::default()
                };
            }
            Event::Fetched { url, bytes } => self.ledger.push((url, bytes)),
            Event::Trouble(trouble) => self.failed(id, trouble),
        }
    }

    fn restore(&mut self, project: Project) {
        self.ready = true;
        self.kept_model = project.model.map(|m| (m.name, m.bytes));
        self.data = project.data;
        (self.unfinished, self.run) = (project.unfinished.is_some(), project.settings);
        // Until it is checked it is not done; the check goes on by itself.
        self.trained = project.trained.filter(|t| t.check != Check::Pending);
        self.history = self.trained.as_ref().map(|t| t.history.clone()).unwrap_or_default();
        self.report = project.report;
    }

    fn failed(&mut self, id: RequestId, trouble: Trouble) {
        let step = self.running.iter().find(|r| r.0 == id).map_or(Step::Device, |r| r.1);
        if self.quiet.contains(&id) && step == Step::Train {
            // Nobody asked for an estimate; the run itself would say what is wrong.
            self.running.retain(|r| r.0 != id);
            self.quiet.retain(|q| *q != id);
            self.estimate = None;
            return;
        }
        if trouble.kind == TroubleKind::Dead {
            self.running.clear();
            self.quiet.clear();
            self.ready = false;
        }
        if step == Step::Train {
            match self.before.take() {
                Some(before) => _ = self.outcome(*before),
                // What was refused would be refused again.
                None => self.unfinished = self.trained.is_none() && trouble.kind == TroubleKind::NoRoom,
            }
        }
        self.running.retain(|r| r.0 != id);
        self.quiet.retain(|q| *q != id);
        (self.fetching, self.measuring, self.checking, self.paused) = (None, None, None, false);
        self.found_wrong(step, trouble);
    }

    /// Shows what went wrong at a step, in place of what went wrong there before.
    pub(crate) fn found_wrong(&mut self, step: Step, trouble: Trouble) {
        self.troubles.retain(|t| t.0 != step);
        self.troubles.push((step, trouble));
    }
}

/// Whether an event ends its request.
fn is_last(event: &Event) -> bool {
    !matches!(
        event,
        Event::ModelProgress { .. }
            | Event::TrainBegan
            | Event::MemoryProgress(_)
            | Event::TrainResumed { .. }
            | Event::Searching
            | Event::Searched { .. }
            | Event::TrainProgress(_)
            | Event::CheckProgress(_)
            | Event::Token { .. }
            | Event::EvaluateProgress { .. }
            | Event::Fetched { .. }
    )
}

#[cfg(test)]
mod tests;
