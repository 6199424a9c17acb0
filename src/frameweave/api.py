"""The public face: everything that a program needs to edit a clip."""

from frameweave.clip import Clip, working_size
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
from frameweave.model.adaptor import Adaptor, load_adaptor
from frameweave.model.backbone import Backbone, Condition, StableDiffusion
from frameweave.model.depth import DepthEstimator
from frameweave.model.depth import load as load_depth_estimator
from frameweave.model.loading import load as load_model
from frameweave.model.loading import miniature_folder
from frameweave.model.pipeline import windowed
from frameweave.progress import SILENT, Progress
from frameweave.video import VideoWriter, probe, read_frames

__all__ = [
    "SILENT",
    "Adaptor",
    "AdaptorMismatch",
    "Backbone",
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
