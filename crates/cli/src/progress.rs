//! Progress on standard error: a bar on a terminal, a line now and then elsewhere, nothing with --json.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// One task.
pub struct Progress {
    bar: Option<ProgressBar>,
    plain: Option<Plain>,
}

struct Plain {
    title: String,
    of: u64,
    begun: Instant,
    spoken: Instant,
}

const EVERY: Duration = Duration::from_secs(10);

impl Progress {
    /// A task of `of` units.
    pub fn new(title: &str, of: usize, json: bool) -> Progress {
        if json {
            return Progress { bar: None, plain: None };
        }
        let of = of as u64;
        if !std::io::stderr().is_terminal() {
            let now = Instant::now();
            return Progress { bar: None, plain: Some(Plain { title: title.into(), of, begun: now, spoken: now }) };
        }
        let bar = ProgressBar::new(of);
        let style = ProgressStyle::with_template("{prefix:>16} {bar:28} {pos}/{len} {elapsed} left {eta}  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(title.to_owned());
        bar.enable_steady_tick(Duration::from_millis(500));
        Progress { bar: Some(bar), plain: None }
    }

    /// `done` units are done; `say` is a word about it.
    pub fn at(&mut self, done: usize, say: impl Fn() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
            bar.set_message(say());
        }
        if let Some(p) = &mut self.plain
            && p.spoken.elapsed() > EVERY
        {
            let elapsed = p.begun.elapsed().as_secs_f64();
            let left = elapsed / (done.max(1) as f64) * (p.of.saturating_sub(done as u64)) as f64;
            eprintln!("{:>16} {done}/{} {elapsed:.0} s, about {left:.0} s left  {}", p.title, p.of, say());
            p.spoken = Instant::now();
        }
    }

    /// The task is over; `say` stays on the screen.
    pub fn done(self, say: String) {
        if let Some(bar) = self.bar {
            let title = bar.prefix();
            bar.finish_and_clear();
            eprintln!("{title:>16} {say}");
        }
        if let Some(p) = self.plain {
            eprintln!("{:>16} {say}", p.title);
        }
    }
}
