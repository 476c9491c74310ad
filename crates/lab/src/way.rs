//! The ways to write that are compared.

use std::fmt;
use std::str::FromStr;

use pema::{Form, Method};

/// A way to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What `pema tune` makes without being told anything.
    Default,
    /// A method over the pairs, with or without demonstrations in the prompt.
    Plain {
        /// Form of the adapter; of no meaning for the model alone and kNN.
        form: Form,
        /// Who has a say.
        method: Method,
        /// What is added to an adapter.
        more: More,
        /// Whether the prompt shows demonstrations.
        shots: bool,
    },
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
        let both = [false, true].into_iter();
        let plain = both.flat_map(|shots| kinds.map(|(form, method, more)| Way::Plain { form, method, more, shots }));
        plain.chain([Way::Default]).collect()
    }

    /// The model alone, without demonstrations: what the others are compared with.
    pub const BASE: Way = Way::Plain { form: Form::Residual, method: Method::Base, more: More::Nothing, shots: false };

    /// In words, for the report.
    pub fn words(self) -> String {
        let Way::Plain { form, method, more, shots } = self else { return "default (pema tune)".to_owned() };
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
        format!("{what}{more}{}", if shots { ", demonstrations" } else { "" })
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Way::Plain { form, method, more, shots } = self else { return f.write_str("default") };
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
        write!(f, "{name}{more}{}", if *shots { "+shots" } else { "" })
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
        assert_eq!(all.len(), 19);
        for way in &all {
            assert_eq!(way.to_string().parse(), Ok(*way));
        }
        assert!("lora".parse::<Way>().unwrap_err().contains("residual-gu+shots"));
    }
}
