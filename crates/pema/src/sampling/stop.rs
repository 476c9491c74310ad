//! Ending a generated text where the template says that it ends.

/// Cuts a text that arrives piece by piece at the first stop string.
///
/// Text that may be the beginning of a stop string is held back until it is
/// known not to be one, so nothing shown must ever be taken back. The result
/// does not depend on how the text is cut into pieces.
#[derive(Debug, Clone)]
pub struct StopStrings {
    stops: Vec<String>,
    held: String,
    stopped: bool,
}

impl StopStrings {
    /// Stops at any of `stops`; empty ones are ignored, no one at all means
    /// that nothing is ever held back.
    pub fn new<S: Into<String>>(stops: impl IntoIterator<Item = S>) -> Self {
        let stops = stops.into_iter().map(Into::into).filter(|stop: &String| !stop.is_empty());
        Self { stops: stops.collect(), held: String::new(), stopped: false }
    }

    /// Takes the next piece of decoded text and returns what may be shown.
    /// After a stop string everything further is dropped.
    pub fn push(&mut self, piece: &str) -> String {
        if self.stopped {
            return String::new();
        }
        self.held.push_str(piece);
        if let Some(cut) = self.first_stop() {
            self.stopped = true;
            self.held.truncate(cut);
            return std::mem::take(&mut self.held);
        }
        let keep = self.held.len() - self.hold_back();
        let rest = self.held.split_off(keep);
        std::mem::replace(&mut self.held, rest)
    }

    /// Whether a stop string was completed.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// The text still held back, once the model has ended without a stop string.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Start of the stop string that is completed first: letter by letter it
    /// would have ended the text before any other could.
    fn first_stop(&self) -> Option<usize> {
        let found = self.stops.iter().filter_map(|stop| {
            let start = self.held.find(stop.as_str())?;
            Some((start + stop.len(), start))
        });
        found.min().map(|(_, start)| start)
    }

    /// Bytes at the end of the held text that may begin a stop string.
    fn hold_back(&self) -> usize {
        let mut starts = self.held.char_indices().map(|(start, _)| start);
        let begins = |start: &usize| self.stops.iter().any(|stop| stop.starts_with(&self.held[*start..]));
        starts.find(begins).map_or(0, |start| self.held.len() - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_string_is_found_however_the_text_arrives() {
        let text = "Grüße aus Köln.<<end> of<end>never";
        for size in 1..8 {
            let mut stops = StopStrings::new(["<end>n", "<end> x"]);
            let chars: Vec<char> = text.chars().collect();
            let mut shown = String::new();
            for piece in chars.chunks(size) {
                shown += &stops.push(&piece.iter().collect::<String>());
                assert!(!shown.contains("<end>n"));
            }
            assert!(stops.stopped());
            assert_eq!(shown + &stops.finish(), "Grüße aus Köln.<<end> of");
        }
    }

    #[test]
    fn the_stop_completed_first_wins_in_one_piece_too() {
        for pieces in [vec!["abcd"], vec!["a", "b", "c", "d"]] {
            let mut stops = StopStrings::new(["abcd", "bc"]);
            let shown: String = pieces.iter().map(|piece| stops.push(piece)).collect();
            assert_eq!((shown.as_str(), stops.stopped()), ("a", true));
        }
    }

    #[test]
    fn held_text_comes_out_at_the_end() {
        let mut stops = StopStrings::new(["\n\n", ""]);
        assert_eq!(stops.push("one\n"), "one");
        assert_eq!(stops.push("two\n"), "\ntwo");
        assert_eq!((stops.finish().as_str(), stops.stopped()), ("\n", false));
        assert_eq!(StopStrings::new(Vec::<String>::new()).push("all\n"), "all\n");
    }
}
