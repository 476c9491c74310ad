//! The ways to write that are compared.

use std::fmt;
use std::str::FromStr;

use pema::{Form, Method};

/// A way to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What `pema tune` makes without being told anything.
    Default,
    /// The model alone behind the default's prompt, keeping as many versions of a text: what the default is without its adapter.
    DefaultAlone,
    /// A method over the pairs, with or without demonstrations in the prompt.
    Plain {
        /// Form of the adapter; of no meaning for the model alone and kNN.
        form: Form,
        /// Who has a say.
        method: Method,
        /// What is added to an adapter.
        more: More,
        /// What the prompt shows before the input.
        shown: Shown,
    },
}

/// What a prompt shows before the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Nothing.
    Nothing,
    /// The first training pairs.
    First,
    /// These, and behind them the training pairs most like the input.
    Similar,
}

/// What is added to an adapter's way to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// Nothing.
    Nothing,
    /// Words of the input are favoured, where that lowers the loss of held-out pairs.
    Copying,
    /// The memory's nearest rows vote too, with the weight of the lowest held-out loss.
    Votes,
}

impl Way {
    /// All of them, in the order of the report.
    pub fn all() -> Vec<Way> {
        let kinds = [
            (Form::Residual, Method::Base, More::Nothing),
            (Form::Residual, Method::Knn, More::Nothing),
            (Form::Paper, Method::Pema, More::Nothing),
            (Form::Paper, Method::PemaGu, More::Nothing),
            (Form::Residual, Method::Pema, More::Nothing),
            (Form::Residual, Method::PemaGu, More::Nothing),
            (Form::Residual, Method::Pema, More::Votes),
            (Form::Residual, Method::Pema, More::Copying),
            (Form::Residual, Method::PemaGu, More::Copying),
        ];
        let both = [Shown::Nothing, Shown::First].into_iter();
        let plain = both.flat_map(|shown| kinds.map(|(form, method, more)| Way::Plain { form, method, more, shown }));
        plain.chain([Way::alone(Shown::Similar), Way::DefaultAlone, Way::Default]).collect()
    }

    const fn alone(shown: Shown) -> Way {
        Way::Plain { form: Form::Residual, method: Method::Base, more: More::Nothing, shown }
    }

    /// The model alone, without demonstrations: what the others are compared with.
    pub const BASE: Way = Way::alone(Shown::Nothing);

    /// The model alone behind the same prompt: what a way must beat for its memory to be worth anything. `None` for the
    /// model alone.
    pub fn rival(self) -> Option<Way> {
        match self {
            Way::Default => Some(Way::DefaultAlone),
            Way::DefaultAlone | Way::Plain { method: Method::Base, .. } => None,
            Way::Plain { shown, .. } => Some(Way::alone(shown)),
        }
    }

    /// In words, for the report.
    pub fn words(self) -> String {
        let (form, method, more, shown) = match self {
            Way::Default => return "default (pema tune)".to_owned(),
            Way::DefaultAlone => return "model alone, as the default without its adapter".to_owned(),
            Way::Plain { form, method, more, shown } => (form, method, more, shown),
        };
        let what = match (method, form) {
            (Method::Base, _) => "model alone",
            (Method::Knn, _) => "kNN-LM",
            (Method::Pema, Form::Paper) => "PEMA paper form",
            (Method::PemaGu, Form::Paper) => "PEMA paper, Gradual Unrolling",
            (Method::Pema, Form::Residual) => "PEMA residual form",
            (Method::PemaGu, Form::Residual) => "PEMA residual, Gradual Unrolling",
        };
        let more = match more {
            More::Nothing => "",
            More::Copying => ", input's words favoured",
            More::Votes => " and kNN-LM",
        };
        let shown = match shown {
            Shown::Nothing => "",
            Shown::First => ", demonstrations",
            Shown::Similar => ", demonstrations and pairs like the input",
        };
        format!("{what}{more}{shown}")
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (form, method, more, shown) = match self {
            Way::Default => return f.write_str("default"),
            Way::DefaultAlone => return f.write_str("default-base"),
            Way::Plain { form, method, more, shown } => (form, method, more, shown),
        };
        let name = match (method, form) {
            (Method::Base, _) => "base",
            (Method::Knn, _) => "knn",
            (Method::Pema, Form::Paper) => "paper",
            (Method::PemaGu, Form::Paper) => "paper-gu",
            (Method::Pema, Form::Residual) => "residual",
            (Method::PemaGu, Form::Residual) => "residual-gu",
        };
        let more = match more {
            More::Nothing => "",
            More::Copying => "+copying",
            More::Votes => "+knn",
        };
        let shown = match shown {
            Shown::Nothing => "",
            Shown::First => "+shots",
            Shown::Similar => "+similar",
        };
        write!(f, "{name}{more}{shown}")
    }
}

impl FromStr for Way {
    type Err = String;
    fn from_str(text: &str) -> Result<Way, String> {
        Way::all().into_iter().find(|w| w.to_string() == text).ok_or_else(|| {
            let names: Vec<String> = Way::all().iter().map(Way::to_string).collect();
            format!("the ways are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_has_a_name_of_its_own_that_is_read_back() {
        let all = Way::all();
        assert_eq!(all.len(), 21);
        for way in &all {
            assert_eq!(way.to_string().parse(), Ok(*way));
        }
        assert!("lora".parse::<Way>().unwrap_err().contains("residual-gu+shots"));
    }

    #[test]
    fn every_way_over_the_pairs_is_compared_with_the_model_behind_the_same_prompt() {
        let rival = |way: &str| way.parse::<Way>().unwrap().rival().map(|w| w.to_string());
        assert_eq!(rival("paper-gu").as_deref(), Some("base"));
        assert_eq!(rival("residual+copying+shots").as_deref(), Some("base+shots"));
        assert_eq!(rival("default").as_deref(), Some("default-base"));
        for alone in ["base", "base+shots", "base+similar", "default-base"] {
            assert_eq!(rival(alone), None);
        }
    }
}
