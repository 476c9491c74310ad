//! What goes into a network and comes out of it: parameters, gradients, everything that outlives a step.

use serde::{Deserialize, Serialize};

use super::Network;
use crate::Result;
use crate::train::parameter::{ParameterState, whole};

/// A, B_pd and B_rct in host memory, each `[r, d]` (the decoders transposed).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the paper's")]
pub struct Parameters {
    pub a: Vec<f32>,
    pub bt_pd: Vec<f32>,
    pub bt_rct: Vec<f32>,
}

/// Gradients of the last step, laid out as [`Parameters`].
pub type Gradients = Parameters;

impl Network {
    /// The parameters as they are now.
    pub async fn parameters(&self) -> Result<Parameters> {
        Ok(Parameters {
            a: whole(&self.device, &self.a.value).await?,
            bt_pd: whole(&self.device, &self.bt_pd.value).await?,
            bt_rct: whole(&self.device, &self.bt_rct.value).await?,
        })
    }

    /// A, B_pd and B_rct with what Adam remembers of each: everything that outlives a step.
    pub(in crate::train) async fn state(&self) -> Result<[ParameterState; 3]> {
        let read = |p| ParameterState::read(&self.device, p);
        Ok([read(&self.a).await?, read(&self.bt_pd).await?, read(&self.bt_rct).await?])
    }

    /// Puts back what [`Network::state`] gave.
    pub(in crate::train) fn restore(&mut self, [a, bt_pd, bt_rct]: &[ParameterState; 3]) -> Result<()> {
        a.put_back(&self.device, &mut self.a)?;
        bt_pd.put_back(&self.device, &mut self.bt_pd)?;
        bt_rct.put_back(&self.device, &mut self.bt_rct)
    }

    /// Lets Adam begin anew from the parameters as they are.
    pub(in crate::train) fn forget_moments(&mut self) -> Result<()> {
        [&mut self.a, &mut self.bt_pd, &mut self.bt_rct].into_iter().try_for_each(|p| p.forget_moments(&self.device))
    }

    /// Puts back A and B_pd, for judging parameters that were kept.
    pub fn set_prediction(&mut self, p: &Parameters) -> Result<()> {
        self.device.write(&self.a.value, 0, &p.a)?;
        Ok(self.device.write(&self.bt_pd.value, 0, &p.bt_pd)?)
    }

    /// The gradients of the last step.
    pub async fn last_gradients(&self) -> Result<Gradients> {
        Ok(Gradients {
            a: whole(&self.device, &self.a.gradient).await?,
            bt_pd: whole(&self.device, &self.bt_pd.gradient).await?,
            bt_rct: whole(&self.device, &self.bt_rct.gradient).await?,
        })
    }
}
