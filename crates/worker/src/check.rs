//! The check of a trained adapter on held-out pairs: whether it helps, and how it is used best.

use js_sys::Date;
use pema::dataset::Example;
use pema::schedule::Schedule;
use pema::{Adapter, BEAMS, Checker, Generator, Held, Memory, Method, Mix, Ways, format};
use pema_protocol::{
    Check, CheckProgress, Event, Finding, RequestId, Schedule as Shown, TrainSettings, TroubleKind, Verdict, Way,
};

use crate::engine::Engine;
use crate::fault::{Fault, Result};
use crate::opfs::OpfsModel;
use crate::plan::CHECK_SECONDS;
use crate::tune::{Rows, plan};

/// Seconds after which a check ends wherever it is, because the plan was mistaken about the device.
const MOST_SECONDS: f64 = 1.5 * CHECK_SECONDS;
/// What keeping several versions takes, measured in ways that take the best token each time: all of them are
/// decoded in step.
const SEARCH: f64 = 2.5;

/// Checks the engine's adapter and keeps it with what came of that.
pub(crate) async fn check(
    e: &mut Engine,
    id: RequestId,
    settings: &TrainSettings,
    r: &Rows,
    [memory, held_out]: [&Memory; 2],
) -> Result<()> {
    let Some(mut adapter) = e.adapter.take() else { return Err(Fault::refused("there is no adapter to check")) };
    let judged = judge(e, id, &adapter, settings, r, [memory, held_out]).await;
    let check = match judged {
        Ok(choice) => choice.apply(&mut adapter),
        Err(fault) if e.control.cancel.get() || fault.0.kind == TroubleKind::Dead => {
            // It stays unchecked, and the next run takes the check up.
            e.adapter = Some(adapter);
            return Err(fault);
        }
        // A check that cannot be made must not stand between the user and the adapter.
        Err(fault) => {
            Choice::Loss(None).apply(&mut adapter);
            Check::Failed(fault.0.text)
        }
    };
    let Some(mut info) = e.kept()?.trained.clone() else { return Err(Fault::refused("there is no adapter to check")) };
    (info.lambda_max, info.lambda_constant) = (adapter.meta.lambda_max, adapter.meta.lambda_constant);
    (info.way, info.check) = (way(&adapter), check);
    e.kept_mut()?.set_adapter(format::adapter_to_bytes(&adapter)?, info.clone())?;
    e.adapter = Some(adapter);
    e.link.send(id, Event::Trained(info));
    Ok(())
}

/// What a check ends with.
enum Choice {
    /// Texts decided. Whether keeping several versions was tried is said too.
    Texts { verdict: Box<pema::Verdict>, searched: bool },
    /// The loss did.
    Loss(Option<pema::CopyBias>),
}

impl Choice {
    /// Makes it the adapter's own way.
    fn apply(self, adapter: &mut Adapter) -> Check {
        match self {
            Choice::Texts { verdict, searched } => {
                verdict.apply(adapter);
                // Keeping several versions is given in advance where there was no time to try it.
                if !searched && verdict.chosen.method.adapted() {
                    adapter.meta.beams = BEAMS;
                }
                Check::Done(told(&verdict))
            }
            Choice::Loss(copying) => {
                (adapter.meta.copying, adapter.meta.beams) = (copying, BEAMS);
                Check::Without
            }
        }
    }
}

async fn judge(
    e: &Engine,
    id: RequestId,
    adapter: &Adapter,
    settings: &TrainSettings,
    r: &Rows,
    [memory, held_out]: [&Memory; 2],
) -> Result<Choice> {
    let plan = plan(e, &r.prompt)?;
    let [training, all] = [&r.data[0].examples[..], &r.data[1].examples];
    // Those that do not fit the model have no rows.
    let fits = |(i, _): &(usize, &Example)| held_out.sample.contains(&(*i as u32));
    let written: Vec<Example> =
        all.iter().enumerate().filter(fits).take(plan.checked).map(|(_, e)| e.clone()).collect();
    if written.is_empty() {
        return Ok(Choice::Loss(None));
    }
    let ways = if plan.thorough { Ways::All } else { Ways::Own };
    // The paper knows no copying.
    let copying = !settings.paper_recipe;
    let held = Held { training, all, memory: held_out, written: &written, ways, copying, similar: copying };
    let generator = Generator::new(e.plm()?, Some(adapter), None)?;
    let mut checker = Checker::new(&generator, held)?;
    let (mut spent, mut writing) = (0.0, 0.0);
    loop {
        e.control.breathe().await;
        if e.control.cancel.get() {
            return Err(Fault::refused("the check was stopped; it begins again when training is started again"));
        }
        if checker.knows_losses() {
            let late = checker.comparable() && spent + takes(&mut checker, writing)? > CHECK_SECONDS;
            if late || spent > MOST_SECONDS || e.control.stop.get() {
                break;
            }
        }
        let (writes, begun) = (checker.knows_losses(), Date::now());
        let Some(p) = checker.step().await? else { break };
        let took = (Date::now() - begun) / 1e3;
        spent += took;
        writing += if writes { took } else { 0.0 };
        let by_share = if checker.tried().is_empty() { f64::INFINITY } else { writing * (1.0 - p.share) / p.share };
        let left = by_share.min((CHECK_SECONDS - spent).max(1.0));
        let way = writes.then(|| of_mix(&p.mix, adapter));
        let (done, of) = (p.done as u32, p.of as u32);
        e.link.send(id, Event::CheckProgress(CheckProgress { way, done, of, seconds_left: left as f32 }));
    }
    if !checker.comparable() {
        return Ok(Choice::Loss(checker.by_loss()));
    }
    let searched = checker.searched();
    let verdict = Box::new(checker.decide(memory.examples())?);
    Ok(Choice::Texts { verdict, searched })
}

/// Seconds that what is tried next takes, after `writing` seconds of writing; 0 while something is being tried.
fn takes(checker: &mut Checker<'_, OpfsModel>, writing: f64) -> Result<f64> {
    let costs = |mix: &Mix| if mix.beams > 1 { SEARCH } else { 1.0 };
    let tried: f64 = checker.tried().iter().map(|t| costs(&t.mix)).sum();
    let next = match checker.coming()? {
        // One without the other says nothing.
        Some(mix) if mix.beams > 1 && !checker.tried().iter().any(|t| t.mix.beams > 1) => 2.0 * SEARCH,
        Some(mix) if mix.similar > 0 && !checker.tried().iter().any(|t| t.mix.similar > 0) => 2.0,
        Some(mix) if mix.beams == 1 => 1.0,
        _ => 0.0,
    };
    Ok(next * writing / tried.max(1.0))
}

/// How an adapter writes unless asked otherwise.
pub(crate) fn way(adapter: &Adapter) -> Way {
    of_mix(&Mix::of(adapter), adapter)
}

fn of_mix(mix: &Mix, adapter: &Adapter) -> Way {
    let unrolled = match mix.method {
        Method::Pema => false,
        Method::PemaGu => true,
        Method::Base | Method::Knn => adapter.meta.schedule != Schedule::Constant,
    };
    let schedule = if unrolled { Shown::GradualUnrolling } else { Shown::Constant };
    let (adapted, versions) = (mix.method.adapted(), mix.beams as u32);
    Way { adapted, schedule, weight: mix.lambda, copying: mix.copying, versions, similar: mix.similar as u32 }
}

fn told(verdict: &pema::Verdict) -> Verdict {
    let finding = match verdict.finding() {
        pema::Finding::Helps => Finding::Helps,
        pema::Finding::SeemsToHelp => Finding::SeemsToHelp,
        pema::Finding::NoDifference => Finding::NoDifference,
        pema::Finding::DoesNotHelp => Finding::DoesNotHelp,
    };
    let (gain, advice) = (&verdict.gain, verdict.reason.map_or("", pema::Reason::advice));
    Verdict {
        finding,
        gain: gain.value as f32,
        range: verdict.proves().then_some([gain.low as f32, gain.high as f32]),
        pairs: verdict.pairs as u32,
        advice: advice.to_owned(),
    }
}
