"""The public face: everything that a program needs to edit a clip."""

from frameweave.adaptor.adaptor import Adaptor, load_adaptor
from frameweave.adaptor.pipeline import windowed
from frameweave.diffusion.schedule import Window
from frameweave.editors._source import Source
from frameweave.editors.base import Editor, Generator, edit_clip
from frameweave.editors.base import load as load_editor
from frameweave.editors.base import names as editor_names
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
from frameweave.models.depth import DepthEstimator
from frameweave.models.depth import load as load_depth_estimator
from frameweave.models.loading import load as load_model
from frameweave.models.loading import miniature_folder
from frameweave.models.seam import Condition, Model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Progress
from frameweave.video import VideoWriter, probe, read_frames
from frameweave.video.clip import Clip, working_size

__all__ = [
    "SILENT",
    "Adaptor",
    "AdaptorMismatch",
    "CheckFailed",
    "Clip",
    "Condition",
    "DataError",
    "DepthEstimator",
    "Editor",
    "FrameweaveError",
    "Generator",
    "InputError",
    "MissingExtra",
    "Model",
    "ModelFolderError",
    "NotFinite",
    "OutOfMemory",
    "Progress",
    "RunError",
    "Source",
    "StableDiffusion",
    "VideoWriter",
    "Window",
    "edit_clip",
    "editor_names",
    "load_adaptor",
    "load_depth_estimator",
    "load_editor",
    "load_model",
    "miniature_folder",
    "probe",
    "read_frames",
    "windowed",
    "working_size",
]
