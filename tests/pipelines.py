"""Pipelines of diffusers as oracles."""

from typing import Any

import torch
from diffusers import DDIMScheduler

from frameweave.diffusion.schedule import Schedule


def by_our_schedule(pipeline: Any, schedule: Schedule) -> None:
    """Let a pipeline step by DDIM along a schedule in double precision, silently."""
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    pipeline.scheduler.alphas_cumprod = schedule.alpha_bar.double()
    pipeline.scheduler.final_alpha_cumprod = torch.tensor(schedule.final).double()
    pipeline.set_progress_bar_config(disable=True)
