//! Everything that can go wrong, in words for the user.

use pema_protocol::{Trouble, TroubleKind};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::DomException;

use crate::data::explain;

pub(crate) type Result<T> = std::result::Result<T, Fault>;

/// An error on its way to the page.
#[derive(Debug)]
pub(crate) struct Fault(pub(crate) Trouble);

impl Fault {
    pub(crate) fn new(kind: TroubleKind, text: impl Into<String>) -> Fault {
        Fault(Trouble { kind, text: text.into() })
    }

    pub(crate) fn refused(text: impl Into<String>) -> Fault {
        Fault::new(TroubleKind::Refused, text)
    }

    /// What the browser said while doing `what` (a verb and its object).
    pub(crate) fn browser(what: &str, value: &JsValue) -> Fault {
        let (name, said) = described(value);
        match name.as_str() {
            "QuotaExceededError" => Fault::new(
                TroubleKind::NoRoom,
                format!(
                    "there is no room left on this device to {what}; free some space and try again, what was written is kept"
                ),
            ),
            "NoModificationAllowedError" => Fault::new(
                TroubleKind::OtherTab,
                "this project is open in another tab; go on there, or close it and load this page again",
            ),
            _ => Fault::refused(format!("the browser could not {what}: {said}")),
        }
    }
}

/// Name and text of what JavaScript threw.
pub(crate) fn described(value: &JsValue) -> (String, String) {
    if let Some(e) = value.dyn_ref::<DomException>() {
        return (e.name(), e.message());
    }
    if let Some(e) = value.dyn_ref::<js_sys::Error>() {
        return (String::from(e.name()), String::from(e.message()));
    }
    (String::new(), value.as_string().unwrap_or_else(|| format!("{value:?}")))
}

impl From<pema::Error> for Fault {
    fn from(error: pema::Error) -> Fault {
        if let pema::Error::Device(error) | pema::Error::Plm(pema_plm::Error::Device(error)) = error {
            return error.into();
        }
        let full = matches!(&error, pema::Error::File { cause, .. } if cause.kind() == std::io::ErrorKind::StorageFull);
        Fault::new(if full { TroubleKind::NoRoom } else { TroubleKind::Refused }, explain(&error))
    }
}

impl From<pema_plm::Error> for Fault {
    fn from(error: pema_plm::Error) -> Fault {
        match error {
            pema_plm::Error::Device(error) => error.into(),
            error => Fault::refused(error.to_string()),
        }
    }
}

impl From<pema_device::Error> for Fault {
    /// In the words of a page: what the library advises is for a command line.
    fn from(error: pema_device::Error) -> Fault {
        use pema_device::Error as E;
        let choose = "choose the processor under Device";
        match &error {
            E::NoAdapter { .. } => Fault::refused(format!("this browser offers no GPU; {choose}")),
            E::Refused { adapter, why } => Fault::refused(format!(
                "the GPU {adapter} cannot be used: {why}; close other programs that use it, or {choose}"
            )),
            E::TooLarge { label, bytes, limit, device } => Fault::refused(format!(
                "{label} needs {bytes} bytes at once, but {device} gives at most {limit}; open a smaller model, or {choose}"
            )),
            // It stays failed, so a new engine with a new device is needed.
            E::Failed { device, why } => Fault::new(
                TroubleKind::Dead,
                format!("the device {device} failed: {why}; what was saved is kept. Should it fail again, {choose}"),
            ),
            _ => Fault::refused(error.to_string()),
        }
    }
}
