//! Getting a model into the store: fetched in ranges, or copied from an opened file.

use js_sys::{Reflect, Uint8Array};
use pema::log::Storage;
use pema_protocol::{Event, RequestId};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, File, ReadableStreamDefaultReader, Request, RequestInit, Response};

use crate::control::Control;
use crate::fault::{Fault, Result};
use crate::link::Link;
use crate::opfs::OpfsFile;

/// Bytes copied at once.
const PIECE: u64 = 4 << 20;
/// Bytes between two words to the page.
const SAY_EVERY: u64 = 1 << 20;

/// Copies an opened file into `into`.
pub(crate) async fn copy(
    link: &Link,
    id: RequestId,
    control: &Control,
    file: &File,
    into: &mut OpfsFile,
) -> Result<()> {
    let of = file.size() as u64;
    into.truncate(0)?;
    let mut bytes = 0;
    while bytes < of {
        let end = (bytes + PIECE).min(of);
        let what = format!("read {}", file.name());
        let part = file.slice_with_f64_and_f64(bytes as f64, end as f64).map_err(|e| Fault::browser(&what, &e))?;
        let buffer = JsFuture::from(part.array_buffer()).await.map_err(|e| Fault::browser(&what, &e))?;
        into.write(bytes, &Uint8Array::new(&buffer).to_vec())?;
        bytes = end;
        link.send(id, Event::ModelProgress { bytes, of });
        control.breathe().await;
        if control.cancel.get() {
            return Err(Fault::refused("opening the model was stopped"));
        }
    }
    Ok(into.flush()?)
}

/// Fetches `url` into `into`, going on behind what is there already.
pub(crate) async fn fetch(link: &Link, id: RequestId, control: &Control, url: &str, into: &mut OpfsFile) -> Result<()> {
    let have = into.len()?;
    let response = request(url, have).await?;
    // Some sites answer with a page to whatever they do not have.
    if header(&response, "content-type").is_some_and(|t| t.starts_with("text/html")) {
        return Err(missing(url, "answered with a page in place of a model"));
    }
    let (mut bytes, of) = match response.status() {
        206 => (have, range_size(&response).unwrap_or(0)),
        // Nothing lies behind what is there: it is complete.
        416 if have > 0 => return Ok(()),
        200 => {
            into.truncate(0)?;
            (0, header(&response, "content-length").and_then(|l| l.parse().ok()).unwrap_or(0))
        }
        status => return Err(missing(url, &format!("answered with {status}"))),
    };
    let Some(body) = response.body() else { return Err(Fault::refused(format!("{url} sent nothing"))) };
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    let (begun, mut said) = (bytes, bytes);
    loop {
        let part = JsFuture::from(reader.read()).await;
        let part = part.map_err(|_| {
            Fault::refused(format!("the connection broke after {bytes} bytes; start again and it goes on from there"))
        })?;
        let get = |name: &str| Reflect::get(&part, &name.into()).unwrap_or(JsValue::UNDEFINED);
        if get("done").is_truthy() {
            break;
        }
        let chunk: Uint8Array = get("value").unchecked_into();
        into.write(bytes, &chunk.to_vec())?;
        bytes += u64::from(chunk.length());
        if bytes - said >= SAY_EVERY {
            said = bytes;
            link.send(id, Event::ModelProgress { bytes, of });
            if control.cancel.get() {
                return Err(Fault::refused("fetching the model was stopped; start again and it goes on from there"));
            }
        }
    }
    into.flush()?;
    link.send(id, Event::ModelProgress { bytes, of });
    link.send(0, Event::Fetched { url: url.to_owned(), bytes: bytes - begun });
    if of > 0 && bytes < of {
        return Err(Fault::refused(format!(
            "{url} ended after {bytes} of {of} bytes; start again and it goes on from there"
        )));
    }
    Ok(())
}

fn missing(url: &str, what: &str) -> Fault {
    Fault::refused(format!(
        "{url} {what}; choose a model file of your own (ending in .gguf) instead, or ask whoever runs this site to put the model there"
    ))
}

async fn request(url: &str, from: u64) -> Result<Response> {
    let what = format!("fetch {url}");
    let failed = |e: JsValue| Fault::browser(&what, &e);
    let request = Request::new_with_str_and_init(url, &RequestInit::new()).map_err(failed)?;
    if from > 0 {
        request.headers().set("range", &format!("bytes={from}-")).map_err(failed)?;
    }
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let response = JsFuture::from(scope.fetch_with_request(&request)).await.map_err(failed)?;
    Ok(response.unchecked_into())
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).ok().flatten()
}

/// The whole size in `content-range: bytes 5-9/10`.
fn range_size(response: &Response) -> Option<u64> {
    header(response, "content-range")?.rsplit('/').next()?.parse().ok()
}
