//! Pipelines of shaders: the bindings follow from the shader's own text.

/// The first line of a shader whose every index is in range, and whose every loop ends, for the reasons that [`build`] gives.
pub const IN_RANGE: &str = "// Every index is in range.\n";

/// A compiled shader.
pub struct Pipeline {
    /// To be set before a dispatch.
    pub pipeline: wgpu::ComputePipeline,
    /// What its bindings are.
    pub layout: wgpu::BindGroupLayout,
}

/// Whether each storage binding of a shader, from binding 2 on, is only read.
pub fn storage_bindings(shader: &str) -> Vec<bool> {
    let declarations = shader.lines().filter(|line| line.starts_with("@group(0)") && line.contains("var<storage"));
    declarations.map(|line| line.contains("var<storage, read>")).collect()
}

/// Compiles a shader. What goes wrong is reported to the device's error scopes.
pub fn build(device: &wgpu::Device, shader: &str) -> Pipeline {
    use wgpu::BufferBindingType::{Storage, Uniform};
    let entry = |binding: usize, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
        binding: binding as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    };
    let storage = storage_bindings(shader).into_iter().enumerate();
    let entries: Vec<_> = [entry(0, Uniform, true), entry(1, Uniform, false)]
        .into_iter()
        .chain(storage.map(|(i, read_only)| entry(i + 2, Storage { read_only }, false)))
        .collect();
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
    let source = wgpu::ShaderSource::Wgsl(shader.into());
    let descriptor = wgpu::ShaderModuleDescriptor { label: None, source };
    let module = if shader.starts_with(IN_RANGE) {
        // SAFETY: only the products (wgsl/gemm.rs) begin so; nothing that a user writes gets into their text but numbers.
        // Workgroup memory: `quad` is below the tile's quads and `k` below its depth, being remainder and quotient of a
        // number below the product of the two; what is read lies at `own` below the workgroup's size, which times the blocks
        // an invocation holds is the tile; a test goes through every tile. Storage: rows, columns and terms are held below
        // `rows()`, `columns()` and `depth()` with `min` where they are read and compared where they are written, and the
        // buffers have as many for the largest batch (`numbers` in memory.rs), which no step exceeds; as vectors they are
        // only read and written where lines are multiples of four. Rows of the data set come from the order of an epoch,
        // which names samples that are there, once each step has been told how many it has. Loops run over the depth, the
        // tile's depth, an invocation's blocks, four rows and at most four slots. Divisors are constants and `per_sample`,
        // which is at least 1 for a tensor with rows.
        unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
    } else {
        device.create_shader_module(descriptor)
    };
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            // Every kernel writes its workgroup memory before it reads it.
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        },
        cache: None,
    });
    Pipeline { pipeline, layout }
}
