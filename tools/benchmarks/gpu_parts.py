# SPDX-License-Identifier: Apache-2.0
"""One part of tools/bench.py gpu, in a process of its own, so that a crash or a kill costs no other part.

``python gpu_parts.py PART SETTINGS ROWS SECONDS`` writes each figure as a line of JSON as soon as it has it. What
cannot be measured is a line, too, with the reason under ``not_measured``.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))

from benchmarks.gpu_settings import Settings, read_settings

from cad.spec import INPUTS, OUTPUTS
from cad.weights import find_entry, read_verified
from cad.weights.golden import CASES, GoldenCase
from cad.windows import Window

Row = dict[str, Any]
Part = Callable[[Settings, float], Iterator[Row]]


def main(words: Sequence[str]) -> int:
    """Write the rows of one part; whatever it raises is a row."""
    name, settings_path, rows_path, seconds = words
    settings, until = read_settings(Path(settings_path)), time.monotonic() + float(seconds)
    with Path(rows_path).open("a", encoding="utf-8") as file:
        rows = ALL[name](settings, until)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return 0
            except Exception as error:
                row = {"what": name, "not_measured": in_a_line(error)}
                rows = iter(())
            file.write(json.dumps({"part": name, **row}) + "\n")
            file.flush()


def in_a_line(error: BaseException) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) < 300 else f"{text[:297]}..."


def machine(settings: Settings, until: float) -> Iterator[Row]:
    """What this runs on, and which providers start."""
    cores = len(os.sched_getaffinity(0))
    yield {"what": "processor", "name": processor_name(), "cores": cores, "system": platform.platform()}
    yield card()

    import onnxruntime

    from cad.runtime.providers import DEVICES
    from cad.runtime.session import open_model
    from cad.versions import versions

    yield {"what": "versions", "python": platform.python_version(), **versions(), **torch_versions()}
    yield {"what": "providers", "offered": onnxruntime.get_available_providers()}
    entry = find_entry(settings.model)
    content = read_verified(entry)
    for device in DEVICES:
        if device == "auto" or (device == "tensorrt" and settings.device == "cuda"):
            continue  # tensorrt is opened in its own part, since building engines takes long
        began = time.monotonic()
        try:
            model = open_model(content, entry.name, device)
        except Exception as error:
            yield {"what": f"device {device}", "not_measured": in_a_line(error)}
            continue
        yield {"what": f"device {device}", "providers": model.providers, "seconds": time.monotonic() - began}


def processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def torch_versions() -> Row:
    try:
        import torch
    except ImportError:
        return {}
    return {"torch": torch.__version__, "torch_cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}


def card() -> Row:
    try:
        import torch
    except ImportError as error:
        return {"what": "card", "not_measured": in_a_line(error)}
    if not torch.cuda.is_available():
        return {"what": "card", "not_measured": "torch sees no CUDA device"}
    facts = torch.cuda.get_device_properties(0)
    return {
        "what": "card",
        "name": facts.name,
        "memory_mib": facts.total_memory >> 20,
        "multiprocessors": facts.multi_processor_count,
        "capability": f"{facts.major}.{facts.minor}",
    }


def ceilings(settings: Settings, until: float) -> Iterator[Row]:
    """What the device can do at most: bytes moved and multiplications, each measured."""
    import torch

    torch.set_grad_enabled(False)
    on = settings.device
    yield from copies(settings, on)
    kinds = (("fp32", torch.float32, False), ("fp32 in TF32", torch.float32, True), ("fp16", torch.float16, False))
    for name, kind, tf32 in kinds:
        if on != "cuda" and name != "fp32":
            yield {"what": f"matmul {name}", "not_measured": "no CUDA device"}
            continue
        torch.backends.cuda.matmul.allow_tf32 = tf32
        best = 0.0
        for side in settings.sides:
            one, other = (torch.randn(side, side, device=on).to(kind) for _ in range(2))
            seconds, rounds = timed(lambda one=one, other=other: one @ other, settings, on)
            best = max(best, 2 * side**3 / seconds / 1e12)
        yield {"what": f"matmul {name}", "tflops": best, "rounds": rounds, "sides": settings.sides}


def copies(settings: Settings, on: str) -> Iterator[Row]:
    import torch

    size = settings.copy_mib << 20
    source, target = (torch.zeros(size, dtype=torch.uint8, device=on) for _ in range(2))
    seconds, rounds = timed(lambda: target.copy_(source), settings, on)
    yield {"what": "copy", "gb_per_second": 2 * size / seconds / 1e9, "rounds": rounds, "mib": settings.copy_mib}
    if on == "cuda":
        for name, host in (("pageable", source.cpu()), ("page-locked", source.cpu().pin_memory())):
            seconds, rounds = timed(lambda host=host: target.copy_(host, non_blocking=True), settings, on)
            yield {"what": f"copy from {name} memory", "gb_per_second": size / seconds / 1e9, "rounds": rounds}


def timed(work: Callable[[], object], settings: Settings, on: str, until: float | None = None) -> tuple[float, int]:
    """Return the median seconds of a call, after two that are not counted, and how many were."""
    wait = waiter(on)
    for _ in range(2):
        work()
    wait()
    found: list[float] = []
    stop = time.monotonic() + settings.seconds
    while len(found) < settings.rounds or (time.monotonic() < min(stop, until or stop) and len(found) < 200):
        began = time.perf_counter()
        work()
        wait()
        found.append(time.perf_counter() - began)
    return float(np.median(found)), len(found)


def waiter(on: str) -> Callable[[], None]:
    if on != "cuda":
        return lambda: None
    import torch

    return torch.cuda.synchronize


def parity(settings: Settings, until: float) -> Iterator[Row]:
    """How far each device is from the CPU: on the golden vectors by the same graph, and in verdicts on clips."""
    from cad.runtime.portable_graph import portable
    from cad.runtime.session import open_model
    from cad.weights.session import open_session

    entry = find_entry(settings.model)
    content = read_verified(entry)
    reference = open_session(portable(content, entry.name), entry.name, threads=0)
    wanted = {case.name: reference.run(list(OUTPUTS), case.inputs()) for case in CASES}
    del reference
    opened = []
    for device in ("cpu", "cuda", "openvino"):
        try:
            session = open_model(content, entry.name, device).session
        except Exception as error:
            yield {"what": f"golden vectors, {device}", "not_measured": in_a_line(error)}
            continue
        worst = dict.fromkeys(OUTPUTS, 0.0)
        for case in CASES:
            for name, now, then in zip(
                OUTPUTS, session.run(list(OUTPUTS), case.inputs()), wanted[case.name], strict=True
            ):
                worst[name] = max(worst[name], float(np.abs(now - then).max()))
        opened.append(device)
        yield {"what": f"golden vectors, {device}", "worst_difference": max(worst.values()), "by_output": worst}
    yield from verdict_parity(settings, [device for device in opened if device != "cpu"], until)


def verdict_parity(settings: Settings, devices: Sequence[str], until: float) -> Iterator[Row]:
    """Compare verdicts; the decoder and OpenCV have to be there."""
    from cad.detector import Detector

    place = Path(settings.clips)
    clips = sorted(path for path in place.iterdir() if path.suffix != ".md") if place.is_dir() else [place]
    found: dict[str, dict[str, Any]] = {}
    for device in ("cpu", *devices):
        with Detector(model=settings.model, device=device) as detector:
            for clip in clips:
                if time.monotonic() > until:
                    yield {
                        "what": f"verdicts, {device}",
                        "not_measured": "no time left",
                        "clips": len(found.get(device, {})),
                    }
                    return
                verdict = detector.detect(clip)
                found.setdefault(device, {})[clip.name] = verdict
    for device in devices:
        pairs = [(found["cpu"][name], verdict) for name, verdict in found[device].items()]
        yield {
            "what": f"verdicts, {device}",
            "clips": len(pairs),
            "same_label": sum(one.label == other.label for one, other in pairs),
            "worst_probability": max(far_apart(one, other) for one, other in pairs),
        }
    if not devices:
        yield {"what": "verdicts", "not_measured": "no other device than the CPU starts", "clips": len(clips)}


def far_apart(one: Any, other: Any) -> float:
    pairs = [(one.probability_fake, other.probability_fake)]
    pairs += [(one.streams[name].probability_fake, other.streams[name].probability_fake) for name in one.streams]
    return max((abs(a - b) for a, b in pairs if a is not None and b is not None), default=0.0)


def inputs_of(batch: int, slots: int) -> dict[str, np.ndarray]:
    """Return a batch of full windows: four different ones, repeated."""
    few = GoldenCase("made", min(batch, 4), slots).inputs()
    return {name: np.concatenate([value] * -(-batch // 4))[:batch] for name, value in few.items()}


def runtime_fp32(settings: Settings, until: float) -> Iterator[Row]:
    """The packaged model as the product opens it on the device."""
    from cad.runtime.session import open_model

    entry = find_entry(settings.model)
    device = settings.device
    model = open_model(read_verified(entry), entry.name, device)  # type: ignore[arg-type]
    # On a CPU the large judge's products are in integers, for which no ceiling is measured.
    precision = "as packaged" if device == "cpu" else "fp32"
    yield from session_rows(f"onnxruntime {device}", precision, model.session, settings, until)
    yield from product_rows(model, precision, settings, until)


def session_rows(what: str, precision: str, session: Any, settings: Settings, until: float) -> Iterator[Row]:
    """Time a session on inputs that lie on the device already."""
    import onnxruntime

    memory = "cuda" if settings.device == "cuda" else "cpu"

    def prepare(batch: int) -> Callable[[], object]:
        binding = session.io_binding()
        for name, value in inputs_of(batch, settings.slots).items():
            binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(value, memory, 0))
        for name in OUTPUTS:
            binding.bind_output(name, "cpu")
        return lambda: session.run_with_iobinding(binding)

    # A call returns when its outputs are on the host, so there is nothing to wait for.
    yield from batch_rows(what, precision, prepare, settings, until, "cpu")


def product_rows(model: Any, precision: str, settings: Settings, until: float) -> Iterator[Row]:
    """Time what the product does for a batch: stacked in page-locked buffers, copied, run."""
    from cad.runtime.scorer import runner_for

    run = runner_for(model)

    def prepare(batch: int) -> Callable[[], object]:
        given = inputs_of(batch, settings.slots)
        windows = [
            Window(0, 0, *(given[name][row] for name in ("frames", "frames_present", "audio", "audio_present")))
            for row in range(batch)
        ]
        return lambda: run(windows)

    most = model.traits.batch_windows
    few = sorted({min(settings.batches), min(most, max(settings.batches))})
    yield from batch_rows("the product's scorer", precision, prepare, settings, until, "cpu", few)


def batch_rows(
    what: str,
    precision: str,
    prepare: Callable[[int], Callable[[], object]],
    settings: Settings,
    until: float,
    on: str,
    batches: Sequence[int] | None = None,
) -> Iterator[Row]:
    """Yield windows a second for each batch while there is time; what failed is not tried with more windows."""
    took = 0.0
    failed: dict[int, str] = {}
    for batch in batches or settings.batches:
        row: Row = {"what": what, "precision": precision, "batch": batch}
        # Two calls are not counted, a batch twice as large takes at most twice as long.
        late = time.monotonic() + 2 * took * (2 + settings.rounds) > until
        why = next((reason for size, reason in failed.items() if batch >= size), "no time left" if late else None)
        if why is None:
            try:
                work = prepare(batch)
                began = time.monotonic()
                took, rounds = timed(work, settings, on, until)
            except Exception as error:
                why = failed[batch] = in_a_line(error)
        if why is not None:
            yield {**row, "not_measured": why}
            continue
        warm_up = time.monotonic() - began - took * rounds
        yield {**row, "windows_per_second": batch / took, "seconds": took, "rounds": rounds, "warm_up_seconds": warm_up}


def runtime_fp16(settings: Settings, until: float) -> Iterator[Row]:
    """The model in float16 by ONNX Runtime's own converter, or one that was given, with its distance from float32."""
    import onnxruntime

    from cad.runtime.portable_graph import portable
    from cad.runtime.provider_options import load_cuda_libraries, options_of
    from cad.runtime.providers import BY_DEVICE
    from cad.weights.session import open_session

    if settings.device != "cuda" and settings.model != "cad_small_3":
        yield {"what": f"onnxruntime {settings.device}", "precision": "fp16", "not_measured": "no CUDA device"}
        return
    entry = find_entry(settings.model)
    content = portable(read_verified(entry), entry.name)
    half = Path(settings.fp16_model).read_bytes() if settings.fp16_model else in_float16(content)
    providers = BY_DEVICE[settings.device]
    if settings.device == "cuda":
        load_cuda_libraries()
    told = [options_of(name, entry.sha256) for name in providers]
    session, exact = (open_session(one, entry.name, providers, 0, told) for one in (half, content))
    if session.get_providers()[0] != providers[0]:
        yield {
            "what": f"onnxruntime {settings.device}",
            "precision": "fp16",
            "not_measured": f"{providers[0]} does not start",
        }
        return
    inputs = CASES[0].inputs()
    pairs = zip(session.run(list(OUTPUTS), inputs), exact.run(list(OUTPUTS), inputs), strict=True)
    yield {
        "what": "fp16 against fp32",
        "worst_difference": max(float(np.abs(one.astype(np.float32) - other).max()) for one, other in pairs),
        "onnxruntime": onnxruntime.__version__,
    }
    del exact
    yield from session_rows(f"onnxruntime {settings.device}", "fp16", session, settings, until)


def in_float16(content: bytes) -> bytes:
    """Return a model whose tensors are float16 inside, float32 at its inputs and outputs and where sums are long.

    The converter does not reach into an If, so that the large encoder looks at every window here.
    """
    import onnx
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    from cad.export.absent_faces import look_at_all

    sums = ("Log", "Pow", "ReduceSum", "ReduceMean", "ReduceL2", "ReduceLogSumExp", "CumSum", "Range")
    model = onnx.load_from_string(content)
    look_at_all(model.graph)
    kept = [*DEFAULT_OP_BLOCK_LIST, *sums]
    return bytes(convert_float_to_float16(model, keep_io_types=True, op_block_list=kept).SerializeToString())


def tensorrt(settings: Settings, until: float) -> Iterator[Row]:
    """TensorRT through ONNX Runtime, where its libraries are there; float16 is for this table, never for a verdict."""
    from cad.runtime.portable_graph import portable
    from cad.runtime.provider_options import options_of
    from cad.runtime.providers import BY_DEVICE
    from cad.runtime.session import open_model
    from cad.weights.session import open_session

    entry = find_entry(settings.model)
    content = read_verified(entry)
    # The largest first: an engine is built for the range of shapes that were seen.
    largest_first = replace(settings, batches=tuple(sorted(settings.batches, reverse=True)))
    with tempfile.TemporaryDirectory(prefix="cad-engines-") as folder:
        os.environ["CAD_TENSORRT_CACHE"] = folder
        try:
            model = open_model(content, entry.name, "tensorrt")
        except Exception as error:
            for precision in ("fp32", "fp16"):
                yield {"what": "onnxruntime tensorrt", "precision": precision, "not_measured": in_a_line(error)}
            return
        half_of_it = time.monotonic() + (until - time.monotonic()) / 2
        yield from session_rows("onnxruntime tensorrt", "fp32", model.session, largest_first, half_of_it)
        del model
        told = [options_of(name, entry.sha256) for name in BY_DEVICE["tensorrt"]]
        told[0] |= {"trt_fp16_enable": "True", "trt_engine_cache_enable": "False", "trt_timing_cache_enable": "False"}
        session = open_session(portable(content, entry.name), entry.name, BY_DEVICE["tensorrt"], 0, told)
        yield from session_rows("onnxruntime tensorrt", "fp16", session, largest_first, until)


def torch_eager(settings: Settings, until: float) -> Iterator[Row]:
    """The same net in torch, as it is written."""
    yield from torch_rows("torch eager", settings, until, lambda net: net)


def torch_compile(settings: Settings, until: float) -> Iterator[Row]:
    """The same net through torch.compile, for shapes that change."""
    import torch

    def compiled(net: Any) -> Any:
        return torch.compile(net, backend=settings.compiler, dynamic=True)

    # A batch of one is compiled by itself, and comes last; a rehearsal has one batch.
    ordered = tuple(sorted(settings.batches, key=lambda batch: (batch == 1, batch)))
    few = ordered if settings.compiler == "inductor" else ordered[:1]
    yield from torch_rows(f"torch.compile ({settings.compiler})", replace(settings, batches=few), until, compiled)


def torch_rows(what: str, settings: Settings, until: float, wrap: Callable[[Any], Any]) -> Iterator[Row]:
    import torch

    net, facts = torch_net(settings)
    yield {"what": what, **facts}
    run = wrap(net)
    on = settings.device
    for precision in ("fp32", "fp16"):
        if precision == "fp16" and on != "cuda":
            yield {"what": what, "precision": precision, "not_measured": "no CUDA device"}
            continue

        def prepare(batch: int, precision: str = precision) -> Callable[[], object]:
            given = [torch.from_numpy(inputs_of(batch, settings.slots)[name]).to(on) for name in INPUTS]

            def work() -> None:
                with torch.inference_mode(), torch.autocast(on, torch.float16, enabled=precision == "fp16"):
                    run(*given).fused_logit.cpu()

            return work

        share = (
            until
            if precision == "fp16"
            else time.monotonic() + (until - time.monotonic()) * (0.6 if on == "cuda" else 1)
        )
        yield from batch_rows(what, precision, prepare, settings, share, on)


def torch_net(settings: Settings) -> tuple[Any, Row]:
    """Return the net with the packaged weights, and how many floating-point operations a window takes."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from cad.models import create_model
    from cad.training.packaged import network_of, read_packaged

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    entry = find_entry(settings.model)
    net = create_model(network_of(entry))
    lacking = net.load_state_dict(read_packaged(entry, net), strict=False).missing_keys
    net = net.eval().to(settings.device)
    given = [torch.from_numpy(inputs_of(1, settings.slots)[name]).to(settings.device) for name in INPUTS]
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        net(*given)
    return net, {"flops_per_window": counter.get_total_flops(), "tensors_not_in_the_file": len(lacking)}


def end_to_end(settings: Settings, until: float) -> Iterator[Row]:
    """Clips a second from file to verdict, with bare decoding on as many threads beside it."""
    from concurrent.futures import ThreadPoolExecutor

    from benchmarks.decode import decode_bare
    from benchmarks.gpu_clips import make_clip

    from cad.detector import Detector

    with tempfile.TemporaryDirectory(prefix="cad-bench-") as folder:
        clip = make_clip(Path(folder) / "clip.mp4", settings.clip_seconds, settings.clip_height)
        devices = ("cuda", "cpu") if settings.device == "cuda" else ("cpu",)
        for device in devices:
            with Detector(model=settings.model, device=device) as detector:
                detector.detect(clip)  # the first call of a session is slower
                for jobs in settings.jobs:
                    row: Row = {"what": "clips", "device": device, "jobs": jobs, "clip_seconds": settings.clip_seconds}
                    if time.monotonic() > until:
                        yield {**row, "not_measured": "no time left"}
                        continue
                    count = max(2 * jobs, 4)
                    began = time.perf_counter()
                    labels = [
                        str(one.verdict.label) for one in detector.detect_many([clip] * count, jobs) if one.verdict
                    ]
                    seconds = time.perf_counter() - began
                    began = time.perf_counter()
                    with ThreadPoolExecutor(jobs) as pool:
                        list(pool.map(lambda _: decode_bare(clip, 1), range(count)))
                    bare = time.perf_counter() - began
                    yield {
                        **row,
                        "height": settings.clip_height,
                        "clips_per_second": count / seconds,
                        "bare_decoding_clips_per_second": count / bare,
                        "verdicts": len(labels),
                        "labels": sorted(set(labels)),
                    }


ALL: dict[str, Part] = {
    "machine": machine,
    "ceilings": ceilings,
    "parity": parity,
    "runtime_fp32": runtime_fp32,
    "runtime_fp16": runtime_fp16,
    "tensorrt": tensorrt,
    "torch_eager": torch_eager,
    "torch_compile": torch_compile,
    "end_to_end": end_to_end,
}

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
