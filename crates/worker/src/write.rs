//! Prompts and answers.

use pema::schedule::Schedule;
use pema::{Duet, DuetToken, GenerateConfig, Generator, Method, Prompter, Voice, Writing};
use pema_plm::tokenizer::Tokenizer;
use pema_protocol::{
    Answer, Candidate, Event, MixSettings, Neighbour, RequestId, Schedule as Shown, Side, TaskSettings, TokenView,
};

use crate::check::way;
use crate::engine::Engine;
use crate::fault::{Fault, Result};
use crate::{build, tune};

/// Examples shown for a token.
const NEIGHBOURS: usize = 5;

/// The prompt as tokens.
pub(crate) fn preview(e: &Engine, id: RequestId, task: &TaskSettings, input: &str) -> Result<()> {
    let (plm, prompt) = (e.plm()?, e.prompt(task)?);
    let prompter = Prompter::new(&plm.file, &prompt)?;
    let data = e.data().ok();
    let first = data.and_then(|d| d.parts[0].get(prompt.demos.len())).map(|p| p.0.clone()).unwrap_or_default();
    let encoded = prompter.prompt(if input.is_empty() { &first } else { input })?;
    let mut tokens = Vec::with_capacity(encoded.prompt.len());
    for id in &encoded.prompt {
        tokens.push(plm.file.tokenizer.token_text(*id)?);
    }
    let context = plm.file.config.context;
    // Long pairs have many characters; only those are worth counting in tokens.
    let long = |p: &&(String, String)| p.0.len() + p.1.len() > context;
    let mut too_long = 0;
    for (input, target) in data.iter().flat_map(|d| d.parts.iter().flatten()).filter(long) {
        let tokens = prompter.prompt(input)?.prompt.len() + plm.file.tokenizer.encode_plain(target)?.len();
        too_long += u32::from(tokens > context);
    }
    e.link.send(id, Event::PromptPreview { tokens, context: context as u32, too_long });
    Ok(())
}

/// Base and adapted answer side by side.
pub(crate) async fn write(e: &mut Engine, id: RequestId, input: &str, mix: MixSettings, max_tokens: u32) -> Result<()> {
    let task = tune::task(e);
    let plm = e.plm()?;
    let prompt = match &e.adapter {
        Some(adapter) => adapter.meta.prompt.clone(),
        None => e.prompt(&task)?,
    };
    let encoded = Prompter::new(&plm.file, &prompt)?.prompt(input)?;
    let generator = Generator::new(plm, e.adapter.as_ref(), None)?;
    let stop: Vec<String> = prompt.template.stop_string().map(str::to_owned).into_iter().collect();
    let mut duet = Duet::new(&generator, encoded.clone(), &stop, max_tokens as usize)?;
    e.control.mix.set(Some(mix));
    // The weight and the schedule that the user wants at this moment.
    let wanted = || {
        let mix = e.control.mix.get().unwrap_or(mix);
        let Some(adapter) = &e.adapter else { return (Schedule::Constant, 0.0) };
        let lambdas = [adapter.meta.lambda_max, adapter.meta.lambda_constant];
        let (schedule, lambda) = way(adapter).mixed(lambdas, mix);
        (if schedule == Shown::Constant { Schedule::Constant } else { Schedule::Paper }, lambda)
    };
    let mut contexts = Vec::new();
    loop {
        let (schedule, lambda) = wanted();
        let Some(tokens) = duet.step(schedule, lambda).await? else { break };
        for token in tokens {
            let side = if token.voice == Voice::Base { Side::Base } else { Side::Adapted };
            e.link.send(id, Event::Token { side, token: view(&plm.file.tokenizer, &token, &stop) });
            if side == Side::Adapted {
                contexts.push(token.context);
            }
        }
        e.control.breathe().await;
        if e.control.cancel.get() {
            break;
        }
    }
    let answer = |voice| duet.text(voice).map(|(text, n, ended)| Answer { text, tokens: n as u32, ended });
    let base = answer(Voice::Base).ok_or_else(|| Fault::refused("nothing was written"))?;
    let beams = e.adapter.as_ref().map(|a| a.meta.beams).filter(|beams| *beams > 1);
    if beams.is_some() && !e.control.cancel.get() {
        e.link.send(id, Event::Searching);
        let (schedule, lambda) = wanted();
        let greedy = GenerateConfig::greedy(Method::of(schedule), &prompt, max_tokens as usize);
        let config = GenerateConfig { lambda_max: Some(lambda), beams, ..greedy };
        let mut writing = Writing::new(&generator, &[encoded], &config)?;
        loop {
            e.control.breathe().await;
            if e.control.cancel.get() {
                break;
            }
            if writing.step(|_, _| {}).await?.is_none() {
                if let Some(best) = writing.finish().pop() {
                    let answer = Answer { text: best.text, tokens: best.tokens.len() as u32, ended: best.ended };
                    e.link.send(id, Event::Searched { answer });
                }
                break;
            }
        }
    }
    let event = Event::Wrote { base, adapted: answer(Voice::Adapted) };
    e.contexts = contexts;
    e.link.send(id, event);
    Ok(())
}

fn view(tokenizer: &Tokenizer, token: &DuetToken, stop: &[String]) -> TokenView {
    let text = |id: u32| tokenizer.token_text(id).unwrap_or_default();
    let candidates =
        token.candidates.iter().map(|(id, p)| Candidate { text: text(*id), probabilities: [p.lm, p.pema, p.mix] });
    let p = &token.probabilities;
    // What a text is stopped at is not shown, and is no part of a character.
    let stops = token.piece.is_empty() && stop.iter().any(|s| text(token.id).contains(s.as_str()));
    TokenView {
        text: token.piece.clone(),
        end: stops || tokenizer.eos_ids().contains(&token.id),
        lambda: token.lambda,
        probabilities: [p.lm, p.pema, p.mix],
        candidates: candidates.collect(),
    }
}

/// The rows of the memory nearest to a token's context.
pub(crate) async fn why(e: &mut Engine, id: RequestId, token: u32) -> Result<()> {
    build::open_memory(e).await?;
    let (plm, data) = (e.plm()?, e.data()?);
    let Some(memory) = &e.memory else { return Err(Fault::refused("there is no memory yet")) };
    let Some(context) = e.contexts.get(token as usize) else {
        return Err(Fault::refused("this token is no longer known; write again"));
    };
    let shots = memory.meta.prompt.demos.len();
    let tokenizer = &plm.file.tokenizer;
    let rows = memory.nearest(context, NEIGHBOURS).into_iter().map(|(row, distance)| {
        let first = row - memory.position[row] as usize;
        let pair = data.parts[0].get(shots + memory.sample[row] as usize);
        Neighbour {
            distance,
            input: pair.map(|p| p.0.clone()).unwrap_or_default(),
            before: tokenizer.decode(&memory.values[first..row]).unwrap_or_default(),
            token: tokenizer.token_text(memory.values[row]).unwrap_or_default(),
        }
    });
    let rows = rows.collect();
    e.link.send(id, Event::Neighbours { token, rows });
    Ok(())
}
