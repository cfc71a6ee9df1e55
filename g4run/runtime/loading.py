"""How a model file is to be loaded on this machine as it is now."""

import os
from dataclasses import dataclass, replace

from g4run.engine.parameters import KvType, LoadParameters
from g4run.errors import UsageError
from g4run.hardware.machine import Machine
from g4run.models.library import ModelFile
from g4run.models.store.records import StoredFile
from g4run.planner.placement import plan_model
from g4run.planner.shape import shape_of
from g4run.planner.split import usable_gpus
from g4run.planner.values import Ledger, ModelShape, Plan, PlanRequest, PlanSettings
from g4run.runtime.machine import inspect_this_machine, inspect_without_gpus
from g4run.settings import Settings
from g4run.units import render_count

# Threads wait for each other after every operation. Over weights as small as the built-in model's 3 MB that leaves
# little to gain (two threads: 1,540 tokens/s, one: 1,430) and much to lose where other programs hold a core (15, 235).
# A GPU's start alone takes longer than such a model's answer.
TINY_BYTES = 32 << 20

# Of the main memory that is left, what conversations may take that have left the cache, and as much for checkpoints; so
# half of it stays for others.
CACHE_SHARE = 4
MOST_CHECKPOINT_BYTES = 512 << 20
MOST_RAM_CACHE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What a person fixed; None leaves the choice to the plan. Lengths in tokens.

    `ignores_memory` loads also what does not fit.
    """

    context_length: int | None = None
    kv_type: KvType | None = None
    gpu_layers: int | None = None
    cpu_expert_layers: int | None = None
    ignores_memory: bool = False


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """A way to load a model, the machine that it was made for, and what the engine is told."""

    plan: Plan
    machine: Machine
    parameters: LoadParameters


def inspect_for(model: ModelFile, settings: Settings) -> Machine:
    """This machine as it is now; without its GPUs for a model that would not gain by them."""
    return inspect_without_gpus() if is_tiny(model) else inspect_this_machine(settings)


def plan_load(model: ModelFile, machine: Machine, settings: Settings, options: LoadOptions) -> LoadPlan:
    """The best way to load `model`, fitting or not. Raises UsageError for a context beyond what it was trained for."""
    request = PlanRequest(
        context=_choose_context(model, settings, options),
        kv_type=options.kv_type,
        gpu_layers=options.gpu_layers,
        cpu_expert_layers=options.cpu_expert_layers,
    )
    plan, drafter = _plan_with_drafter(model, machine, request)
    threads = settings.threads or (1 if is_tiny(model) else plan.settings.threads)
    plan = replace(plan, settings=replace(plan.settings, threads=threads))
    parameters = load_parameters(os.fsencode(model.path), plan.settings, machine)
    drafter_path = None if drafter is None else os.fsencode(drafter.path)
    return LoadPlan(plan, machine, with_caches(replace(parameters, drafter_path=drafter_path), plan.ledger))


def _plan_with_drafter(model: ModelFile, machine: Machine, request: PlanRequest) -> tuple[Plan, StoredFile | None]:
    """The best plan, and the drafter that was pulled with the model where it has room beside it."""
    shape = shape_of_file(model)
    plan = plan_model(shape, machine, request)
    drafter = model.record.drafter if model.record else None
    if drafter is None or not drafter.path.exists():
        return plan, None
    both = plan_model(replace(shape, drafter_bytes=drafter.size_bytes), machine, request)
    has_room = both.ledger.fits and both.settings == plan.settings
    return (both, drafter) if has_room else (plan, None)


def with_caches(parameters: LoadParameters, ledger: Ledger) -> LoadParameters:
    """Give the engine's own caches a part of the main memory that a plan leaves."""
    host = ledger.devices[-1]
    share = max(0, host.free_bytes - host.total_bytes) // CACHE_SHARE
    return replace(
        parameters,
        checkpoint_bytes=min(MOST_CHECKPOINT_BYTES, share),
        ram_cache_bytes=min(MOST_RAM_CACHE_BYTES, share),
    )


def load_parameters(path: bytes, settings: PlanSettings, machine: Machine) -> LoadParameters:
    """A plan's settings as the engine takes them; several GPUs share the layers as the plan has it."""
    gpus = usable_gpus(machine) if settings.gpu_layers > 0 else ()
    return LoadParameters(
        model_path=path,
        context_length=settings.context,
        threads=settings.threads,
        sequences=settings.sequences,
        micro_batch=settings.micro_batch,
        gpu_layers=settings.gpu_layers,
        kv_type=settings.kv_type,
        cpu_expert_layers=settings.cpu_expert_layers,
        lazy_table=settings.lazy_table,
        repack=settings.repack,
        gpu_split=tuple(float(gpu.free_bytes) for gpu in gpus) if len(gpus) > 1 else (),
    )


def shape_of_file(model: ModelFile) -> ModelShape:
    """What a model on disk weighs, without its projector, which the engine does not load, and its drafter."""
    record = model.record
    file_bytes = sum(file.size_bytes for file in record.model_files) if record else model.header.weights_bytes
    digest = (record.digest if record else None) or ""
    return replace(shape_of(model.name, model.header, model.architecture, file_bytes=file_bytes), digest=digest)


def is_tiny(model: ModelFile) -> bool:
    """Whether a model is so small that one thread and no GPU are the fastest."""
    return model.header.weights_bytes < TINY_BYTES


def _choose_context(model: ModelFile, settings: Settings, options: LoadOptions) -> int | None:
    """What the person or the environment asks for; None where neither does."""
    trained = model.architecture.context_length
    if options.context_length is not None and options.context_length > trained:
        raise UsageError(
            f"{model.name} was trained for a context of {render_count(trained)} tokens, "
            f"not {render_count(options.context_length)}",
            f"--ctx {trained}",
        )
    if options.context_length is None and settings.context_length is not None:
        return min(settings.context_length, trained)
    return options.context_length
