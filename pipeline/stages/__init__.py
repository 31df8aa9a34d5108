"""The stages of `dvc.yaml`, a module each. They meet in files, never in imports."""
