"""The music `mini` learns from: style, mood, bpm, key, sections and a seed in, stereo sound out. numpy only.

Rendering never imports it; training, tests and benches do.
"""
