//! One matrix that is learnt: on the device with its gradient and Adam's moments, and as it is kept.

use pema_device::{Buffer, Device};
use pema_kernels::{adam, axpby};
use serde::{Deserialize, Serialize};

use super::network::Rate;
use crate::Result;

/// A matrix on the device.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) value: Buffer,
    pub(super) gradient: Buffer,
    first: Buffer,
    second: Buffer,
    updates: u32,
}

impl Parameter {
    pub(super) fn new(device: &Device, value: &[f32]) -> Result<Parameter> {
        let zeros = || {
            let buffer = device.alloc(value.len(), "Adam")?;
            let n = value.len() as u32;
            let p = axpby::Params { n, period: n, alpha: 0.0, beta: 0.0 };
            let source = device.upload(value, "initial value")?;
            device.run(&axpby::KERNEL, &p, &[&source, &buffer])?;
            Ok::<_, crate::Error>(buffer)
        };
        Ok(Parameter {
            value: device.upload(value, "parameter")?,
            gradient: zeros()?,
            first: zeros()?,
            second: zeros()?,
            updates: 0,
        })
    }

    /// Adam as before its first step.
    pub(super) fn forget_moments(&mut self, device: &Device) -> Result<()> {
        if self.updates > 0 {
            let zeros = vec![0.0f32; self.value.words()];
            device.write(&self.first, 0, &zeros)?;
            device.write(&self.second, 0, &zeros)?;
            self.updates = 0;
        }
        Ok(())
    }

    pub(super) fn adam(&mut self, device: &Device, rate: Rate) -> Result<()> {
        self.updates += 1;
        let p = adam::Params::new(self.value.words(), self.updates, rate.lr, rate.weight_decay);
        Ok(device.run(&adam::KERNEL, &p, &[&self.gradient, &self.value, &self.first, &self.second])?)
    }
}

/// A matrix between two steps, in host memory. Its gradient is not part of it: every step makes a new one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ParameterState {
    value: Vec<f32>,
    /// Adam's moments; nothing before the first update, when they are zero.
    first: Vec<f32>,
    second: Vec<f32>,
    updates: u32,
}

impl ParameterState {
    pub(super) async fn read(device: &Device, p: &Parameter) -> Result<ParameterState> {
        let value = whole(device, &p.value).await?;
        let (first, second) = match p.updates {
            0 => (Vec::new(), Vec::new()),
            _ => (whole(device, &p.first).await?, whole(device, &p.second).await?),
        };
        Ok(ParameterState { value, first, second, updates: p.updates })
    }

    /// Writes it into a matrix of the same size, fresh from [`Parameter::new`].
    pub(super) fn put_back(&self, device: &Device, into: &mut Parameter) -> Result<()> {
        device.write(&into.value, 0, &self.value)?;
        if self.updates > 0 {
            device.write(&into.first, 0, &self.first)?;
            device.write(&into.second, 0, &self.second)?;
        }
        into.updates = self.updates;
        Ok(())
    }

    pub(super) fn value(&self) -> &[f32] {
        &self.value
    }

    /// Whether it is of a matrix of `n` numbers.
    pub(super) fn fits(&self, n: usize) -> bool {
        let moments = if self.updates == 0 { 0 } else { n };
        self.value.len() == n && self.first.len() == moments && self.second.len() == moments
    }
}

pub(super) async fn whole(device: &Device, buffer: &Buffer) -> Result<Vec<f32>> {
    Ok(device.read::<f32>(buffer, 0, buffer.words()).await?)
}
