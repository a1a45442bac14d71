"""Callbacks: code that ``fit``, ``evaluate`` and ``predict`` call at fixed points.

Any object that has some of ``Callback``'s methods is one; methods it lacks are skipped.
"""

from .backup_and_restore import BackupAndRestore
from .base import Callback, History, LambdaCallback
from .callback_list import CallbackList
from .csv_logger import CSVLogger
from .early_stopping import EarlyStopping
from .learning_rate_scheduler import LearningRateScheduler
from .model_checkpoint import ModelCheckpoint
from .monitor_callback import MonitorCallback
from .progbar_logger import ProgbarLogger
from .reduce_lr_on_plateau import ReduceLROnPlateau
from .remote_monitor import RemoteMonitor
from .stop_at_value import StopAtValue
from .swap_ema_weights import SwapEMAWeights
from .tensorboard import TensorBoard
from .terminate_on_nan import TerminateOnNaN

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "MonitorCallback",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "StopAtValue",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]
