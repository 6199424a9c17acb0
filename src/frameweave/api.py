"""The public face: everything that a program needs to edit a clip, and a package to bring an editor."""

from frameweave.adaptor.adaptor import Adaptor, load_adaptor
from frameweave.adaptor.pipeline import windowed
from frameweave.diffusion.contexts import blended
from frameweave.diffusion.inversion import Trajectory
from frameweave.diffusion.samplers.sampler import Sampler
from frameweave.diffusion.sampling import Eps, clean, ddim_step, guided, sample
from frameweave.diffusion.schedule import Schedule, Window
from frameweave.editing.comparing.compare import compare
from frameweave.editing.edit import edit
from frameweave.editing.generate import generate
from frameweave.editing.options import EditOptions, GenerateOptions
from frameweave.editing.steadying.options import SteadyOptions
from frameweave.editing.steadying.steady import steady
from frameweave.editors.base import Editor, Generator
from frameweave.editors.registry import load as load_editor
from frameweave.editors.registry import names as editor_names
from frameweave.editors.request import EditRequest, Timesteps
from frameweave.editors.running import edit_clip, request_of, text_request
from frameweave.errors import (
    AdaptorMismatch,
    CheckFailed,
    DataError,
    FrameweaveError,
    InputError,
    MissingExtra,
    ModelFolderError,
    NotFinite,
    OutOfMemory,
    RunError,
)
from frameweave.models.attention import Attend, AttentionRule, Site, Tokens, overridden, self_attentions
from frameweave.models.depth import DepthEstimator
from frameweave.models.depth import load as load_depth_estimator
from frameweave.models.loading.choice import miniature_folder
from frameweave.models.loading.load import load as load_model
from frameweave.models.loras.merging import loras
from frameweave.models.memory import Chunks
from frameweave.models.seam import Conditioning, Frames, Guides, Latents, Model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.models.text.embeddings import embeddings
from frameweave.progress import SILENT, Progress
from frameweave.runs.settings import Count, NotNegative, Only, Positive, Share, Split
from frameweave.video import VideoWriter, probe, read_frames
from frameweave.video.clip import Clip, working_size
from frameweave.video.motion.flows import Flow, flow_names, flow_of
from frameweave.video.motion.given import GivenFlow
from frameweave.video.motion.motion import Motion, MotionMaker, motion_of
from frameweave.video.motion.providers import FlowProvider
from frameweave.video.motion.steady import Steady

__all__ = [
    "SILENT",
    "Adaptor",
    "AdaptorMismatch",
    "Attend",
    "AttentionRule",
    "CheckFailed",
    "Chunks",
    "Clip",
    "Conditioning",
    "Count",
    "DataError",
    "DepthEstimator",
    "EditOptions",
    "EditRequest",
    "Editor",
    "Eps",
    "Flow",
    "FlowProvider",
    "Frames",
    "FrameweaveError",
    "GenerateOptions",
    "Generator",
    "GivenFlow",
    "Guides",
    "InputError",
    "Latents",
    "MissingExtra",
    "Model",
    "ModelFolderError",
    "Motion",
    "MotionMaker",
    "NotFinite",
    "NotNegative",
    "Only",
    "OutOfMemory",
    "Positive",
    "Progress",
    "RunError",
    "Sampler",
    "Schedule",
    "Share",
    "Site",
    "Split",
    "StableDiffusion",
    "Steady",
    "SteadyOptions",
    "Timesteps",
    "Tokens",
    "Trajectory",
    "VideoWriter",
    "Window",
    "blended",
    "clean",
    "compare",
    "ddim_step",
    "edit",
    "edit_clip",
    "editor_names",
    "embeddings",
    "flow_names",
    "flow_of",
    "generate",
    "guided",
    "load_adaptor",
    "load_depth_estimator",
    "load_editor",
    "load_model",
    "loras",
    "miniature_folder",
    "motion_of",
    "overridden",
    "probe",
    "read_frames",
    "request_of",
    "sample",
    "self_attentions",
    "steady",
    "text_request",
    "windowed",
    "working_size",
]
