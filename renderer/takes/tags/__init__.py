"""Tags in audio files, read and written without touching the sound: one module a format, one table of names.

No library fits: mutagen, eyeD3, pytaglib are GPL, PyAV's wheels carry x264 and x265 (GPL) and its muxers write no ID3
into WAV. Files that mutagen wrote (renderer 0.1.0) are read as before.
"""
