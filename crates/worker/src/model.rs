//! Getting a model into the store: fetched in ranges, or copied from an opened file.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use gloo_timers::future::sleep;
use js_sys::{Reflect, Uint8Array};
use pema::log::Storage;
use pema_plm::source::{ByteSource, check_range};
use pema_protocol::{Event, RequestId};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, File, ReadableStreamDefaultReader, Request, RequestInit, Response};

use crate::control::Control;
use crate::fault::{Fault, Result, described};
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

/// A model on its way from a site, going on behind what is there already.
pub(crate) struct Fetch {
    /// What tells the site's file from another one in its place.
    pub(crate) validator: Option<String>,
    url: String,
    response: Response,
    /// Where the first byte goes.
    from: u64,
    /// Bytes in all; 0 when not known.
    of: u64,
    /// Nothing is missing.
    complete: bool,
}

impl Fetch {
    /// Asks for `url`. With the `validator` of an earlier fetch it goes on behind what that left in `into`, unless the
    /// site now has another file.
    pub(crate) async fn begin(
        control: &Control,
        url: &str,
        into: &OpfsFile,
        validator: Option<String>,
    ) -> Result<Fetch> {
        let have = if validator.is_some() { into.len()? } else { 0 };
        let response = request(control, url, have, validator.as_deref()).await?;
        // Some sites answer with a page to whatever they do not have.
        if header(&response, "content-type").is_some_and(|t| t.starts_with("text/html")) {
            return Err(missing(url, "answered with a page in place of a model"));
        }
        let (from, of, complete) = match (response.status(), range(&response)) {
            (206, Some((first, of))) if first == have => (have, of, false),
            // Nothing lies behind what is there, and it is as long as the site says.
            (416, Some((_, of))) if have > 0 && of == have => (have, of, true),
            // Not what was asked for: anew, from the first byte.
            (206 | 416, _) if have > 0 => return Box::pin(Fetch::begin(control, url, into, None)).await,
            (200, _) => (0, header(&response, "content-length").and_then(|l| l.parse().ok()).unwrap_or(0), false),
            (status, _) => return Err(missing(url, &format!("answered with {status}"))),
        };
        // A weak tag says that two files are of the same use, not that they are the same bytes.
        let tag = header(&response, "etag").filter(|tag| !tag.starts_with("W/"));
        let validator = tag.or_else(|| header(&response, "last-modified")).or(validator);
        Ok(Fetch { validator, url: url.to_owned(), response, from, of, complete })
    }

    /// Takes everything in. What has arrived stays when it is stopped or cut off.
    pub(crate) async fn finish(self, link: &Link, id: RequestId, control: &Control, into: &mut OpfsFile) -> Result<()> {
        if self.complete {
            return Ok(());
        }
        into.truncate(self.from)?;
        let mut bytes = self.from;
        let result = self.take(link, id, control, into, &mut bytes).await;
        // The ledger counts what was cut off, too.
        link.send(0, Event::Fetched { url: self.url.clone(), bytes: bytes - self.from });
        result
    }

    async fn take(
        &self,
        link: &Link,
        id: RequestId,
        control: &Control,
        into: &mut OpfsFile,
        bytes: &mut u64,
    ) -> Result<()> {
        let (url, of) = (&self.url, self.of);
        let Some(body) = self.response.body() else { return Err(Fault::refused(format!("{url} sent nothing"))) };
        let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
        let mut said = *bytes;
        link.send(id, Event::ModelProgress { bytes: *bytes, of });
        loop {
            let Some(part) = unless_cancelled(control, JsFuture::from(reader.read())).await else {
                _ = reader.cancel();
                into.flush()?;
                return Err(stopped());
            };
            let part = part.map_err(|_| {
                Fault::refused(format!(
                    "the connection broke after {bytes} bytes; start again and it goes on from there"
                ))
            })?;
            let get = |name: &str| Reflect::get(&part, &name.into()).unwrap_or(JsValue::UNDEFINED);
            if get("done").is_truthy() {
                break;
            }
            let chunk: Uint8Array = get("value").unchecked_into();
            into.write(*bytes, &chunk.to_vec())?;
            *bytes += u64::from(chunk.length());
            if *bytes - said >= SAY_EVERY {
                said = *bytes;
                link.send(id, Event::ModelProgress { bytes: *bytes, of });
            }
        }
        into.flush()?;
        link.send(id, Event::ModelProgress { bytes: *bytes, of });
        if of > 0 && *bytes < of {
            return Err(Fault::refused(format!(
                "{url} ended after {bytes} of {of} bytes; start again and it goes on from there"
            )));
        }
        Ok(())
    }
}

/// What a promise gives; `None` when somebody says stop before that, because a site may never answer.
async fn unless_cancelled<T>(control: &Control, promise: impl Future<Output = T>) -> Option<T> {
    let cancelled = async {
        while !control.cancel.get() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    match select(pin!(promise), pin!(cancelled)).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}

fn stopped() -> Fault {
    Fault::refused("fetching the model was stopped; start again and it goes on from there")
}

fn missing(url: &str, what: &str) -> Fault {
    Fault::refused(format!(
        "{url} {what}; choose a model file of your own (ending in .gguf) instead, or ask whoever runs this site to put the model there"
    ))
}

async fn request(control: &Control, url: &str, from: u64, validator: Option<&str>) -> Result<Response> {
    let what = format!("fetch {url}");
    let failed = |e: JsValue| Fault::browser(&what, &e);
    let request = Request::new_with_str_and_init(url, &RequestInit::new()).map_err(failed)?;
    if let Some(validator) = validator.filter(|_| from > 0) {
        request.headers().set("range", &format!("bytes={from}-")).map_err(failed)?;
        // Of another file the whole comes, from its beginning.
        request.headers().set("if-range", validator).map_err(failed)?;
    }
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let answer = unless_cancelled(control, JsFuture::from(scope.fetch_with_request(&request))).await;
    Ok(answer.ok_or_else(stopped)?.map_err(failed)?.unchecked_into())
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).ok().flatten()
}

/// The first byte and the whole size in `content-range: bytes 5-9/10`, and in `bytes */10`, where nothing is sent.
fn range(response: &Response) -> Option<(u64, u64)> {
    let text = header(response, "content-range")?;
    let (sent, whole) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let first = sent.split('-').next().and_then(|first| first.parse().ok()).unwrap_or(0);
    Some((first, whole.parse().unwrap_or(0)))
}

/// An opened file, read in ranges before it is copied.
pub(crate) struct FileBytes<'a>(pub(crate) &'a File, pub(crate) String);

impl ByteSource for FileBytes<'_> {
    fn name(&self) -> &str {
        &self.1
    }

    fn len(&self) -> u64 {
        self.0.size() as u64
    }

    async fn read(&self, offset: u64, buf: &mut [u8]) -> pema_plm::Result<()> {
        check_range(self, offset, buf.len())?;
        let failed =
            |e: JsValue| pema_plm::Error::Io { name: self.1.clone(), cause: std::io::Error::other(described(&e).1) };
        let end = offset + buf.len() as u64;
        let part = self.0.slice_with_f64_and_f64(offset as f64, end as f64).map_err(failed)?;
        let bytes = Uint8Array::new(&JsFuture::from(part.array_buffer()).await.map_err(failed)?);
        if bytes.length() as usize != buf.len() {
            return Err(failed("it is shorter than it was".into()));
        }
        bytes.copy_to(buf);
        Ok(())
    }
}
