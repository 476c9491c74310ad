//! `pema contexts`: f(c) of a text, for other programs.

use anyhow::{Context, Result};
use pema::files;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use crate::args::{ContextsArgs, Global};
use crate::engine;

pub async fn run(global: &Global, args: &ContextsArgs) -> Result<()> {
    files::check_writable(&args.out)?;
    let model = engine::model(&args.model).await?;
    let ids = match (&args.ids, &args.text) {
        (Some(ids), _) => ids.clone(),
        (None, text) => model.tokenizer.encode(text.as_deref().unwrap_or_default())?,
    };
    if ids.is_empty() {
        anyhow::bail!("there is no token to read: the text is empty; give some text or ids");
    }
    let plm = pema_plm::Plm::load(model, engine::device(global).await?).await?;
    let contexts = plm.contexts(&ids).await.with_context(|| format!("{} cannot read this", args.model.display()))?;
    let d = plm.file.config.hidden;
    let id_bytes: Vec<u8> = ids.iter().flat_map(|i| i.to_le_bytes()).collect();
    let f_bytes: Vec<u8> = contexts.iter().flat_map(|f| f.to_le_bytes()).collect();
    let tensors = [
        ("ids", TensorView::new(Dtype::U32, vec![ids.len()], &id_bytes)?),
        ("context", TensorView::new(Dtype::F32, vec![ids.len(), d], &f_bytes)?),
    ];
    let bytes = safetensors::serialize(tensors, None).context("the contexts cannot be written as safetensors")?;
    files::write(&args.out, &bytes)?;
    if global.json {
        return engine::print_json(&json!({"out": args.out, "tokens": ids.len(), "hidden_size": d, "ids": ids}));
    }
    println!("{} tokens, f(c) of width {d} written to {}", ids.len(), args.out.display());
    Ok(())
}
