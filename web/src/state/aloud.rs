//! What a screen reader says.

use pema_protocol::Event;

use crate::check;

/// What a screen reader is told of an event: a milestone, or progress in tenths, so that it is not said
/// over and over.
pub(super) fn aloud(event: &Event) -> Option<String> {
    let tenths = |what: &str, done: u64, of: u64| {
        (of > 0).then(|| format!("{what}, {} percent done", (done * 10 / of).min(10) * 10))
    };
    match event {
        Event::DeviceReady(_) => Some("The device is ready.".to_owned()),
        Event::ModelProgress { bytes, of } => tenths("Opening the model", *bytes, *of),
        Event::ModelReady(_) => Some("The model is open.".to_owned()),
        Event::DataReady(info) => Some(format!("{} pairs are open.", info.split.iter().sum::<u32>())),
        Event::MemoryProgress(m) => tenths("Reading your pairs", m.examples.into(), m.of.into()),
        Event::TrainProgress(p) => tenths("Training", p.step.into(), p.of.into()),
        Event::CheckProgress(c) => tenths("Checking", c.done.into(), c.of.into()),
        Event::Trained(info) => Some(format!("Your adapter is ready. {}", check::found(&info.check)[0])),
        Event::Paused { paused } => Some(if *paused { "Paused." } else { "Going on." }.to_owned()),
        Event::EvaluateProgress { done, of } => tenths("Measuring", (*done).into(), (*of).into()),
        Event::Reported(report) => Some(report.verdict.clone()),
        Event::Exported { name, .. } => Some(format!("{name} was downloaded.")),
        Event::Deleted => Some("Everything was deleted.".to_owned()),
        _ => None,
    }
}
