//! Events in, facts out.

use super::*;
use pema_protocol::{
    DeviceChoice, DeviceKind, Finding, MixSettings, ModelSource, Schedule, TrainSettings, Verdict, Way,
};

fn ready() -> State {
    let mut state = State::default();
    state.begin(1, &Command::Hello { version: 1 });
    state.apply(1, Event::Ready { version: 1, project: Box::default() });
    state
}

#[test]
fn a_step_waits_until_what_it_needs_is_there() {
    assert!(State::default().waits_for(Step::Data).is_some());
    let state = ready();
    assert_eq!(state.waits_for(Step::Data), None);
    assert_eq!(state.waits_for(Step::Train), Some("Open a model first."));
    assert!(!state.busy(Step::Device));
}

#[test]
fn a_screen_reader_hears_tenths_and_milestones_only() {
    let mut state = ready();
    let mut said = Vec::new();
    for examples in 0..=200 {
        state.apply(0, Event::MemoryProgress(MemoryProgress { examples, of: 200, ..MemoryProgress::default() }));
        said.push(state.said.clone());
    }
    said.dedup();
    assert_eq!((said.len(), said[3].as_str()), (11, "Reading your pairs, 30 percent done"));
    state.apply(0, Event::KeptList(Kept::default()));
    assert_eq!(state.said, "Reading your pairs, 100 percent done");
    state.apply(0, Event::Deleted);
    assert_eq!(state.said, "Everything was deleted.");
}

#[test]
fn a_newcomer_is_led_to_the_first_step_that_is_not_done() {
    let mut state = ready();
    assert_eq!(state.next(), Some(Step::Device));
    state.data = Some(DataInfo::default());
    state.device = Some(DeviceInfo {
        kind: DeviceKind::Cpu,
        name: "processor".into(),
        why: String::new(),
        self_test: String::new(),
        offered: None,
        memory_gb: None,
        gflops: 1.0,
    });
    assert_eq!(state.next(), Some(Step::Model), "pairs that are open already do not hide it");
}

#[test]
fn trouble_stands_at_its_step_until_the_next_try() {
    let mut state = ready();
    let open = Command::OpenModel { source: ModelSource::Kept };
    state.begin(2, &open);
    assert!(state.busy(Step::Model) && state.fetching.is_some());
    let trouble = Trouble { kind: TroubleKind::Refused, text: "no".into() };
    state.apply(2, Event::Trouble(trouble.clone()));
    assert_eq!(state.troubles, [(Step::Model, trouble)]);
    assert!(!state.busy(Step::Model) && state.fetching.is_none());
    state.begin(3, &open);
    assert!(state.troubles.is_empty());
}

#[test]
fn an_answer_is_searched_while_the_step_is_still_busy() {
    let mut state = ready();
    let mix = MixSettings { lambda_max: None, schedule: None };
    let write = Command::Write { input: "hi".into(), mix, max_tokens: 8 };
    let answer = |text: &str| Answer { text: text.into(), tokens: 1, ended: true };
    state.begin(2, &write);
    state.apply(2, Event::Searching);
    assert!(state.searching && state.busy(Step::Write));
    state.apply(2, Event::Searched { answer: answer("better") });
    assert!(state.busy(Step::Write));
    state.apply(2, Event::Wrote { base: answer("a"), adapted: Some(answer("b")) });
    assert!(!state.searching && !state.busy(Step::Write));
    assert_eq!(state.searched.as_ref().map(|a| a.text.as_str()), Some("better"));
    state.begin(3, &write);
    assert!(state.searched.is_none());
}

#[test]
fn a_dead_engine_frees_every_step() {
    let mut state = ready();
    state.begin(2, &Command::Train { settings: TrainSettings::default(), restart: false });
    state.apply(0, Event::Trouble(Trouble { kind: TroubleKind::Dead, text: "gone".into() }));
    assert!(!state.ready && !state.busy(Step::Train));
    assert_eq!(state.troubles[0].0, Step::Device);
}

#[test]
fn progress_does_not_end_a_run_and_new_pairs_forget_the_old_adapter() {
    let mut state = ready();
    state.begin(2, &Command::Train { settings: TrainSettings::default(), restart: false });
    state.apply(2, Event::MemoryProgress(MemoryProgress::default()));
    state.apply(2, Event::Fetched { url: "u".into(), bytes: 1 });
    assert!(state.busy(Step::Train));
    state.begin(3, &Command::OpenDevice { choice: DeviceChoice::Cpu });
    assert!(state.busy(Step::Device));
}

fn trained(check: Check) -> TrainInfo {
    let way = Way { adapted: true, schedule: Schedule::Constant, weight: 0.5, copying: true, versions: 4, similar: 0 };
    TrainInfo {
        rows: 100,
        rank: 8,
        form: "residual".into(),
        steps: [6, 6],
        lambda_max: 0.7,
        lambda_constant: 0.5,
        held_out: None,
        seconds: 1.0,
        history: Vec::new(),
        way,
        check,
    }
}

#[test]
fn a_run_ends_with_its_check_and_the_verdict_is_said_and_kept() {
    let mut state = ready();
    state.begin(2, &Command::Train { settings: TrainSettings::default(), restart: false });
    let way = Some(trained(Check::Pending).way);
    state.apply(2, Event::CheckProgress(CheckProgress { way, done: 6, of: 60, seconds_left: 30.0 }));
    assert!(state.busy(Step::Train) && state.checking.is_some());
    assert_eq!(state.said, "Checking, 10 percent done");
    let advice = "it repeats itself".to_owned();
    let verdict = Verdict { finding: Finding::DoesNotHelp, gain: -3.0, range: Some([-9.0, 2.0]), pairs: 12, advice };
    let info = trained(Check::Done(verdict));
    state.apply(2, Event::Trained(info.clone()));
    assert!(!state.busy(Step::Train) && state.checking.is_none());
    assert_eq!(state.said, "Your adapter is ready. Your adapter does not help.");
    assert_eq!(state.trained.as_ref(), Some(&info));

    let mut again = State::default();
    let project = Project { trained: Some(info), ..Project::default() };
    again.apply(1, Event::Ready { version: 1, project: Box::new(project) });
    assert_eq!(again.trained, state.trained);
}

#[test]
fn an_adapter_whose_check_was_cut_off_is_not_done() {
    let mut state = State::default();
    let project = Project {
        trained: Some(trained(Check::Pending)),
        unfinished: Some(MemoryProgress::default()),
        ..Project::default()
    };
    state.apply(1, Event::Ready { version: 1, project: Box::new(project) });
    assert!(state.unfinished && !state.done(Step::Train) && state.history.is_empty());
}

#[test]
fn what_the_page_asks_by_itself_keeps_nobody_from_clicking() {
    let mut state = ready();
    state.begin(2, &Command::Estimate { settings: TrainSettings::default() });
    assert!(!state.occupied() && !state.busy(Step::Train));
    state.begin(3, &Command::Train { settings: TrainSettings::default(), restart: false });
    assert!(state.occupied());
    let trouble = |text: &str| Trouble { kind: TroubleKind::NoRoom, text: text.into() };
    state.apply(2, Event::Trouble(trouble("not asked for")));
    assert!(state.troubles.is_empty() && state.busy(Step::Train));
    state.apply(3, Event::Trouble(trouble("no room")));
    state.begin(4, &Command::Estimate { settings: TrainSettings::default() });
    assert_eq!(state.troubles, [(Step::Train, trouble("no room"))]);
    state.apply(4, Event::Estimated(Estimate::default()));
    assert!(state.quiet.is_empty() && state.running.is_empty());
}

#[test]
fn deleting_leaves_the_device_and_the_ledger() {
    let mut state = ready();
    state.apply(0, Event::Fetched { url: "u".into(), bytes: 1 });
    state.begin(5, &Command::DeleteAll);
    state.apply(5, Event::Deleted);
    assert_eq!((state.ready, state.ledger.len(), state.busy(Step::Report)), (true, 1, false));
    assert_eq!(state.wiped, 1);
}

fn model(fits: bool, unfinished: bool) -> ModelInfo {
    ModelInfo {
        name: "m".into(),
        bytes: 5,
        sha256: String::new(),
        hidden: 1,
        vocab: 1,
        context: 1,
        layers: 1,
        quantisation: String::new(),
        chat: false,
        device_bytes: 1,
        engine_bytes: 1,
        fits,
        unfinished,
    }
}

#[test]
fn a_run_that_is_refused_changes_nothing_and_one_that_began_can_go_on() {
    let mut state = ready();
    let train = || Command::Train { settings: TrainSettings::default(), restart: false };
    let no = || Event::Trouble(Trouble { kind: TroubleKind::NoRoom, text: "no room".into() });
    state.apply(1, Event::Trained(trained(Check::Without)));
    state.report = Some(Report {
        pairs: 1,
        verdict: "good".into(),
        warnings: Vec::new(),
        methods: Vec::new(),
        chosen: String::new(),
        examples: Vec::new(),
        signature: String::new(),
    });
    state.begin(2, &train());
    assert!(state.trained.is_none() && state.report.is_none());
    state.apply(2, no());
    assert!(state.trained.is_some() && state.report.is_some() && !state.unfinished);
    state.begin(3, &train());
    state.apply(3, Event::TrainBegan);
    state.apply(3, no());
    assert!(state.trained.is_none() && state.report.is_none() && state.unfinished);
    assert_eq!(state.run, Some(TrainSettings::default()));
    // Larger settings that are refused are not those of the run that can go on.
    state
        .begin(4, &Command::Train { settings: TrainSettings { rank: Some(512), ..Default::default() }, restart: true });
    state.apply(4, no());
    assert!(state.unfinished && state.run == Some(TrainSettings::default()));
    // What cannot succeed is not offered again.
    state.begin(5, &train());
    state.apply(5, Event::TrainBegan);
    state.apply(5, Event::Trouble(Trouble { kind: TroubleKind::Refused, text: "it diverged".into() }));
    assert!(!state.unfinished);
}

#[test]
fn the_model_that_is_open_stays_until_it_is_closed() {
    let mut state = ready();
    state.apply(1, Event::ModelReady(model(true, false)));
    let open = Command::OpenModel { source: ModelSource::Attached };
    let no = || Event::Trouble(Trouble { kind: TroubleKind::Refused, text: "no model".into() });
    state.begin(2, &open);
    state.apply(2, no());
    assert!(state.model.is_some() && state.kept_model.is_some());
    state.begin(3, &open);
    state.apply(3, Event::ModelProgress { bytes: 0, of: 0 });
    assert!(state.model.is_none() && state.kept_model.is_some());
    state.apply(3, Event::ModelProgress { bytes: 7, of: 9 });
    state.apply(3, no());
    assert!(state.model.is_none() && state.kept_model.is_none(), "another one's bytes lie there");
}

#[test]
fn an_adapter_of_another_model_waits_for_it() {
    let mut state = ready();
    let project = Project { unfinished: Some(MemoryProgress::default()), ..Project::default() };
    state.apply(1, Event::Ready { version: 1, project: Box::new(project) });
    state.apply(1, Event::Trained(trained(Check::Without)));
    state.data = Some(DataInfo::default());
    state.base.push(TokenView {
        text: "a".into(),
        end: false,
        lambda: 0.0,
        probabilities: [1.0; 3],
        candidates: Vec::new(),
    });
    state.apply(1, Event::ModelReady(model(false, false)));
    assert!(state.misfit() && !state.done(Step::Train) && !state.unfinished && state.base.is_empty());
    assert!(state.waits_for(Step::Report).is_some_and(|text| text.contains("another model")));
    assert_eq!((state.waits_for(Step::Train), state.waits_for(Step::Write)), (None, None));
    state.apply(1, Event::ModelReady(model(true, true)));
    assert!(!state.misfit() && state.done(Step::Train) && state.unfinished);
    assert_eq!(state.waits_for(Step::Report), None);
}
