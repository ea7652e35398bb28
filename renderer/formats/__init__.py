"""What audio files are made of: one row a format, and the code that reads and writes tags without touching the sound.

No library fits the tags: mutagen, eyeD3, pytaglib are GPL, PyAV's wheels carry x264 and x265 (GPL) and its muxers write
no ID3 into WAV. Files that mutagen wrote (renderer 0.1.0) are read as before.
"""
