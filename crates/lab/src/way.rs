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
        /// Whether the prompt shows demonstrations.
        shots: bool,
    },
}

impl Way {
    /// All of them, in the order of the report.
    pub fn all() -> Vec<Way> {
        let kinds = [
            (Form::Residual, Method::Base),
            (Form::Residual, Method::Knn),
            (Form::Paper, Method::Pema),
            (Form::Paper, Method::PemaGu),
            (Form::Residual, Method::Pema),
            (Form::Residual, Method::PemaGu),
        ];
        let both = [false, true].into_iter();
        let plain = both.flat_map(|shots| kinds.map(|(form, method)| Way::Plain { form, method, shots }));
        plain.chain([Way::Default]).collect()
    }

    /// The model alone, without demonstrations: what the others are compared with.
    pub const BASE: Way = Way::Plain { form: Form::Residual, method: Method::Base, shots: false };

    /// In words, for the report.
    pub fn words(self) -> String {
        let Way::Plain { form, method, shots } = self else { return "default (pema tune)".to_owned() };
        let what = match (method, form) {
            (Method::Base, _) => "model alone",
            (Method::Knn, _) => "kNN-LM",
            (Method::Pema, Form::Paper) => "PEMA, paper form",
            (Method::PemaGu, Form::Paper) => "PEMA, paper form, Gradual Unrolling",
            (Method::Pema, Form::Residual) => "PEMA, residual form",
            (Method::PemaGu, Form::Residual) => "PEMA, residual form, Gradual Unrolling",
        };
        if shots { format!("{what}, demonstrations") } else { what.to_owned() }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Way::Plain { form, method, shots } = self else { return f.write_str("default") };
        let name = match (method, form) {
            (Method::Base, _) => "base",
            (Method::Knn, _) => "knn",
            (Method::Pema, Form::Paper) => "paper",
            (Method::PemaGu, Form::Paper) => "paper-gu",
            (Method::Pema, Form::Residual) => "residual",
            (Method::PemaGu, Form::Residual) => "residual-gu",
        };
        write!(f, "{name}{}", if *shots { "+shots" } else { "" })
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
        assert_eq!(all.len(), 13);
        for way in &all {
            assert_eq!(way.to_string().parse(), Ok(*way));
        }
        assert!("lora".parse::<Way>().unwrap_err().contains("residual-gu+shots"));
    }
}
