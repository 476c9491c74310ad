//! An engine as a page has one, and what a page says to it.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Uint8Array};
use pema_protocol::{
    Command, DeviceChoice, Event, MixSettings, ModelInfo, ModelSource, Project, Schedule, TaskSettings, TrainInfo,
    TrainSettings, VERSION,
};
use web_sys::File;

use crate::control::Control;
use crate::engine::Engine;
use crate::fault::Result;
use crate::link::{Call, Link};
use crate::opfs::Folder;

pub(super) const TINY: &[u8] = include_bytes!("../../../../tests/fixtures/tiny.gguf");

/// An engine and what it said.
pub(super) struct Studio {
    pub(super) engine: Engine,
    pub(super) heard: Rc<RefCell<Vec<Event>>>,
}

impl Studio {
    /// As after loading the page.
    pub(super) async fn open() -> (Studio, Project) {
        let heard = Rc::new(RefCell::new(Vec::new()));
        let ear = heard.clone();
        let link = Link::new(move |_, event| ear.borrow_mut().push(event));
        let mut studio = Studio { engine: Engine::new(link, Rc::new(Control::default())), heard };
        let events = studio.say(Command::Hello { version: VERSION }).await.unwrap();
        // Before it comes what the engine was loaded from.
        let Some(Event::Ready { project, .. }) = events.into_iter().last() else { panic!("no Ready") };
        studio.say(Command::OpenDevice { choice: DeviceChoice::Cpu }).await.unwrap();
        (studio, *project)
    }

    /// With nothing kept before, the tiny model and the example pairs.
    pub(super) async fn with_example() -> Studio {
        Folder::delete_all().await.ok();
        let (mut studio, _) = Studio::open().await;
        studio.open_tiny().await;
        studio.say(Command::OpenExample).await.unwrap();
        studio
    }

    pub(super) async fn say(&mut self, command: Command) -> Result<Vec<Event>> {
        self.say_with(command, None).await
    }

    pub(super) async fn say_with(&mut self, command: Command, file: Option<File>) -> Result<Vec<Event>> {
        self.heard.borrow_mut().clear();
        self.engine.handle(Call { id: 1, command, file }).await?;
        Ok(self.heard.take())
    }

    pub(super) async fn refusal(&mut self, command: Command) -> String {
        self.say(command).await.unwrap_err().0.text
    }

    pub(super) async fn open_tiny(&mut self) {
        assert_eq!(self.open_file("tiny.gguf", TINY).await.sha256.len(), 64);
    }

    pub(super) async fn open_file(&mut self, name: &str, bytes: &[u8]) -> ModelInfo {
        let file = file(name, bytes);
        let events = self.say_with(Command::OpenModel { source: ModelSource::Attached }, Some(file)).await.unwrap();
        let Some(Event::ModelReady(info)) = events.last() else { panic!("not open: {:?}", events.last()) };
        info.clone()
    }

    pub(super) async fn train(&mut self) -> (TrainInfo, Vec<Event>) {
        let events = self.say(Command::Train { settings: settings(), restart: false }).await.unwrap();
        let Some(Event::Trained(info)) = events.last() else { panic!("not trained: {:?}", events.last()) };
        (info.clone(), events)
    }
}

pub(super) fn file(name: &str, bytes: &[u8]) -> File {
    File::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes)), name).unwrap()
}

pub(super) fn settings() -> TrainSettings {
    let task = TaskSettings { template: "formality".into(), shots: 1 };
    TrainSettings { task, limit: Some(40), held_out: Some(12), rank: Some(8), steps: Some(6), ..Default::default() }
}

pub(super) fn mix() -> MixSettings {
    MixSettings { lambda_max: Some(0.9), schedule: Some(Schedule::Constant) }
}

/// Says stop or cancel when an event is heard.
pub(super) fn interrupt(studio: &mut Studio, at: impl Fn(&Event) -> bool + 'static, say: fn(&Control)) {
    let (control, ear) = (Rc::new(Control::default()), studio.heard.clone());
    let told = control.clone();
    studio.engine.link = Link::new(move |_, event| {
        if at(&event) {
            say(&told);
        }
        ear.borrow_mut().push(event);
    });
    studio.engine.control = control;
}

pub(super) fn checks(event: &Event) -> bool {
    matches!(event, Event::CheckProgress(c) if c.way.is_some())
}
