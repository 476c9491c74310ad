//! No GPU needed: every shader is parsed and validated by naga and compared with its Rust table, so
//! that binding numbers, access, override names and field offsets cannot drift apart.

use std::collections::BTreeSet;

use naga::valid::{Capabilities, ValidationFlags, Validator};
use pema_kernels::{Binding, Kernel, all, all_cases};

/// What is wrong with a kernel's shader, if anything.
fn disagreement(kernel: &Kernel, text: &str) -> Result<(), String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|e| e.emit_to_string(text))?;
    // unpack2x16float is core WGSL; naga counts it as a capability.
    Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16_IN_FLOAT32)
        .validate(&module)
        .map_err(|e| e.emit_to_string(text))?;
    let entries: Vec<_> = module.entry_points.iter().map(|e| e.name.as_str()).collect();
    if entries != ["main"] {
        return Err(format!("entry points {entries:?}"));
    }
    let mut seen = 0;
    for (_, variable) in module.global_variables.iter() {
        let Some(binding) = &variable.binding else { continue };
        seen += 1;
        if binding.group != 0 {
            return Err(format!("group {}", binding.group));
        }
        match (binding.binding as usize, variable.space) {
            (0, naga::AddressSpace::Uniform) => {
                let naga::TypeInner::Struct { members, span } = &module.types[variable.ty].inner else {
                    return Err("binding 0 is not a struct".into());
                };
                let fields: Vec<_> =
                    members.iter().map(|m| (m.name.clone().unwrap_or_default(), m.offset as usize)).collect();
                let expected: Vec<_> = kernel.params.fields.iter().map(|(n, o)| ((*n).to_owned(), *o)).collect();
                if fields != expected || *span as usize != kernel.params.size {
                    return Err(format!("Params is {fields:?} of {span} bytes, Rust says {:?}", kernel.params));
                }
            }
            (n, naga::AddressSpace::Storage { access }) if (1..=kernel.bindings.len()).contains(&n) => {
                let written = access.contains(naga::StorageAccess::STORE);
                if written != (kernel.bindings[n - 1] == Binding::ReadWrite) {
                    return Err(format!("binding {n} is {access:?}"));
                }
            }
            (n, space) => return Err(format!("binding {n} in {space:?}")),
        }
    }
    if seen != kernel.bindings.len() + 1 {
        return Err(format!("{seen} bindings, Rust says {}", kernel.bindings.len() + 1));
    }
    let overrides: BTreeSet<_> = module.overrides.iter().filter_map(|(_, o)| o.name.clone()).collect();
    let constants: BTreeSet<_> = kernel.constants.iter().map(|(n, _)| (*n).to_owned()).collect();
    if overrides != constants {
        return Err(format!("overrides {overrides:?}, Rust says {constants:?}"));
    }
    Ok(())
}

#[test]
fn every_shader_validates_and_agrees_with_its_table() {
    let kernels = all();
    for kernel in &kernels {
        if let Err(why) = disagreement(kernel, &kernel.wgsl()) {
            panic!("{}: {why}", kernel.name);
        }
        assert!(kernel.bindings.len() <= 8, "{}: WebGPU guarantees 8 storage buffers", kernel.name);
        assert!(!kernel.tolerance.why.is_empty(), "{}: a tolerance has a reason", kernel.name);
    }
    println!("{} shaders checked", kernels.len());
}

#[test]
fn the_check_notices_a_moved_field_a_changed_access_and_an_extra_binding() {
    let kernel = &pema_kernels::axpby::KERNEL;
    let text = kernel.wgsl();
    assert!(disagreement(kernel, &text).is_ok());
    for (from, to) in [
        ("n: u32, period: u32", "period: u32, n: u32"),
        ("n: u32, period: u32", "n: u32, pad: u32, period: u32"),
        ("storage, read>", "storage, read_write>"),
        ("fn main", "fn start"),
        ("struct Params", "override WG: u32 = 64u;\nstruct Params"),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "{from}");
        assert!(disagreement(kernel, &changed).is_err(), "{from} -> {to}");
    }
}

#[test]
fn names_are_unique_and_every_kernel_has_cases() {
    let names: BTreeSet<_> = all().iter().map(|k| k.name).collect();
    assert_eq!(names.len(), all().len());
    let tested: BTreeSet<_> = all_cases().iter().map(|c| c.kernel.name).collect();
    assert_eq!(names, tested);
}

#[test]
fn every_shader_file_is_used() {
    let used: BTreeSet<_> = all().iter().flat_map(|k| k.sources.iter().map(|s| s.file.to_owned())).collect();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../shaders");
    let mut files = BTreeSet::new();
    for (folder, prefix) in [(root.to_owned(), ""), (format!("{root}/shared"), "shared/")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".wgsl") {
                files.insert(format!("{prefix}{name}"));
            }
        }
    }
    assert_eq!(files, used);
}
