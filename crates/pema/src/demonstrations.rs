//! Which pairs to show in every prompt: sets drawn from the training pairs, judged by what the model
//! alone then writes for other training pairs. The loss of gold targets was found to be a poor judge;
//! the held-out pairs are left for checking the adapter, since a set that was chosen on them would make
//! the model alone look better than it is.

use pema_kernels::random::Rng;
use pema_plm::Plm;
use pema_plm::source::ByteSource;

use crate::Result;
use crate::dataset::{Dataset, Example};
use crate::generate::{Copying, GenerateConfig, Generator, Method};
use crate::metrics::chrf;
use crate::prompt::{PromptSetup, Prompter};
use crate::sampling::SamplingConfig;
use crate::template::{Demo, Template};

/// How many demonstrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shots {
    /// The number and the pairs that write best, none among the choices.
    Auto,
    /// The first so many of the training pairs.
    First(usize),
}

/// A set of demonstrations and how it did.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoSet {
    /// The demonstrations, in order.
    pub demos: Vec<Demo>,
    /// chrF2 of the model's own texts on the pairs of the last round it was in.
    pub chrf: f64,
}

/// Sizes of the sets drawn, largest first.
const SIZES: [usize; 2] = [28, 12];
/// Sets of each size.
const DRAWS: usize = 3;
/// Training pairs that demonstrations may use up, one in so many.
const SHARE: usize = 5;
/// Share of the model's context, and tokens, that demonstrations may take up.
const CONTEXT_SHARE: usize = 2;
const MOST_TOKENS: usize = 1536;
/// Pairs written by every set, and by the best sets once more.
const ROUNDS: [usize; 2] = [20, 40];
/// Sets that reach the second round.
const FINALISTS: usize = 3;

impl std::str::FromStr for Shots {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Shots, String> {
        match text {
            "auto" => Ok(Shots::Auto),
            number => number.parse().map(Shots::First).map_err(|_| "give `auto` or a whole number".to_owned()),
        }
    }
}

/// The best of some sets drawn from `train`, the empty set among them, judged on pairs of `train` that
/// are in none of them. `on` hears of every judgement: how many are done of how many, and the best set of
/// the round so far, after the last one the set that is kept. The same `seed` draws the same sets.
pub async fn choose_demonstrations<S: ByteSource>(
    plm: &Plm<S>,
    train: &Dataset,
    template: &Template,
    seed: u64,
    mut on: impl FnMut(usize, usize, &DemoSet),
) -> Result<DemoSet> {
    let mut sets: Vec<DemoSet> = vec![DemoSet { demos: Vec::new(), chrf: 0.0 }];
    sets.extend(draw(plm, train, template, seed)?.into_iter().map(|demos| DemoSet { demos, chrf: 0.0 }));
    let shown = |e: &Example| sets.iter().flat_map(|s| &s.demos).any(|d| d.input == e.input);
    let others: Vec<Example> = train.examples.iter().filter(|e| !shown(e)).cloned().collect();
    let of = sets.len() + FINALISTS.min(sets.len());
    let mut done = 0;
    for pairs in ROUNDS {
        let judged = &others[..pairs.min(others.len())];
        let mut best = 0;
        for i in 0..sets.len() {
            let prompt = PromptSetup::new(template.clone(), sets[i].demos.clone());
            sets[i].chrf = judge(plm, judged, &prompt).await?;
            if sets[i].chrf > sets[best].chrf {
                best = i;
            }
            done += 1;
            on(done, of, &sets[best]);
        }
        sets.sort_by(|a, b| b.chrf.total_cmp(&a.chrf));
        sets.truncate(FINALISTS);
    }
    Ok(sets.swap_remove(0))
}

/// Sets of different training pairs that leave room in the context and pairs to train on.
fn draw<S: ByteSource>(plm: &Plm<S>, train: &Dataset, template: &Template, seed: u64) -> Result<Vec<Vec<Demo>>> {
    let mut rng = Rng::new(seed);
    let room = MOST_TOKENS.min(plm.file.config.context / CONTEXT_SHARE);
    let most = train.examples.len() / SHARE;
    let mut sets: Vec<Vec<Demo>> = Vec::new();
    for _ in 0..DRAWS {
        let mut order: Vec<&Example> = train.examples.iter().collect();
        rng.shuffle(&mut order);
        for size in SIZES {
            let demos: Vec<Demo> = order.iter().take(size.min(most)).map(|e| Demo::from(*e)).collect();
            let mut prompt = PromptSetup::new(template.clone(), demos);
            while !prompt.demos.is_empty() && Prompter::new(&plm.file, &prompt)?.prompt("")?.prompt.len() > room {
                prompt.demos.pop();
            }
            if !prompt.demos.is_empty() && !sets.contains(&prompt.demos) {
                sets.push(prompt.demos);
            }
        }
    }
    Ok(sets)
}

/// chrF2 of the model's greedy texts.
async fn judge<S: ByteSource>(plm: &Plm<S>, pairs: &[Example], prompt: &PromptSetup) -> Result<f64> {
    let prompter = Prompter::new(&plm.file, prompt)?;
    let (mut prompts, mut references) = (Vec::new(), Vec::new());
    for pair in pairs {
        let encoded = prompter.prompt(&pair.input)?;
        if encoded.prompt.len() < plm.file.config.context {
            prompts.push(encoded);
            references.push(&pair.target);
        }
    }
    let config = GenerateConfig::greedy(Method::Base, prompt, enough_tokens(plm, pairs)?);
    let written = Generator::new(plm, None, None)?.write(&prompts, &config, |_, _| {}).await?;
    let texts: Vec<&str> = written.iter().map(|w| w.text.as_str()).collect();
    if texts.is_empty() { Ok(0.0) } else { Ok(chrf(&texts, &references)?.value) }
}

/// Room for half as much again as the longest reference: a runaway text is cut, a good one is not.
pub fn enough_tokens<S: ByteSource>(plm: &Plm<S>, pairs: &[Example]) -> Result<usize> {
    let mut longest = 0;
    for pair in pairs {
        longest = longest.max(plm.file.tokenizer.encode_plain(&pair.target)?.len());
    }
    Ok((longest * 3 / 2).max(16))
}

impl GenerateConfig {
    /// Greedy decoding as evaluations use it.
    pub fn greedy(method: Method, prompt: &PromptSetup, max_tokens: usize) -> GenerateConfig {
        GenerateConfig {
            method,
            lambda_max: None,
            schedule: None,
            reference_length: None,
            max_tokens,
            sampling: SamplingConfig::default(),
            stop: prompt.template.stop_string().map(str::to_owned).into_iter().collect(),
            copying: Copying::default(),
            votes: None,
            beams: None,
            no_repeat: None,
            explain: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shots_are_a_number_or_left_to_the_program() {
        assert_eq!("auto".parse(), Ok(Shots::Auto));
        assert_eq!("12".parse(), Ok(Shots::First(12)));
        assert!("-1".parse::<Shots>().is_err() && "all".parse::<Shots>().is_err());
    }
}
