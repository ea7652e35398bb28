"""The files of a model set: which a part reads, what they must hold, and how they get onto a device."""
