//! The whole job inside a real browser's worker, with a tiny model: what a page would say, said here.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use std::rc::Rc;

use js_sys::Function;
use pema::{Evaluator, GenerateConfig, Method, enough_tokens};
use pema_protocol::{
    Check, Command, DataFile, Event, Export, ModelSource, Project, Side, TrainInfo, TroubleKind, VERSION,
};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

use self::studio::{Studio, checks, file, interrupt, mix, settings};
use crate::control::Control;
use crate::engine::Engine;
use crate::link::Link;
use crate::opfs::Folder;

mod models;
mod studio;

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen_test]
async fn a_training_that_was_cut_off_goes_on_in_the_middle() {
    let mut studio = Studio::with_example().await;
    let (whole, _) = studio.train().await;
    let export = Command::Export { what: Export::Adapter };
    let expected = studio.say(export.clone()).await.unwrap();

    // Again, with somebody who stops it after the third step.
    let third = |event: &Event| matches!(event, Event::TrainProgress(p) if p.step == 3);
    interrupt(&mut studio, third, |control| control.cancel.set(true));
    let train = Command::Train { settings: settings(), restart: false };
    assert!(studio.refusal(train).await.contains("goes on from there"));
    let kept = studio.say(Command::ListKept).await.unwrap();
    assert!(matches!(kept.last(), Some(Event::KeptList(k)) if k.files.len() == 4), "{kept:?}");
    drop(studio);

    let (mut studio, project) = Studio::open().await;
    assert!(project.unfinished.is_some() && project.trained.is_none());
    studio.say(Command::OpenModel { source: ModelSource::Kept }).await.unwrap();
    let (info, events) = studio.train().await;
    assert!(!events.iter().any(|e| matches!(e, Event::MemoryProgress(_))), "nothing is read again");
    // All steps are shown; those that were done before come at once.
    let without_time = |info: &TrainInfo| {
        let mut history = info.history.clone();
        history.iter_mut().for_each(|h| h.seconds_left = None);
        (history, info.steps, info.held_out)
    };
    assert_eq!(without_time(&info), without_time(&whole));
    assert_eq!(studio.say(export).await.unwrap(), expected, "another adapter");
    let kept = studio.say(Command::ListKept).await.unwrap();
    assert!(matches!(kept.last(), Some(Event::KeptList(k)) if k.files.len() == 3), "{kept:?}");
}

#[wasm_bindgen_test]
async fn a_check_that_was_cut_off_goes_on_and_one_that_is_skipped_leaves_the_choice_to_the_loss() {
    let mut studio = Studio::with_example().await;
    let (whole, _) = studio.train().await;
    let export = Command::Export { what: Export::Adapter };
    let expected = studio.say(export.clone()).await.unwrap();

    interrupt(&mut studio, checks, |control| control.cancel.set(true));
    let train = Command::Train { settings: settings(), restart: false };
    assert!(studio.refusal(train).await.contains("check was stopped"));
    drop(studio);
    let (mut studio, project) = Studio::open().await;
    assert!(project.unfinished.is_some() && project.trained.is_some_and(|t| t.check == Check::Pending));
    studio.say(Command::OpenModel { source: ModelSource::Kept }).await.unwrap();
    let (info, events) = studio.train().await;
    let again = |e: &Event| matches!(e, Event::MemoryProgress(_) | Event::TrainProgress(_));
    assert!(!events.iter().any(again), "nothing is read or learnt again");
    assert_eq!((info.way, &info.check), (whole.way, &whole.check));
    assert_eq!(studio.say(export).await.unwrap(), expected, "another adapter");

    interrupt(&mut studio, checks, |control| control.stop.set(true));
    let (info, events) = studio.train().await;
    assert_eq!(events.iter().filter(|e| checks(e)).count(), 1, "it stops at once");
    assert_eq!((info.check, info.way.adapted), (Check::Without, true));
}

#[wasm_bindgen_test]
async fn the_search_for_a_likelier_wording_is_stopped_midway() {
    let mut studio = Studio::with_example().await;
    // Without a check the versions are searched in any case.
    interrupt(&mut studio, checks, |control| control.stop.set(true));
    assert_eq!(studio.train().await.0.way.versions, 4);

    let write = Command::Write { input: "gonna be late".into(), mix: mix(), max_tokens: 60 };
    let searched = |events: &[Event]| events.iter().any(|e| matches!(e, Event::Searched { .. }));
    interrupt(&mut studio, |_| false, |_| {});
    assert!(searched(&studio.say(write.clone()).await.unwrap()), "it ends when nobody stops it");
    let control = Rc::new(Control::default());
    let (told, ear) = (control.clone(), studio.heard.clone());
    studio.engine.link = Link::new(move |_, event| {
        if matches!(event, Event::Searching) {
            // Some steps later, as a message from the page would come.
            let told = told.clone();
            spawn_local(async move {
                for _ in 0..4 {
                    told.listen().await;
                }
                told.cancel.set(true);
            });
        }
        ear.borrow_mut().push(event);
    });
    studio.engine.control = control;
    let events = studio.say(write).await.unwrap();
    assert!(!searched(&events) && matches!(events.last(), Some(Event::Wrote { adapted: Some(_), .. })), "{events:?}");
}

#[wasm_bindgen_test]
async fn the_report_lets_the_model_alone_search_as_the_adapter_does() {
    let mut studio = Studio::with_example().await;
    interrupt(&mut studio, checks, |control| control.stop.set(true));
    assert_eq!(studio.train().await.0.way.versions, 4);
    interrupt(&mut studio, |_| false, |_| {});
    let events = studio.say(Command::Evaluate { limit: 4 }).await.unwrap();
    let Some(Event::Reported(report)) = events.last() else { panic!("no report") };
    assert!(report.signature.contains("the best of 4 versions"), "{}", report.signature);
    let told: Vec<&str> = report.examples.iter().map(|e| e[1].as_str()).collect();

    let (plm, data) = (studio.engine.plm().unwrap(), studio.engine.data().unwrap());
    let (pairs, prompt) = (data.dataset(2, 0, 4), &studio.engine.adapter.as_ref().unwrap().meta.prompt);
    let evaluator = Evaluator::new(plm, &pairs, prompt, None, None).await.unwrap();
    let greedy = GenerateConfig::greedy(Method::Base, prompt, enough_tokens(plm, &pairs.examples).unwrap());
    let searched = GenerateConfig { beams: Some(4), ..greedy.clone() };
    assert_eq!(evaluator.texts(&searched, |_| {}).await.unwrap(), told);
    assert_ne!(evaluator.texts(&greedy, |_| {}).await.unwrap(), told, "both ways cannot be told apart");
}

/// From here on the store takes so many bytes more, then a part of a write and no other; `None` ends that.
fn leave_room(bytes: Option<f64>) {
    let limit = Function::new_with_args(
        "room",
        "const handle = FileSystemSyncAccessHandle.prototype;
         const whole = (globalThis.wholeWrite ??= handle.write);
         handle.write = room === undefined ? whole : function (bytes, options) {
           const part = Math.min(room, bytes.byteLength);
           room -= part;
           const written = whole.call(this, bytes.subarray(0, part), options);
           if (part === bytes.byteLength) return written;
           throw new DOMException('no room', 'QuotaExceededError');
         };",
    );
    limit.call1(&JsValue::UNDEFINED, &bytes.map_or(JsValue::UNDEFINED, JsValue::from)).unwrap();
}

#[wasm_bindgen_test]
async fn without_room_in_the_middle_of_a_build_what_was_read_stays() {
    let mut studio = Studio::with_example().await;
    let (whole, events) = studio.train().await;
    let read = |events: &[Event]| {
        let of = |e: &Event| if let Event::MemoryProgress(m) = e { Some(m.examples) } else { None };
        events.iter().filter_map(of).collect::<Vec<_>>()
    };
    let steps = read(&events);
    assert!(steps.len() >= 3, "{steps:?}");
    let export = Command::Export { what: Export::Adapter };
    let expected = studio.say(export.clone()).await.unwrap();
    let memory = studio.engine.kept().unwrap().folder.size("memory.log").await.unwrap();

    leave_room(Some(memory as f64 / 2.0));
    let fault = studio.say(Command::Train { settings: settings(), restart: true }).await.unwrap_err();
    leave_room(None);
    assert_eq!(fault.0.kind, TroubleKind::NoRoom);
    assert!(fault.0.text.contains("what was written before is kept"), "{}", fault.0.text);
    let written = read(&studio.heard.take());
    assert!(!written.is_empty() && written.len() < steps.len(), "{written:?} of {steps:?}");
    drop(studio);

    let (mut studio, project) = Studio::open().await;
    assert!(project.unfinished.is_some() && project.data.is_some() && project.model.is_some());
    studio.say(Command::OpenModel { source: ModelSource::Kept }).await.unwrap();
    let (info, events) = studio.train().await;
    assert_eq!(read(&events), steps[written.len()..], "only what is missing is read");
    assert_eq!((info.rows, info.held_out), (whole.rows, whole.held_out));
    assert_eq!(studio.say(export).await.unwrap(), expected, "another adapter");
}

#[wasm_bindgen_test]
async fn the_whole_journey_survives_reloads_and_ends_with_nothing_stored() {
    Folder::delete_all().await.ok();
    let (mut studio, project) = Studio::open().await;
    assert_eq!(project, Project::default());

    // Bad input is refused with its cause, and leaves everything usable.
    assert!(studio.refusal(Command::OpenModel { source: ModelSource::Kept }).await.contains("no model"));
    let wrong = file("notes.gguf", b"these are notes, not a model, and long enough to be read");
    let error = studio.say_with(Command::OpenModel { source: ModelSource::Attached }, Some(wrong)).await.unwrap_err();
    assert!(error.0.text.contains("notes.gguf") && error.0.text.contains("not a GGUF"), "{}", error.0.text);
    let bytes = b"input,target\na,b\n\"open,c\n".to_vec();
    let broken = Command::OpenData {
        files: vec![DataFile { name: "d.csv".into(), bytes }],
        input_field: None,
        target_field: None,
    };
    let text = studio.refusal(broken).await;
    assert!(text.contains("d.csv") && text.contains('3'), "{text}");

    studio.open_tiny().await;
    // A wrong file closes nothing.
    let wrong = file("notes.gguf", b"these are notes, not a model, and long enough to be read");
    studio.say_with(Command::OpenModel { source: ModelSource::Attached }, Some(wrong)).await.unwrap_err();
    assert!(studio.engine.plm().is_ok() && studio.engine.kept().unwrap().model.is_some());
    let events = studio.say(Command::OpenExample).await.unwrap();
    assert!(matches!(events.last(), Some(Event::DataReady(d)) if d.split == [370, 60, 60]));
    let task = settings().task;
    let events = studio.say(Command::PreviewPrompt { task, input: "hi there".into() }).await.unwrap();
    let Some(Event::PromptPreview { tokens, .. }) = events.last() else { panic!("no preview") };
    assert!(tokens.concat().contains("hi there"));

    let (info, events) = studio.train().await;
    assert_eq!((info.rank, info.steps[0], info.history.len()), (8, 6, 6));
    assert!(info.history.iter().all(|h| h.pd.is_finite() && h.rct.is_finite()));
    assert!(events.iter().any(|e| matches!(e, Event::MemoryProgress(m) if m.rows > 0)));
    let Check::Done(verdict) = &info.check else { panic!("not checked: {:?}", info.check) };
    assert_eq!((verdict.pairs, verdict.advice.is_empty()), (12, info.way.adapted));
    let tried = |adapted: bool| {
        events.iter().any(|e| matches!(e, Event::CheckProgress(c) if c.way.is_some_and(|w| w.adapted == adapted)))
    };
    assert!(tried(false) && tried(true), "both write");

    let write = Command::Write { input: "gonna be late".into(), mix: mix(), max_tokens: 8 };
    let events = studio.say(write.clone()).await.unwrap();
    let Some(Event::Wrote { base, adapted: Some(adapted) }) = events.last() else { panic!("nothing written") };
    let written = |side| events.iter().filter(|e| matches!(e, Event::Token { side: s, .. } if *s == side)).count();
    assert_eq!((written(Side::Base), written(Side::Adapted)), (base.tokens as usize, adapted.tokens as usize));
    // As many versions as the check chose.
    let searched = events.iter().find_map(|e| match e {
        Event::Searched { answer } => Some(answer.clone()),
        _ => None,
    });
    assert_eq!(searched.is_some(), info.way.versions > 1);
    assert!(searched.is_none_or(|a| a.tokens > 0 && a.tokens <= 8));
    let first = (base.clone(), adapted.clone());
    let events = studio.say(Command::WhyThisWord { token: 0 }).await.unwrap();
    let Some(Event::Neighbours { rows, .. }) = events.last() else { panic!("no neighbours") };
    assert!(rows.len() == 5 && rows.is_sorted_by(|a, b| a.distance <= b.distance), "{rows:?}");
    assert!(rows.iter().all(|r| !r.input.is_empty()));

    let events = studio.say(Command::Evaluate { limit: 4 }).await.unwrap();
    let Some(Event::Reported(report)) = events.last() else { panic!("no report") };
    assert_eq!(
        report.methods.iter().map(|m| m.method.as_str()).collect::<Vec<_>>(),
        ["base", "knn", "pema", "pema-gu"]
    );
    assert_eq!((report.pairs, report.examples.len()), (4, 4));
    let events = studio.say(Command::Export { what: Export::Adapter }).await.unwrap();
    let Some(Event::Exported { bytes: adapter, .. }) = events.last() else { panic!("no adapter") };
    let adapter = adapter.clone();
    for what in [Export::Memory, Export::Report] {
        let events = studio.say(Command::Export { what }).await.unwrap();
        assert!(matches!(events.last(), Some(Event::Exported { bytes, .. }) if bytes.len() > 100));
    }

    // A second tab while the first is open.
    let tab = Engine::new(Link::new(|_, _| {}), Rc::new(Control::default()));
    let mut tab = Studio { engine: tab, heard: Rc::default() };
    let error = tab.say(Command::Hello { version: VERSION }).await.unwrap_err();
    assert_eq!(error.0.kind, TroubleKind::OtherTab);

    // Reload: everything is there, and the same answers are written.
    drop(studio);
    let (mut studio, project) = Studio::open().await;
    assert_eq!(project.trained.as_ref(), Some(&info));
    assert!(project.report.is_some() && project.data.is_some() && project.model.is_some());
    studio.say(Command::OpenModel { source: ModelSource::Kept }).await.unwrap();
    let events = studio.say(write).await.unwrap();
    assert!(
        matches!(events.last(), Some(Event::Wrote { base, adapted: Some(a) }) if (base, a) == (&first.0, &first.1))
    );
    studio.say(Command::WhyThisWord { token: 1 }).await.unwrap();

    let events = studio.say(Command::ImportAdapter { name: "a.safetensors".into(), bytes: adapter }).await.unwrap();
    assert!(matches!(events.last(), Some(Event::Trained(t)) if t.rank == 8 && t.rows == 0));
    let refused = Command::ImportAdapter { name: "b.safetensors".into(), bytes: vec![1; 40] };
    assert!(studio.refusal(refused).await.contains("b.safetensors"));

    let events = studio.say(Command::ListKept).await.unwrap();
    assert!(matches!(events.last(), Some(Event::KeptList(k)) if k.files.len() == 3));
    studio.say(Command::DeleteAll).await.unwrap();
    let events = studio.say(Command::ListKept).await.unwrap();
    assert!(matches!(events.last(), Some(Event::KeptList(k)) if k.files.is_empty()), "{events:?}");
    drop(studio);
    assert_eq!(Studio::open().await.1, Project::default());
}
