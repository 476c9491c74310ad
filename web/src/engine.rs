//! The one place that knows the worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Array, Object, Reflect, Uint8Array};
use pema_protocol::{Command, Event, Message, RequestId, Trouble, TroubleKind, decode, encode};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, BlobPropertyBag, File, MessageEvent, Url, Worker, WorkerOptions, WorkerType};

/// The line to an engine in its worker.
pub(crate) struct Engine {
    worker: Worker,
    next: Cell<RequestId>,
    /// Messages for a worker that has not loaded yet: it would lose them.
    waiting: Rc<RefCell<Option<Vec<JsValue>>>>,
    /// They live as long as the worker.
    _listeners: Vec<Closure<dyn FnMut(JsValue)>>,
}

impl Engine {
    /// Starts a worker; `hear` gets every event.
    ///
    /// It is started from a blob and not from its address, because only then the page's Content Security
    /// Policy binds it on every host.
    pub(crate) fn start(hear: impl Fn(RequestId, Event) + Clone + 'static) -> Result<Engine, String> {
        let worker = spawn().map_err(|e| format!("the engine cannot be started: {e:?}; load the page again"))?;
        let waiting = Rc::new(RefCell::new(Some(Vec::new())));
        let (queue, target, heard) = (waiting.clone(), worker.clone(), hear.clone());
        let on_message = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
            let data = event.unchecked_into::<MessageEvent>().data();
            if data.as_string().as_deref() == Some("loaded") {
                for message in queue.borrow_mut().take().into_iter().flatten() {
                    target.post_message(&message).ok();
                }
                return;
            }
            let bytes = Reflect::get(&data, &"bytes".into()).unwrap_or(JsValue::UNDEFINED);
            match bytes.dyn_into::<Uint8Array>().ok().map(|b| decode::<Event>(&b.to_vec())) {
                Some(Ok(message)) => heard(message.id, message.body),
                Some(Err(e)) => heard(0, trouble(TroubleKind::Version, e.to_string())),
                None => {}
            }
        });
        let on_error = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
            let said = Reflect::get(&event, &"message".into()).ok().and_then(|m| m.as_string()).unwrap_or_default();
            let text = format!("the engine stopped ({said}); start it again, what was saved is kept");
            hear(0, trouble(TroubleKind::Dead, text));
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        worker.set_onmessageerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Engine { worker, next: Cell::new(1), waiting, _listeners: vec![on_message, on_error] })
    }

    /// The id the next command will have.
    pub(crate) fn next_id(&self) -> RequestId {
        self.next.get()
    }

    /// Says a command, with the file it is about.
    pub(crate) fn send(&self, command: Command, file: Option<File>) {
        let id = self.next.replace(self.next.get() + 1);
        let Ok(bytes) = encode(&Message { id, body: command }) else { return };
        let message = Object::new();
        Reflect::set(&message, &"bytes".into(), &Uint8Array::from(bytes.as_slice())).ok();
        if let Some(file) = file {
            Reflect::set(&message, &"file".into(), &file).ok();
        }
        match self.waiting.borrow_mut().as_mut() {
            Some(waiting) => waiting.push(message.into()),
            None => _ = self.worker.post_message(&message).ok(),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}

fn trouble(kind: TroubleKind, text: String) -> Event {
    Event::Trouble(Trouble { kind, text })
}

fn spawn() -> Result<Worker, JsValue> {
    let script = format!("import '{}';", address("engine_loader.js"));
    let options = BlobPropertyBag::new();
    options.set_type("text/javascript");
    let blob = Blob::new_with_str_sequence_and_options(&Array::of1(&script.into()), &options)?;
    let url = Url::create_object_url_with_blob(&blob)?;
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    Worker::new_with_options(&url, &options)
}

/// Absolute address of a file that lies beside the page.
pub(crate) fn address(file: &str) -> String {
    let base = web_sys::window().and_then(|w| w.document()).and_then(|d| d.base_uri().ok().flatten());
    let base = base.unwrap_or_default();
    let folder = base.rfind('/').map_or("", |i| &base[..=i]);
    format!("{folder}{file}")
}
