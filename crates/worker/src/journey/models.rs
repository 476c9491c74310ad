//! More than one model on one device.

use pema_protocol::{Command, Event, Export, ModelSource};
use wasm_bindgen_test::wasm_bindgen_test;

use super::studio::{Studio, TINY, mix};

#[wasm_bindgen_test]
async fn another_model_leaves_adapter_and_run_to_their_own() {
    let other = include_bytes!("../../../../tests/fixtures/tiny_f32_untied.gguf");
    let mut studio = Studio::with_example().await;
    studio.train().await;
    let write = Command::Write { input: "gonna be late".into(), mix: mix(), max_tokens: 4 };
    studio.say(write.clone()).await.unwrap();
    let export = Command::Export { what: Export::Adapter };
    let expected = studio.say(export.clone()).await.unwrap();

    let info = studio.open_file("other.gguf", other).await;
    assert!(!info.fits && !info.unfinished);
    assert!(studio.engine.adapter.is_none() && studio.engine.memory.is_none() && studio.engine.contexts.is_empty());
    let events = studio.say(write.clone()).await.unwrap();
    assert!(matches!(events.last(), Some(Event::Wrote { adapted: None, .. })), "{:?}", events.last());
    assert!(studio.refusal(Command::Evaluate { limit: 2 }).await.contains("no adapter"));
    assert_eq!(studio.say(export.clone()).await.unwrap(), expected, "it can still be taken along");

    assert!(studio.open_file("tiny.gguf", TINY).await.fits);
    let events = studio.say(write).await.unwrap();
    assert!(matches!(events.last(), Some(Event::Wrote { adapted: Some(_), .. })));

    // What was said of it is lost: the adapter is not.
    let kept = studio.engine.kept_mut().unwrap();
    kept.forget_trained().unwrap();
    drop(studio);
    let (mut studio, project) = Studio::open().await;
    assert!(project.unfinished.is_none() && project.trained.is_some_and(|t| t.rows == 0));
    studio.say(Command::OpenModel { source: ModelSource::Kept }).await.unwrap();
    assert_eq!(studio.say(export).await.unwrap(), expected);
}
