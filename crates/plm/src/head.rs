//! The LM head: from context representations to logits. All that training needs of a model.

use std::sync::Arc;

use pema_device::{Buffer, Device, Weight};

use crate::Result;
use crate::model_file::ModelFile;
use crate::source::ByteSource;

/// `W_hd`, frozen, `[V, d]`. Cloning shares it.
#[derive(Debug, Clone)]
pub struct LmHead {
    weight: Arc<Weight>,
}

impl LmHead {
    /// Loads the head alone; the body stays in the file.
    pub async fn load<S: ByteSource>(file: &ModelFile<S>, device: &Device) -> Result<LmHead> {
        let name = file.head_tensor()?.name.clone();
        let weight = file.weight(device, &name, file.config.vocab, file.config.hidden).await?;
        Ok(LmHead { weight: Arc::new(weight) })
    }

    /// A head from values, `[vocab, hidden]`.
    pub fn from_f32(device: &Device, vocab: usize, hidden: usize, values: &[f32]) -> Result<LmHead> {
        Ok(LmHead { weight: Arc::new(Weight::from_f32(device, vocab, hidden, values)?) })
    }

    pub(crate) fn shared(weight: Arc<Weight>) -> LmHead {
        LmHead { weight }
    }

    /// d
    pub fn hidden(&self) -> usize {
        self.weight.cols()
    }

    /// V
    pub fn vocab(&self) -> usize {
        self.weight.rows()
    }

    /// The matrix, for products from its other side.
    pub fn weight(&self) -> &Weight {
        &self.weight
    }

    /// `out[m, V] = h[row.., d] W_hd^T` for `m` rows of `h`.
    pub fn logits(&self, device: &Device, h: &Buffer, row: usize, m: usize, out: &Buffer) -> Result<()> {
        Ok(device.linear(h, row, m, &self.weight, out)?)
    }
}
