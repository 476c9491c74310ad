//! A safetensors file, read by name and refused by name.

use std::borrow::Cow;

use pema_plm::Identity;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::Metadata;
use crate::{Error, Result};

/// A safetensors file whose `format` has been checked.
pub(super) struct File<'a> {
    pub(super) path: &'a str,
    pub(super) expected: &'static str,
    pub(super) tensors: SafeTensors<'a>,
    pub(super) metadata: Metadata,
}

impl<'a> File<'a> {
    pub(super) fn open(path: &'a str, bytes: &'a [u8], expected: &'static str, format: &str) -> Result<File<'a>> {
        let bad = |why: String| Error::BadFile { path: path.to_owned(), expected, why, advice: ADVICE };
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| bad(e.to_string()))?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| bad(e.to_string()))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let file = File { path, expected, tensors, metadata };
        let found = file.text("format")?;
        if found != format {
            return Err(file.bad(format!("its format is `{found}`, this program reads `{format}`")));
        }
        Ok(file)
    }

    pub(super) fn bad(&self, why: String) -> Error {
        Error::BadFile { path: self.path.to_owned(), expected: self.expected, why, advice: ADVICE }
    }

    pub(super) fn text(&self, key: &str) -> Result<String> {
        self.metadata.get(key).cloned().ok_or_else(|| self.bad(format!("its metadata has no `{key}`")))
    }

    pub(super) fn number<T: std::str::FromStr>(&self, key: &str) -> Result<T> {
        let text = self.text(key)?;
        text.parse().map_err(|_| self.bad(format!("`{key}` is `{text}`, not a number")))
    }

    pub(super) fn identity(&self) -> Result<Identity> {
        Ok(Identity {
            name: self.text("model")?,
            sha256: self.text("model_sha256")?,
            tokenizer_sha256: self.text("tokenizer_sha256")?,
            hidden_size: self.number("hidden_size")?,
            vocab_size: self.number("vocab_size")?,
        })
    }

    /// Refuses tensors that this program does not know: a damaged name would read as a missing column.
    pub(super) fn only(&self, names: &[&str]) -> Result<()> {
        match self.tensors.names().into_iter().find(|name| !names.contains(name)) {
            Some(name) => Err(self.bad(format!("it holds `{name}`, which this program does not know"))),
            None => Ok(()),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.names().contains(&name)
    }

    pub(super) fn tensor(&self, name: &str) -> Result<TensorView<'_>> {
        self.tensors.tensor(name).map_err(|_| self.bad(format!("it has no tensor `{name}`")))
    }

    pub(super) fn column(&self, name: &str, n: usize) -> Result<Vec<u32>> {
        let tensor = self.tensor(name)?;
        if tensor.dtype() != Dtype::U32 || tensor.shape() != [n] {
            return Err(self.bad(format!("`{name}` is {:?} {:?}, not U32 [{n}]", tensor.dtype(), tensor.shape())));
        }
        let bytes: Cow<'_, [u8]> = tensor.data().into();
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }
}

const ADVICE: &str = "choose another file, or make it again";
