//! What the default model writes on its own, recorded once and written again here and in the browser
//! (`tests/studio/model.test.mjs`): the same tokens on both sides.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use std::sync::Arc;

use pema::sampling::SamplingConfig;
use pema::template::Template;
use pema::{Copying, GenerateConfig, Generator, Method, PromptSetup, Prompter};
use pema_device::Device;
use pema_tests::{contexts, default_model, read_fixture, writing};

#[test]
fn the_default_model_writes_what_was_recorded() {
    let Some(path) = default_model() else { return };
    let recorded: serde_json::Value = serde_json::from_slice(&read_fixture("greedy.json")).unwrap();
    let plm = contexts::load(&path, Arc::new(Device::cpu()));
    let setup = PromptSetup::new(Template::parse("plain").unwrap(), Vec::new());
    let prompt = Prompter::new(&plm.file, &setup).unwrap().prompt(recorded["input"].as_str().unwrap()).unwrap();
    let config = GenerateConfig {
        method: Method::Base,
        lambda_max: None,
        schedule: None,
        reference_length: None,
        max_tokens: recorded["max_tokens"].as_u64().unwrap() as usize,
        sampling: SamplingConfig::default(),
        stop: setup.template.stop_string().map(str::to_owned).into_iter().collect(),
        copying: Copying::default(),
        votes: None,
        beams: None,
        no_repeat: None,
        explain: false,
    };
    let generator = Generator::new(&plm, None, None).unwrap();
    let written = writing::write(&generator, &[prompt], &config);
    assert_eq!(written[0].text, recorded["text"].as_str().unwrap());
}
