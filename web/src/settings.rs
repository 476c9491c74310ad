//! Settings that the page remembers by itself: choices, and of the user's text only a template of their own.

use gloo::storage::{LocalStorage, Storage};
use pema_protocol::{DataInfo, DeviceChoice, MixSettings, Schedule, TaskSettings, TrainSettings};
use serde::{Deserialize, Serialize};

const KEY: &str = "pema-settings";

/// Choices of the user; what is `None` the program chooses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    pub(crate) device: DeviceChoice,
    /// A preset or a template.
    pub(crate) template: Option<String>,
    pub(crate) shots: Option<u32>,
    pub(crate) limit: Option<u32>,
    pub(crate) rank: Option<u32>,
    pub(crate) kappa: Option<f32>,
    pub(crate) steps: Option<u32>,
    pub(crate) paper_recipe: bool,
    pub(crate) free_running: bool,
    /// Weight of the adapter while writing.
    pub(crate) lambda_max: Option<f32>,
    /// How the weight moves along the answer.
    pub(crate) schedule: Option<Schedule>,
    pub(crate) max_tokens: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            device: DeviceChoice::Auto,
            template: None,
            shots: None,
            limit: None,
            rank: None,
            kappa: None,
            steps: None,
            paper_recipe: false,
            free_running: false,
            lambda_max: None,
            schedule: None,
            max_tokens: 64,
        }
    }
}

impl Settings {
    pub(crate) fn load() -> Settings {
        LocalStorage::get(KEY).unwrap_or_default()
    }

    /// Nothing is kept of what nobody changed. Forgetting is no harm where the browser keeps nothing.
    pub(crate) fn save(&self) {
        match *self == Settings::default() {
            true => LocalStorage::delete(KEY),
            false => _ = LocalStorage::set(KEY, self).ok(),
        }
    }

    /// The task, with the template and the demonstrations that suit the data unless the user chose others.
    pub(crate) fn task(&self, suits: Option<&DataInfo>) -> TaskSettings {
        let template = self.template.as_deref().or(suits.map(|d| d.template.as_str())).unwrap_or("plain").to_owned();
        TaskSettings { template, shots: self.shots.or(suits.map(DataInfo::shots)).unwrap_or(0) }
    }

    pub(crate) fn mix(&self) -> MixSettings {
        MixSettings { lambda_max: self.lambda_max, schedule: self.schedule }
    }

    pub(crate) fn train(&self, suits: Option<&DataInfo>) -> TrainSettings {
        TrainSettings {
            task: self.task(suits),
            limit: self.limit,
            rank: self.rank,
            kappa: self.kappa,
            steps: self.steps,
            paper_recipe: self.paper_recipe,
            free_running: self.free_running,
            ..TrainSettings::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_suits_the_data_is_taken_until_somebody_chooses() {
        let pair = ("short".to_owned(), "pair".to_owned());
        let info = |pair: (String, String)| DataInfo {
            template: "formality".into(),
            split: [300, 30, 30],
            preview: vec![pair],
            ..DataInfo::default()
        };
        let mut settings = Settings::default();
        let task = settings.task(Some(&info(pair.clone())));
        assert_eq!((task.template.as_str(), task.shots), ("formality", 12));
        assert_eq!(settings.task(Some(&info(("long ".repeat(300), String::new())))).shots, 2);
        assert_eq!(settings.task(Some(&DataInfo { split: [30, 3, 3], ..info(pair.clone()) })).shots, 3);
        let task = settings.task(None);
        assert_eq!((task.template.as_str(), task.shots), ("plain", 0));
        (settings.template, settings.shots) = (Some("translation".into()), Some(0));
        let task = settings.train(Some(&info(pair))).task;
        assert_eq!((task.template.as_str(), task.shots), ("translation", 0));
    }
}
