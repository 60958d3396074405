import hashlib
from dataclasses import dataclass
from pathlib import Path
import numpy as np

@dataclass(frozen=True)
class Dataset:
    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    test_pixels: str

def load(name, root=None):
    d = Path.home()/".cache/onespike/cifar-10-batches-bin"
    def rd(fs):
        a=np.concatenate([np.fromfile(d/f,np.uint8).reshape(-1,3073) for f in fs])
        return a[:,1:].reshape(-1,3,32,32).copy(), a[:,0].astype(np.int64)
    tr=rd([f"data_batch_{i}.bin" for i in range(1,6)]); te=rd(["test_batch.bin"])
    return Dataset(name,*tr,*te,"JPEG-75")
