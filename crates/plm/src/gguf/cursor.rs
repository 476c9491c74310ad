//! Reading little-endian values off the beginning of a file without believing a length.

use std::fmt::Display;

use crate::error::Error;

/// Longest key the format allows, in bytes.
const MAX_KEY: u64 = 65_535;

/// Why parsing ended early.
pub(super) enum Stop {
    /// The window ends before the header does: it must reach this byte at least.
    Short(u64),
    /// The file is not to be used.
    Bad(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Bad(error)
    }
}

/// A place in the window. `len` is the file's length, so that "the window is short" and "the file is
/// short" are told apart.
pub(super) struct Cursor<'a> {
    pub(super) name: &'a str,
    pub(super) window: &'a [u8],
    pub(super) len: u64,
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: u64, what: &dyn Display) -> Result<&'a [u8], Stop> {
        let start = self.at as u64;
        let have = self.len - start;
        if n > have {
            return Err(self.truncated(start, n, have, what));
        }
        let left = &self.window[self.at..];
        // A window is at most the file, so `n` beyond it is at most the file too.
        let Some(bytes) = usize::try_from(n).ok().and_then(|n| left.get(..n)) else {
            return Err(Stop::Short(start + n));
        };
        self.at += bytes.len();
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, what: &dyn Display) -> Result<[u8; N], Stop> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N as u64, what)?);
        Ok(bytes)
    }

    pub(super) fn u32(&mut self, what: &dyn Display) -> Result<u32, Stop> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &dyn Display) -> Result<u64, Stop> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A number of things of at least `least` bytes each that follow.
    pub(super) fn count(&mut self, least: u64, what: &dyn Display) -> Result<u64, Stop> {
        let count = self.u64(what)?;
        let have = self.len - self.at as u64;
        if count > have / least {
            return Err(self.truncated(self.at as u64, count.saturating_mul(least), have, what));
        }
        Ok(count)
    }

    pub(super) fn text(&mut self, what: &dyn Display) -> Result<&'a str, Stop> {
        let start = self.at;
        let n = self.u64(what)?;
        let bytes = self.take(n, what)?;
        std::str::from_utf8(bytes).map_err(|_| self.corrupt(start, what, "is not UTF-8 text"))
    }

    pub(super) fn key(&mut self) -> Result<String, Stop> {
        let start = self.at;
        let n = self.u64(&"a metadata key")?;
        if n == 0 || n > MAX_KEY {
            let why = format!("is {n} bytes long, not 1 to {MAX_KEY}");
            return Err(self.corrupt(start, &"a metadata key", &why));
        }
        let bytes = self.take(n, &"a metadata key")?;
        let key = std::str::from_utf8(bytes);
        key.map(str::to_owned).map_err(|_| self.corrupt(start, &"a metadata key", "is not UTF-8 text"))
    }

    pub(super) fn corrupt(&self, offset: usize, what: &dyn Display, why: &str) -> Stop {
        let (name, what, why) = (self.name.to_owned(), what.to_string(), why.to_owned());
        Stop::Bad(Error::Corrupt { name, what, offset: offset as u64, why })
    }

    pub(super) fn truncated(&self, offset: u64, need: u64, have: u64, what: &dyn Display) -> Stop {
        let (name, what) = (self.name.to_owned(), what.to_string());
        Stop::Bad(Error::Truncated { name, what, offset, need, have })
    }
}
