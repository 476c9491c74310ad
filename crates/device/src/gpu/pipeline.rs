//! Compiled kernels and bind groups, made once and kept.

use std::collections::HashMap;

use pema_kernels::{Binding, Kernel};

#[derive(Debug, Default)]
pub(crate) struct Pipelines {
    compiled: HashMap<&'static str, Compiled>,
    bind_groups: HashMap<(&'static str, Vec<u64>), wgpu::BindGroup>,
}

#[derive(Debug)]
struct Compiled {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

impl Pipelines {
    pub(crate) fn get(&mut self, device: &wgpu::Device, kernel: &'static Kernel) -> &wgpu::ComputePipeline {
        &self.compiled.entry(kernel.name).or_insert_with(|| compile(device, kernel)).pipeline
    }

    /// The bind group of these buffers; `get` has been called for the kernel before.
    pub(crate) fn bind_group(
        &mut self,
        device: &wgpu::Device,
        kernel: &'static Kernel,
        uniforms: &wgpu::Buffer,
        buffers: &[(u64, &wgpu::Buffer)],
    ) -> wgpu::BindGroup {
        let layout = &self.compiled[kernel.name].layout;
        let key = (kernel.name, buffers.iter().map(|(id, _)| *id).collect());
        let make = || {
            let params =
                wgpu::BufferBinding { buffer: uniforms, offset: 0, size: wgpu::BufferSize::new(uniform_size(kernel)) };
            let mut entries =
                vec![wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(params) }];
            for (i, (_, buffer)) in buffers.iter().enumerate() {
                entries.push(wgpu::BindGroupEntry { binding: i as u32 + 1, resource: buffer.as_entire_binding() });
            }
            device.create_bind_group(&wgpu::BindGroupDescriptor { label: Some(kernel.name), layout, entries: &entries })
        };
        self.bind_groups.entry(key).or_insert_with(make).clone()
    }

    /// Lets go of bind groups that name freed buffers, and with them of the buffers' memory.
    pub(crate) fn forget(&mut self, freed: &[u64]) {
        if !freed.is_empty() {
            self.bind_groups.retain(|(_, ids), _| !ids.iter().any(|id| freed.contains(id)));
        }
    }
}

fn uniform_size(kernel: &Kernel) -> u64 {
    kernel.params.size.next_multiple_of(16) as u64
}

fn compile(device: &wgpu::Device, kernel: &'static Kernel) -> Compiled {
    let entry =
        |binding: usize, ty: wgpu::BufferBindingType, size: Option<wgpu::BufferSize>| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: binding == 0, min_binding_size: size },
            count: None,
        };
    let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform, wgpu::BufferSize::new(uniform_size(kernel)))];
    for (i, binding) in kernel.bindings.iter().enumerate() {
        let ty = wgpu::BufferBindingType::Storage { read_only: *binding == Binding::Read };
        entries.push(entry(i + 1, ty, None));
    }
    let layout = device
        .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(kernel.name), entries: &entries });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(kernel.name),
        bind_group_layouts: &[Some(&layout)],
        ..wgpu::PipelineLayoutDescriptor::default()
    });
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(kernel.name),
        source: wgpu::ShaderSource::Wgsl(kernel.wgsl().into()),
    };
    let checks = if cfg!(debug_assertions) {
        wgpu::ShaderRuntimeChecks::checked()
    } else {
        wgpu::ShaderRuntimeChecks::unchecked()
    };
    // SAFETY: the shaders are this project's own. Every index is bounded by parameters that the Rust side
    // derives from buffer sizes, and the tests run all of them with the checks on.
    #[expect(unsafe_code, reason = "run-time checks halve the arithmetic of a matrix product")]
    let module = unsafe { device.create_shader_module_trusted(descriptor, checks) };
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(kernel.name),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: kernel.constants,
            zero_initialize_workgroup_memory: cfg!(debug_assertions),
        },
        cache: None,
    });
    Compiled { pipeline, layout }
}
