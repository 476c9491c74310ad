//! What the test files share: fixtures, tolerant comparison, the devices to test on.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub mod contexts;
pub mod small;
pub mod writing;

use std::path::PathBuf;

use pema_device::{Choice, Device};
use safetensors::SafeTensors;

/// Path of a committed fixture.
pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Contents of a committed fixture.
pub fn read_fixture(name: &str) -> Vec<u8> {
    let path = fixture(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// An f32 tensor by name.
pub fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let tensor = file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    bytemuck::pod_collect_to_vec(tensor.data())
}

/// An i32 tensor by name, as token ids.
pub fn ids(file: &SafeTensors<'_>, name: &str) -> Vec<u32> {
    let tensor = file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    bytemuck::pod_collect_to_vec(tensor.data())
}

/// Norm of the difference over the norm of what is expected; infinite for NaN or another length.
pub fn relative_error(expected: &[f32], got: &[f32]) -> f64 {
    if expected.len() != got.len() {
        return f64::INFINITY;
    }
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let difference = norm(&mut expected.iter().zip(got).map(|(e, g)| f64::from(*e) - f64::from(*g)));
    let error = difference / norm(&mut expected.iter().map(|e| f64::from(*e))).max(1e-30);
    if error.is_finite() { error } else { f64::INFINITY }
}

/// Panics with `what` and the error when two vectors differ by more than `limit`, norm-wise.
pub fn assert_close(what: &str, expected: &[f32], got: &[f32], limit: f64) {
    let error = relative_error(expected, got);
    assert!(error <= limit, "{what}: relative error {error:e}, allowed {limit:e}");
}

/// Runs a future to its end.
#[expect(clippy::disallowed_methods, reason = "this is the native tests' one place to block")]
pub fn block_on<F: Future>(future: F) -> F::Output {
    pollster::block_on(future)
}

/// The processor and, where there is one, a GPU adapter, software ones included. Without an adapter
/// the GPU half is skipped aloud; with `PEMA_REQUIRE_GPU` set, as in CI, that is a failure.
pub fn devices() -> Vec<Device> {
    let mut devices = vec![Device::cpu()];
    devices.extend(gpu());
    devices
}

/// A GPU adapter, see [`devices`].
pub fn gpu() -> Option<Device> {
    match block_on(Device::open(&Choice::Gpu)) {
        Ok(device) => Some(device),
        Err(e) if std::env::var_os("PEMA_REQUIRE_GPU").is_some() => panic!("a GPU adapter is required here: {e}"),
        Err(e) => {
            eprintln!("SKIPPED on the GPU: {e}");
            None
        }
    }
}

/// The default model where `cargo xtask` keeps it, or the file that `PEMA_MODEL` names. Without one the
/// test is skipped aloud; with `PEMA_REQUIRE_MODEL` set, as in CI, that is a failure.
pub fn default_model() -> Option<PathBuf> {
    let path = std::env::var_os("PEMA_MODEL").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.pema/models/SmolLM2-135M-Instruct.Q4_1.gguf")),
        PathBuf::from,
    );
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("PEMA_REQUIRE_MODEL").is_none(),
        "the default model is required here; run `cargo xtask model`"
    );
    eprintln!("SKIPPED: no {}; run `cargo xtask model`", path.display());
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comparison_fails_when_it_should() {
        assert!(relative_error(&[1.0, 2.0], &[1.0, 2.0]) == 0.0);
        assert!(relative_error(&[1.0, 2.0], &[1.0, 2.01]) > 1e-3);
        assert!(relative_error(&[1.0], &[f32::NAN]).is_infinite());
        assert!(relative_error(&[f32::NAN], &[f32::NAN]).is_infinite());
        assert!(relative_error(&[1.0], &[1.0, 1.0]).is_infinite());
        assert!(std::panic::catch_unwind(|| assert_close("x", &[1.0], &[1.1], 1e-3)).is_err());
    }
}
