//! The key-value pairs of a GGUF header, asked for by type.

use std::collections::BTreeMap;

use super::value::{Number, Value};
use crate::error::{Error, Result};

/// The metadata of one file. Getters accept any stored number type whose value fits, because
/// converters disagree on widths.
#[derive(Debug, Clone)]
pub struct Metadata {
    name: String,
    values: BTreeMap<String, Value>,
}

impl Metadata {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), values: BTreeMap::new() }
    }

    /// Adds a pair and says whether the key was there before.
    pub(super) fn insert(&mut self, key: String, value: Value) -> bool {
        self.values.insert(key, value).is_some()
    }

    /// What messages call the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every key, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Whether the file has `key`.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// `get(self, key)`, or `None` where the file has no such key: `meta.optional(key, Metadata::u32)`.
    ///
    /// # Errors
    /// Those of `get` other than [`Error::MissingKey`].
    pub fn optional<'a, T>(&'a self, key: &str, get: impl FnOnce(&'a Self, &str) -> Result<T>) -> Result<Option<T>> {
        if self.has(key) { get(self, key).map(Some) } else { Ok(None) }
    }

    /// A string.
    ///
    /// # Errors
    /// [`Error::MissingKey`], [`Error::WrongType`].
    pub fn str(&self, key: &str) -> Result<&str> {
        match self.get(key)? {
            Value::Text(text) => Ok(text),
            other => Err(self.wrong(key, "a string", other)),
        }
    }

    /// A whole number from 0 to 2^32 - 1.
    ///
    /// # Errors
    /// [`Error::MissingKey`], [`Error::WrongType`] also where the value does not fit.
    pub fn u32(&self, key: &str) -> Result<u32> {
        self.int(key, "a whole number of 32 bits")
    }

    /// A whole number from 0 to 2^64 - 1.
    ///
    /// # Errors
    /// [`Error::MissingKey`], [`Error::WrongType`] also where the value is negative.
    pub fn u64(&self, key: &str) -> Result<u64> {
        self.int(key, "a whole number of 64 bits")
    }

    /// A floating-point number, rounded where the file has one of 64 bits.
    ///
    /// # Errors
    /// [`Error::MissingKey`], [`Error::WrongType`].
    pub fn f32(&self, key: &str) -> Result<f32> {
        let value = self.get(key)?;
        match value.number() {
            Some(Number::Float(x)) => Ok(x as f32),
            _ => Err(self.wrong(key, "a floating-point number", value)),
        }
    }

    /// A truth value.
    ///
    /// # Errors
    /// [`Error::MissingKey`], [`Error::WrongType`].
    pub fn bool(&self, key: &str) -> Result<bool> {
        let value = self.get(key)?;
        match value.number() {
            Some(Number::Bool(x)) => Ok(x),
            _ => Err(self.wrong(key, "true or false", value)),
        }
    }

    /// An array of strings.
    ///
    /// # Errors
    /// [`Error::MissingKey`], [`Error::WrongType`].
    pub fn strings(&self, key: &str) -> Result<Vec<&str>> {
        let value = self.get(key)?;
        let Value::Texts { text, ends } = value else {
            return Err(self.wrong(key, "an array of strings", value));
        };
        let starts = std::iter::once(&0).chain(ends);
        Ok(starts.zip(ends).map(|(&from, &to)| &text[from as usize..to as usize]).collect())
    }

    /// An array of whole numbers from -2^31 to 2^31 - 1.
    ///
    /// # Errors
    /// [`Error::MissingKey`], [`Error::WrongType`] also where a value does not fit.
    pub fn i32s(&self, key: &str) -> Result<Vec<i32>> {
        self.array(key, "an array of whole numbers of 32 bits", |number| match number {
            Number::Int(x) => i32::try_from(x).ok(),
            _ => None,
        })
    }

    /// An array of floating-point numbers, rounded where the file has them in 64 bits.
    ///
    /// # Errors
    /// [`Error::MissingKey`], [`Error::WrongType`].
    pub fn f32s(&self, key: &str) -> Result<Vec<f32>> {
        self.array(key, "an array of floating-point numbers", |number| match number {
            Number::Float(x) => Some(x as f32),
            _ => None,
        })
    }

    fn get(&self, key: &str) -> Result<&Value> {
        self.values.get(key).ok_or_else(|| Error::MissingKey { name: self.name.clone(), key: key.to_owned() })
    }

    fn int<T: TryFrom<i128>>(&self, key: &str, expected: &'static str) -> Result<T> {
        let value = self.get(key)?;
        let fits = match value.number() {
            Some(Number::Int(x)) => T::try_from(x).ok(),
            _ => None,
        };
        fits.ok_or_else(|| self.wrong(key, expected, value))
    }

    fn array<T>(&self, key: &str, expected: &'static str, fit: impl Fn(Number) -> Option<T>) -> Result<Vec<T>> {
        let value = self.get(key)?;
        let all = match value {
            Value::Numbers { kind, bytes } => {
                bytes.chunks_exact(kind.size() as usize).map(|raw| fit(kind.decode(raw))).collect()
            }
            _ => None,
        };
        all.ok_or_else(|| self.wrong(key, expected, value))
    }

    fn wrong(&self, key: &str, expected: &'static str, found: &Value) -> Error {
        Error::WrongType { name: self.name.clone(), key: key.to_owned(), expected, found: found.describe() }
    }
}
