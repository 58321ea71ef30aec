# SPDX-License-Identifier: Apache-2.0
"""The command line of training: LightningCLI with this project's task, data and run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from cad.training.data import CadData
from cad.training.run import RunOptions, callbacks_of, checkpoint_to_resume, loggers_of
from cad.training.set_table import judge_sets
from cad.training.task import CadTask


class TrainCLI(LightningCLI):
    """``fit`` and ``validate`` from a YAML file; every option can be overridden on the command line."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options of the run."""
        parser.add_class_arguments(RunOptions, "run")

    def before_instantiate_classes(self) -> None:
        """Set the threads of torch before it does anything."""
        threads = self._run_options().torch_threads
        if threads is not None:
            torch.set_num_threads(threads)

    def _run_options(self) -> RunOptions:
        return RunOptions(**self._get(self.config, "run").as_dict())

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Return the trainer with the run's callbacks and loggers."""
        options = self._run_options()
        net = self._get(self.config, "model").net
        named = self._get(self.config_init, "trainer").get("callbacks") or []
        return super().instantiate_trainer(
            default_root_dir=options.folder,
            callbacks=[*callbacks_of(options, net.as_dict()), *named],
            logger=loggers_of(options),
            **kwargs,
        )

    def after_fit(self) -> None:
        """Judge every set by the best weights."""
        if self.trainer.is_global_zero and (table := judge_sets(self.model, self.datamodule, self.trainer)):
            print(table, flush=True)

    def before_fit(self) -> None:
        """Keep the resolved configuration, and find the checkpoint to go on from."""
        self.model.require_starts()
        options = self._run_options()
        checkpoint = checkpoint_to_resume(options)
        if checkpoint is not None:
            self.config_init[str(self.subcommand)]["ckpt_path"] = str(checkpoint)
        if self.trainer.is_global_zero:
            folder = Path(options.folder)
            folder.mkdir(parents=True, exist_ok=True)
            self.parser.save(self.config, folder / "config.yaml", overwrite=True, skip_check=True, multifile=False)


def main(args: ArgsType = None, run: bool = True) -> TrainCLI:
    """Run the command line; ``args`` are the words after the program's name.

    Without ``run`` the words have no subcommand, and the trainer, task and data that they describe are only made.
    """
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
        },
        args=args,
        run=run,
    )
