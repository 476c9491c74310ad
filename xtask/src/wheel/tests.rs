use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;
use crate::python::PIP;

const BODY: &[u8] = b"0123456789abcdef";

/// An index and its file server, which hangs up after eight bytes of a file asked for from its start. Gives
/// its address and every range that it is asked for; "" stands for the whole file.
fn server(ranges: bool) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (send, asked) = channel();
    thread::spawn(move || {
        let mut cut = true;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (path, range) = request(&stream);
            if path.ends_with("/simple/tiny/") {
                reply(&mut stream, "200 OK", b"<a href=\"../../files/tiny-1.whl#sha256=00\">tiny</a>", usize::MAX);
                continue;
            }
            assert_eq!(path, "/files/tiny-1.whl");
            let _ = send.send(range.clone());
            match range.strip_prefix("bytes=").and_then(|r| r.strip_suffix('-')) {
                Some(from) if ranges && from.parse() == Ok(BODY.len()) => {
                    reply(&mut stream, "416 Range Not Satisfiable", b"", 0);
                }
                Some(from) if ranges => {
                    reply(&mut stream, "206 Partial Content", &BODY[from.parse().unwrap()..], usize::MAX);
                }
                _ => reply(&mut stream, "200 OK", BODY, if std::mem::take(&mut cut) { 8 } else { usize::MAX }),
            }
        }
    });
    (address + "/simple", asked)
}

fn request(stream: &TcpStream) -> (String, String) {
    let lines: Vec<String> = BufReader::new(stream).lines().map(Result::unwrap).take_while(|l| !l.is_empty()).collect();
    let header = lines.iter().find_map(|l| l.strip_prefix("Range: ")).unwrap_or_default();
    (lines[0].split(' ').nth(1).unwrap().to_owned(), header.to_owned())
}

fn reply(stream: &mut TcpStream, status: &str, body: &[u8], most: usize) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body[..body.len().min(most)]).unwrap();
}

fn part(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("pema-wheel-{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

fn fetch_tiny(part: &Path, index: &str) -> Result<()> {
    fetch(&Python::with(PIP).unwrap(), "tiny", "tiny-1.whl", part, Some(index))
}

/// What is asked for, by ranges, of a server that knows them or not, so many times behind what lies there.
fn asked(name: &str, ranges: bool, begun: &[u8], times: usize) -> Vec<String> {
    let ((index, asked), part) = (server(ranges), part(name));
    std::fs::write(&part, begun).unwrap();
    for _ in 0..times {
        fetch_tiny(&part, &index).unwrap();
        assert_eq!(std::fs::read(&part).unwrap(), BODY);
    }
    let _ = std::fs::remove_file(&part);
    asked.try_iter().collect()
}

#[test]
fn a_connection_that_ends_is_taken_up_where_it_ended() {
    assert_eq!(asked("cut", true, b"", 1), ["", "bytes=8-"]);
}

#[test]
fn what_another_run_left_is_gone_on_with() {
    // The second time it is complete, but its owner was killed before he said so: nothing more is fetched.
    assert_eq!(asked("begun", true, &BODY[..5], 2), ["bytes=5-", "bytes=16-"]);
}

#[test]
fn a_server_without_ranges_sends_everything_again() {
    assert_eq!(asked("whole", false, b"", 1), ["", "bytes=8-"]);
}

#[test]
fn an_index_without_the_file_is_a_failure_that_writes_nothing() {
    let ((index, _asked), part) = (server(true), part("absent"));
    let python = Python::with(PIP).unwrap();
    assert!(fetch(&python, "tiny", "other-1.whl", &part, Some(&index)).is_err());
    assert!(!part.exists());
}
