"""JAX on CUDA: `jax_scan.py`, with products in single precision or in TF32."""

import jax
from jobs import Job

if jax.default_backend() != "gpu":
    raise ModuleNotFoundError("no CUDA device", name="CUDA")

from peers import jax_scan

VERSIONS = jax_scan.VERSIONS | {"device": jax.devices()[0].device_kind}


def Trainer(job: Job, *arguments, tf32: bool = False):
    jax.config.update("jax_default_matmul_precision", "default" if tf32 else "highest")
    return jax_scan.Trainer(job, *arguments)
