//! A small static server for this machine: the studio's files, with byte ranges for models.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result};

/// What is served.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) folder: PathBuf,
    /// Path in front of every address, `/` or `/somewhere/`.
    pub(crate) prefix: String,
    /// Files that lie elsewhere: address behind the prefix, and path.
    pub(crate) beside: Vec<(String, PathBuf)>,
}

/// Listens on the loopback address at `port`, or at the next free one.
pub(crate) fn listen(port: u16) -> Result<TcpListener> {
    (port..=port.saturating_add(20))
        .find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok())
        .with_context(|| format!("no port between {port} and {} is free; name another with --port", port + 20))
}

/// Answers for ever.
pub(crate) fn serve(listener: &TcpListener, site: Site) {
    let site = Arc::new(site);
    for stream in listener.incoming().flatten() {
        let site = site.clone();
        // A broken connection is the other side's affair.
        std::thread::spawn(move || answer(stream, &site).ok());
    }
}

struct Asked {
    method: String,
    path: String,
    range: Option<String>,
    /// The file that `range` is of.
    if_range: Option<String>,
    host: String,
}

fn answer(stream: TcpStream, site: &Site) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    while let Some(asked) = read(&mut reader)? {
        let local =
            matches!(asked.host.rsplit_once(':').map_or(asked.host.as_str(), |h| h.0), "127.0.0.1" | "localhost");
        let found = site.find(&asked.path).filter(|path| path.is_file());
        match (local, asked.method.as_str(), found) {
            // Another name for this machine is somebody's trick.
            (false, ..) => short(&mut stream, "403 Forbidden")?,
            (_, "GET" | "HEAD", Some(path)) => file(&mut stream, &asked, &path)?,
            (_, "GET" | "HEAD", None) => short(&mut stream, "404 Not Found")?,
            _ => short(&mut stream, "405 Method Not Allowed")?,
        }
    }
    Ok(())
}

fn read(reader: &mut impl BufRead) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if reader.take(8192).read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut asked = Asked { method, path, range: None, if_range: None, host: String::new() };
    loop {
        let mut line = String::new();
        if reader.take(8192).read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(Some(asked));
        }
        match line.trim().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("range") => asked.range = Some(value.trim().to_owned()),
            Some((name, value)) if name.eq_ignore_ascii_case("if-range") => {
                asked.if_range = Some(value.trim().to_owned())
            }
            Some((name, value)) if name.eq_ignore_ascii_case("host") => asked.host = value.trim().to_owned(),
            _ => {}
        }
    }
}

impl Site {
    fn find(&self, address: &str) -> Option<PathBuf> {
        let path = address.split(['?', '#']).next()?.strip_prefix(&self.prefix)?;
        if let Some((_, file)) = self.beside.iter().find(|b| b.0 == path) {
            return Some(file.clone());
        }
        // No file of the studio has a name that needs escaping, so nothing is unescaped.
        let path = Path::new(path);
        if !path.components().all(|c| matches!(c, Component::Normal(_))) {
            return None;
        }
        let found = self.folder.join(path);
        Some(if found.is_dir() { found.join("index.html") } else { found })
    }
}

fn file(stream: &mut TcpStream, asked: &Asked, path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let meta = file.metadata()?;
    let (size, tag) = (meta.len(), tag(&meta)?);
    // A part of another file than the one that is there now would be of no use.
    let wanted = asked.range.as_deref().filter(|_| asked.if_range.as_ref().is_none_or(|of| *of == tag));
    let (status, first, end) = match wanted.map(|r| range(r, size)) {
        None => ("200 OK", 0, size),
        Some(Some((first, end))) => ("206 Partial Content", first, end),
        Some(None) => {
            let none = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n";
            return write!(stream, "{none}Content-Range: bytes */{size}\r\n\r\n");
        }
    };
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Type: {}\r\nContent-Length: {}\r\n", media(path), end - first);
    if status.starts_with("206") {
        head += &format!("Content-Range: bytes {first}-{}/{size}\r\n", end - 1);
    }
    head += &format!("ETag: {tag}\r\n");
    head += "Accept-Ranges: bytes\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n\
             Referrer-Policy: no-referrer\r\nCross-Origin-Opener-Policy: same-origin\r\n\
             Cross-Origin-Embedder-Policy: require-corp\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    if asked.method == "GET" {
        file.seek(SeekFrom::Start(first))?;
        io::copy(&mut file.take(end - first), stream)?;
    }
    Ok(())
}

fn short(stream: &mut TcpStream, status: &str) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{status}", status.len())
}

/// The entity tag of a file: another one when it is written anew.
fn tag(meta: &Metadata) -> io::Result<String> {
    let written = meta.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(format!("\"{:x}-{:x}\"", meta.len(), written.as_nanos()))
}

/// First byte and the one behind the last; `None` where nothing lies there.
fn range(text: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, end) = match (first.parse::<u64>().ok(), last.parse::<u64>().ok()) {
        (Some(first), Some(last)) => (first, size.min(last.checked_add(1)?)),
        (Some(first), None) if last.is_empty() => (first, size),
        (None, Some(last)) if first.is_empty() => (size.saturating_sub(last), size),
        _ => return None,
    };
    (first < end).then_some((first, end))
}

fn media(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Once;

    use super::*;

    fn ask(request: &str) -> String {
        static WRITTEN: Once = Once::new();
        let folder = std::env::temp_dir().join(format!("pema-serve-{}", std::process::id()));
        WRITTEN.call_once(|| {
            std::fs::create_dir_all(folder.join("site")).unwrap();
            std::fs::write(folder.join("site/index.html"), "0123456789").unwrap();
            std::fs::write(folder.join("secret"), "secret").unwrap();
        });
        let beside = vec![("models/m.gguf".to_owned(), folder.join("secret"))];
        let site = Site { folder: folder.join("site"), prefix: "/sub/".into(), beside };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let server = std::thread::spawn(move || answer(listener.accept().unwrap().0, &site).unwrap());
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        server.join().unwrap();
        said
    }

    fn get(path: &str, more: &str) -> String {
        ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost:1\r\n{more}\r\n"))
    }

    #[test]
    fn a_file_comes_whole_or_in_part() {
        assert!(get("/sub/", "").ends_with("\r\n\r\n0123456789"));
        let part = get("/sub/index.html", "Range: bytes=2-4\r\n");
        assert!(part.starts_with("HTTP/1.1 206") && part.contains("bytes 2-4/10") && part.ends_with("\r\n\r\n234"));
        assert!(get("/sub/index.html", "range: bytes=-3\r\n").ends_with("\r\n\r\n789"));
        assert!(get("/sub/index.html", "Range: bytes=10-\r\n").starts_with("HTTP/1.1 416"));
        assert!(get("/sub/models/m.gguf", "").ends_with("secret"));
        let head = ask("HEAD /sub/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        assert!(head.contains("Content-Length: 10") && head.ends_with("\r\n\r\n"));
    }

    #[test]
    fn a_part_is_of_the_file_it_was_asked_of() {
        let whole = get("/sub/index.html", "");
        let tag = whole.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
        let part = |of: &str| get("/sub/index.html", &format!("Range: bytes=5-\r\nIf-Range: {of}\r\n"));
        assert!(part(tag).starts_with("HTTP/1.1 206") && part(tag).ends_with("\r\n\r\n56789"));
        let other = part("\"another\"");
        assert!(other.starts_with("HTTP/1.1 200") && other.ends_with("\r\n\r\n0123456789"), "{other}");
    }

    #[test]
    fn nothing_outside_the_folder_and_nobody_elses_name() {
        for path in ["/sub/../secret", "/sub//secret", "/secret", "/sub/nothing", "", "/sub/%2e%2e/secret"] {
            assert!(get(path, "").starts_with("HTTP/1.1 404"), "{path}");
        }
        assert!(ask("GET /sub/ HTTP/1.1\r\nHost: evil.example\r\n\r\n").starts_with("HTTP/1.1 403"));
        assert!(ask("POST /sub/ HTTP/1.1\r\nHost: localhost\r\n\r\n").starts_with("HTTP/1.1 405"));
    }
}
