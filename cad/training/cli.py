# SPDX-License-Identifier: Apache-2.0
"""The command line of training: LightningCLI with this project's task, data and run folder."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any, TextIO

import torch
from jsonargparse import ArgumentError
from lightning import Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from cad.errors import OptionError
from cad.training.checkpoints import FoundCheckpoint, WholeCheckpointIO
from cad.training.data import CadData
from cad.training.progress import ProgressLines
from cad.training.run import RunOptions, callbacks_of, logger_of, prepare_folder
from cad.training.stopping import StopRequest
from cad.training.task import CadTask
from cad.training.whole_files import written_beside

_SUBCOMMANDS = ("fit", "validate")

_log = logging.getLogger(__name__)


DESCRIPTION = (
    "Train a net of this package (fit), or measure one on its validation clips (validate), from a YAML file under "
    "configs/train; every option can be overridden on the command line, and `fit --print_config` shows them all with "
    "their values. `stages --help` tells how cad_small is trained from published weights. See docs/training.md."
)


class TrainCLI(LightningCLI):
    """``fit`` and ``validate`` from a YAML file; every option can be overridden on the command line."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return what can be done; a run is tested by ``tools/evaluate.py``, on whole files."""
        return {name: LightningCLI.subcommands()[name] for name in _SUBCOMMANDS}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.found: FoundCheckpoint | None = None
        self.stop = StopRequest()
        with self.stop:
            super().__init__(*args, **kwargs)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options of the run."""
        parser.add_class_arguments(RunOptions, "run")

    def before_instantiate_classes(self) -> None:
        """Set the threads of torch before it does anything, and look at the run's folder before anything is loaded."""
        options = self._run_options()
        if options.torch_threads is not None:
            torch.set_num_threads(options.torch_threads)
        if self.subcommand == "fit":
            self.found = prepare_folder(options)

    def _run_options(self) -> RunOptions:
        return RunOptions(**self._get(self.config, "run").as_dict())

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Return the trainer with the run's callbacks and logger."""
        options = self._run_options()
        net = self._get(self.config, "model").net
        given = self._get(self.config_init, "trainer")
        callbacks = [*callbacks_of(options, net.as_dict(), self.stop), *(given.get("callbacks") or [])]
        if not given.get("enable_progress_bar"):
            callbacks.append(ProgressLines())
        return super().instantiate_trainer(
            default_root_dir=options.folder,
            callbacks=callbacks,
            logger=logger_of(options, self.found),
            plugins=[WholeCheckpointIO(), *(given.get("plugins") or [])],
            **kwargs,
        )

    def before_fit(self) -> None:
        """Keep the resolved configuration, and name the checkpoint to go on from."""
        self.model.require_starts()
        options = self._run_options()
        if self.found is not None:
            fit_options = self.config_init[str(self.subcommand)]
            fit_options["ckpt_path"], fit_options["weights_only"] = str(self.found.path), True
            _log.info("going on from %s, step %d", self.found.path, self.found.step)
        if self.trainer.is_global_zero:
            with written_beside(Path(options.folder) / "config.yaml") as part:
                self.parser.save(self.config, part, overwrite=True, skip_check=True, multifile=False)


def main(args: ArgsType = None, run: bool = True) -> TrainCLI:
    """Run the command line; ``args`` are the words after the program's name.

    Without ``run`` the words have no subcommand, and the trainer, task and data that they describe are only made.

    Raises:
        OptionError: An option or its value is not accepted, or a configuration file is absent.
        SystemExit: The run was stopped by a signal: 128 and its number.
    """
    try:
        return TrainCLI(
            CadTask,
            CadData,
            save_config_callback=None,
            auto_configure_optimizers=False,
            trainer_defaults={
                "max_epochs": 1,
                # Batches are dealt out by number in cad.training.loader.
                "use_distributed_sampler": False,
                "num_sanity_val_steps": 0,
                "check_val_every_n_epoch": None,
                "gradient_clip_val": 1.0,
                "log_every_n_steps": 10,
                "enable_progress_bar": sys.stdout.isatty() and sys.stderr.isatty(),
                "enable_model_summary": False,
            },
            # A fault in the words is one line of ours, not a page of usage.
            parser_kwargs={
                "description": DESCRIPTION,
                "exit_on_error": False,
                **{name: {"exit_on_error": False} for name in _SUBCOMMANDS},
            },
            args=args,
            run=run,
        )
    except ArgumentError as error:
        raise OptionError(str(error)) from error


def quieten() -> None:
    """Leave out what Lightning says of itself, and say one warning of a kind, in one line, and from one process."""
    if os.environ.get("LOCAL_RANK", "0") != "0":
        logging.getLogger().setLevel(logging.ERROR)
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # What will change in other packages' later versions is for whoever works on this one.
    for category in (FutureWarning, DeprecationWarning):
        warnings.simplefilter("ignore", category)
    said: set[tuple[str, int]] = set()

    def say(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if (filename, lineno) not in said:
            said.add((filename, lineno))
            _log.warning("%s", " ".join(str(message).split()))

    warnings.showwarning = say
