//! What every panel gets: the state to show and the way to say something.

use leptos::prelude::*;
use pema_protocol::{Command, Event, ModelSource, RequestId, Trouble, TroubleKind, VERSION};
use wasm_bindgen::JsCast;
use web_sys::{Blob, File, HtmlAnchorElement, Url};

use crate::engine::Engine;
use crate::settings::Settings;
use crate::state::{State, Step};

/// Shared by all panels; copies are the same studio.
#[derive(Clone, Copy)]
pub(crate) struct Studio {
    pub(crate) state: RwSignal<State>,
    pub(crate) settings: RwSignal<Settings>,
    /// The step that had the focus last.
    pub(crate) focused: StoredValue<Option<Step>>,
    /// An engine died over what the page had begun by itself, so that nothing is begun by itself any more.
    careful: StoredValue<bool>,
    engine: StoredValue<Option<Engine>, LocalStorage>,
}

impl Studio {
    /// Starts an engine.
    pub(crate) fn new() -> Studio {
        let studio = Studio {
            state: RwSignal::new(State::default()),
            settings: RwSignal::new(Settings::load()),
            focused: StoredValue::new(None),
            careful: StoredValue::new(false),
            engine: StoredValue::new_local(None),
        };
        Effect::new(move |_| studio.settings.with(Settings::save));
        studio.restart();
        studio
    }

    /// Starts another engine in place of a dead one; it takes up what is stored.
    pub(crate) fn restart(self) {
        let again = self.state.with_untracked(State::again);
        self.state.set(again);
        self.engine.set_value(None);
        match Engine::start(move |id, event| self.hear(id, event)) {
            Ok(engine) => self.engine.set_value(Some(engine)),
            Err(text) => self.hear(0, Event::Trouble(Trouble { kind: TroubleKind::Dead, text })),
        }
        self.say(Command::Hello { version: VERSION });
    }

    /// Says a command.
    pub(crate) fn say(self, command: Command) {
        self.say_with(command, None);
    }

    /// Says a command about a file.
    pub(crate) fn say_with(self, command: Command, file: Option<File>) {
        // Only a page may ask, and browsers listen best right after a click; the engine tells what came of it.
        if matches!(&command, Command::OpenData { .. } | Command::OpenExample)
            || matches!(&command, Command::OpenModel { source } if *source != ModelSource::Kept)
        {
            _ = web_sys::window().map(|window| window.navigator().storage().persist());
        }
        self.engine.with_value(|engine| {
            let Some(engine) = engine else { return };
            self.state.update(|s| s.begin(engine.next_id(), &command));
            engine.send(command, file);
        });
    }

    fn hear(self, id: RequestId, event: Event) {
        // What follows by itself.
        match &event {
            Event::Ready { .. } => {
                let choice = self.settings.with_untracked(|s| s.device);
                self.state.update(|s| s.apply(id, event));
                self.say(Command::OpenDevice { choice });
                self.say(Command::ListKept);
                return;
            }
            Event::DeviceReady(_) => {
                self.state.update(|s| s.apply(id, event));
                if self.state.with_untracked(|s| s.kept_model.is_some()) && !self.careful.get_value() {
                    self.say(Command::OpenModel { source: ModelSource::Kept });
                }
                return;
            }
            Event::Exported { name, media, bytes } => download(name, media, bytes),
            // One that never ran would not run the second time either.
            Event::Trouble(trouble) if trouble.kind == TroubleKind::Dead && self.state.with_untracked(|s| s.ready) => {
                if self.state.with_untracked(|s| s.busy(Step::Model) || s.busy(Step::Train)) {
                    self.careful.set_value(true);
                }
                let notice = format!("{}. The engine was started again.", trouble.text.trim_end_matches('.'));
                self.state.update(|s| s.notice = Some(notice));
                // Later: this is called from the engine that is thrown away.
                gloo::timers::callback::Timeout::new(500, move || self.restart()).forget();
            }
            _ => {}
        }
        let resumes = matches!(event, Event::ModelReady(_));
        let lists = matches!(
            event,
            Event::ModelReady(_) | Event::DataReady(_) | Event::Trained(_) | Event::Reported(_) | Event::Deleted
        );
        if matches!(event, Event::Deleted) {
            self.settings.set(Settings::default());
            // The button that was pressed is gone with all the rest.
            gloo::timers::callback::Timeout::new(100, || focus("kept")).forget();
        }
        // What the user wanted of another adapter is not what this one was found to need.
        if matches!(event, Event::Trained(_)) {
            self.settings.update(|s| (s.lambda_max, s.schedule) = (None, None));
        }
        self.state.update(|s| s.apply(id, event));
        if lists {
            self.say(Command::ListKept);
        }
        // A run that was cut off goes on by itself.
        if resumes && !self.careful.get_value() && self.state.with_untracked(|s| s.unfinished && s.data.is_some()) {
            self.train(false);
        }
    }

    /// Builds what is missing of the memory and trains; a run that was cut off goes on with what it was begun with.
    pub(crate) fn train(self, restart: bool) {
        let (suits, begun) = self.state.with_untracked(|s| (s.data.clone(), s.run.clone().filter(|_| s.unfinished)));
        let chosen = self.settings.with_untracked(|s| s.train(suits.as_ref()));
        let settings = begun.filter(|_| !restart).unwrap_or(chosen);
        self.say(Command::Train { settings, restart });
    }

    /// Part of the state that changes only when it does.
    pub(crate) fn see<T: Clone + PartialEq + Send + Sync + 'static>(
        self,
        part: impl Fn(&State) -> T + Send + Sync + 'static,
    ) -> Memo<T> {
        Memo::new(move |_| self.state.with(&part))
    }

    /// Whether a step is being worked on.
    pub(crate) fn busy(self, step: Step) -> Memo<bool> {
        self.see(move |s| s.busy(step))
    }
}

/// Focuses and shows a step.
pub(crate) fn go_to(step: Step) {
    focus(step.anchor());
}

fn focus(id: &str) {
    let place = web_sys::window().and_then(|w| w.document()).and_then(|d| d.get_element_by_id(id));
    if let Some(place) = place {
        place.scroll_into_view();
        if let Ok(place) = place.dyn_into::<web_sys::HtmlElement>() {
            place.focus().ok();
        }
    }
}

/// Every panel is below the app.
pub(crate) fn studio() -> Studio {
    expect_context::<Studio>()
}

/// Hands a file to the user.
fn download(name: &str, media: &str, bytes: &[u8]) {
    let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(bytes));
    let options = web_sys::BlobPropertyBag::new();
    options.set_type(media);
    let Ok(blob) = Blob::new_with_u8_array_sequence_and_options(&parts, &options) else { return };
    let Ok(url) = Url::create_object_url_with_blob(&blob) else { return };
    let anchor = web_sys::window().and_then(|w| w.document()).and_then(|d| d.create_element("a").ok());
    if let Some(anchor) = anchor.and_then(|a| a.dyn_into::<HtmlAnchorElement>().ok()) {
        anchor.set_href(&url);
        anchor.set_download(name);
        anchor.click();
    }
    // The browser has taken its own hold on the blob by then.
    gloo::timers::callback::Timeout::new(10_000, move || _ = Url::revoke_object_url(&url)).forget();
}
