"""Plan how to load a model file on this machine as it is now."""

import os
from dataclasses import dataclass, replace

from msgspec import structs

from g4run.engine.parameters import LoadParameters
from g4run.hardware.inspection import inspect_machine, inspect_without_gpus
from g4run.hardware.machine import Machine
from g4run.models.library import ModelFile
from g4run.models.store.records import StoredFile
from g4run.planner.memory.engine_caches import bound_caches
from g4run.planner.memory.layer_split import usable_gpus
from g4run.planner.memory.weights import shape_of
from g4run.planner.placement import plan_with_drafter
from g4run.planner.request_validation import check_request
from g4run.planner.values import Ledger, ModelShape, Plan, PlanRequest, PlanSettings
from g4run.settings import Settings

# Threads wait for each other after every operation. With weights as small as the built-in model's 3 MB, a second thread
# gains little (1,540 tokens/s instead of 1,430) and loses much if other programs use a core (15 instead of 235).
# Starting a GPU alone takes longer than such a model's answer.
TINY_BYTES = 32 << 20


class LoadOptions(PlanRequest, frozen=True):
    """The settings that the user fixed; `ignores_memory` also loads a model that does not fit."""

    ignores_memory: bool = False
    rpc_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """A plan to load a model, the machine that it was made for, and the engine's parameters."""

    plan: Plan
    machine: Machine
    parameters: LoadParameters


def inspect_for(model: ModelFile, settings: Settings, options: LoadOptions) -> Machine:
    """Inspect this machine, without its GPUs for a model too small to gain from them, unless it is to use them."""
    if is_tiny(model) and not options.gpu_layers:
        return structs.replace(inspect_without_gpus(), margin=settings.margin)
    return inspect_machine(settings, rpc_servers=options.rpc_servers)


def plan_load(
    model: ModelFile, machine: Machine, settings: Settings, options: LoadOptions, *, may_repack: bool = True
) -> LoadPlan:
    """Return the best plan for `model`, fitting or not. Raises UsageError for impossible options (check_request)."""
    request = structs.replace(options, context=_choose_context(model, settings, options), may_repack=may_repack)
    shape, drafter = shape_of_file(model), _find_drafter(model)
    check_request(request, shape, machine)
    plan = plan_with_drafter(shape, drafter.size_bytes if drafter else 0, machine, request)
    threads = settings.threads or (1 if is_tiny(model) else plan.settings.threads)
    plan = structs.replace(plan, settings=structs.replace(plan.settings, threads=threads))
    parameters = load_parameters(os.fsencode(model.path), plan.settings, machine)
    drafter_path = os.fsencode(drafter.path) if drafter and plan.shape.drafter_bytes else None
    return LoadPlan(plan, machine, with_caches(replace(parameters, drafter_path=drafter_path), plan.ledger))


def _find_drafter(model: ModelFile) -> StoredFile | None:
    """Return the drafter that was pulled with the model, if it still exists."""
    drafter = model.record.drafter if model.record else None
    return drafter if drafter and drafter.path.exists() else None


def with_caches(parameters: LoadParameters, ledger: Ledger) -> LoadParameters:
    """Give the engine's caches part of the main memory that a plan leaves free."""
    bounds = bound_caches(ledger)
    return replace(parameters, checkpoint_bytes=bounds.checkpoint_bytes, ram_cache_bytes=bounds.ram_cache_bytes)


def load_parameters(path: bytes, settings: PlanSettings, machine: Machine) -> LoadParameters:
    """Convert a plan's settings to engine parameters; several GPUs split the layers as planned."""
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
        amx=machine.processors.may_use_amx,
        rpc_servers=machine.rpc_servers if settings.gpu_layers > 0 else (),
        gpu_split=tuple(float(gpu.free_bytes) for gpu in gpus) if len(gpus) > 1 else (),
    )


def shape_of_file(model: ModelFile) -> ModelShape:
    """Return the shape of a model on disk, without its projector, which the engine does not load, and its drafter."""
    record = model.record
    file_bytes = sum(file.size_bytes for file in record.model_files) if record else model.header.weights_bytes
    digest = (record.digest if record else None) or ""
    return structs.replace(shape_of(model.name, model.header, model.architecture, file_bytes=file_bytes), digest=digest)


def is_tiny(model: ModelFile) -> bool:
    """Whether a model is so small that one thread and no GPU are the fastest."""
    return model.header.weights_bytes < TINY_BYTES


def _choose_context(model: ModelFile, settings: Settings, options: LoadOptions) -> int | None:
    """Return the context from the options, else from the environment, capped to the model's; None if neither is set."""
    if options.context is not None or settings.context_length is None:
        return options.context
    return min(settings.context_length, model.architecture.context_length)
