//! The line to the page: messages in, events out.

use std::cell::RefCell;
use std::rc::Rc;

use futures_channel::mpsc;
use futures_util::StreamExt;
use js_sys::{Object, Reflect, Uint8Array};
use pema_protocol::{Command, Event, Message, RequestId, Trouble, TroubleKind, decode, encode};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, File, MessageEvent};

use crate::control::Control;
use crate::engine::Engine;

/// A command with the file that came with it.
pub(crate) struct Call {
    pub(crate) id: RequestId,
    pub(crate) command: Command,
    pub(crate) file: Option<File>,
}

/// Sends events; clones speak over the same line.
#[derive(Clone)]
pub(crate) struct Link(Rc<dyn Fn(RequestId, Event)>);

impl Link {
    /// A line to whoever `hears`.
    pub(crate) fn new(hears: impl Fn(RequestId, Event) + 'static) -> Link {
        Link(Rc::new(hears))
    }

    /// The line to the page.
    fn to_page(scope: DedicatedWorkerGlobalScope) -> Link {
        Link::new(move |id, event| {
            let Ok(bytes) = encode(&Message { id, body: event }) else { return };
            let message = Object::new();
            // Both fail only when the page is gone.
            Reflect::set(&message, &"bytes".into(), &Uint8Array::from(bytes.as_slice())).ok();
            scope.post_message(&message).ok();
        })
    }

    /// Says `event` about request `id`.
    pub(crate) fn send(&self, id: RequestId, event: Event) {
        (self.0)(id, event);
    }
}

/// Listens for ever.
pub(crate) fn start() {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let link = Link::to_page(scope.clone());
    report_panics(link.clone());
    let control = Rc::new(Control::default());
    let (send, mut receive) = mpsc::unbounded::<Call>();
    let (heard, heard_link) = (control.clone(), link.clone());
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| match read(&event.data()) {
        Ok(call) => {
            if let Some(call) = at_once(call, &heard, &heard_link) {
                send.unbounded_send(call).ok();
            }
        }
        Err(why) => heard_link.send(0, trouble(TroubleKind::Version, why)),
    });
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget(); // it lives as long as the worker
    wasm_bindgen_futures::spawn_local(async move {
        let mut engine = Engine::new(link.clone(), control);
        while let Some(call) = receive.next().await {
            let id = call.id;
            if let Err(fault) = engine.handle(call).await {
                link.send(id, Event::Trouble(fault.0));
            }
        }
    });
    // The page speaks first only after this: what is posted while a module loads may be lost.
    scope.post_message(&"loaded".into()).ok();
}

fn read(data: &JsValue) -> Result<Call, String> {
    let field = |name: &str| Reflect::get(data, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let bytes = field("bytes").dyn_into::<Uint8Array>().map_err(|_| "a message without bytes".to_owned())?;
    let message = decode::<Command>(&bytes.to_vec()).map_err(|e| e.to_string())?;
    Ok(Call { id: message.id, command: message.body, file: field("file").dyn_into::<File>().ok() })
}

/// Obeys what is meant for a running command; gives back what must wait its turn.
fn at_once(call: Call, control: &Control, link: &Link) -> Option<Call> {
    match &call.command {
        Command::Pause { paused } => {
            control.paused.set(*paused);
            link.send(call.id, Event::Paused { paused: *paused });
        }
        Command::StopAndKeep => control.stop.set(true),
        Command::Cancel => control.cancel.set(true),
        Command::SetMix { mix } => control.mix.set(Some(*mix)),
        _ => return Some(call),
    }
    None
}

fn trouble(kind: TroubleKind, text: String) -> Event {
    Event::Trouble(Trouble { kind, text })
}

/// A panic ends this instance; the page hears of it and starts another.
fn report_panics(link: Link) {
    thread_local!(static LINK: RefCell<Option<Link>> = const { RefCell::new(None) });
    LINK.with(|slot| *slot.borrow_mut() = Some(link));
    std::panic::set_hook(Box::new(|info| {
        let text = format!("the engine stopped on an internal error ({info}); what was saved is kept");
        LINK.with(|slot| {
            if let Ok(slot) = slot.try_borrow()
                && let Some(link) = slot.as_ref()
            {
                link.send(0, trouble(TroubleKind::Dead, text));
            }
        });
    }));
}
