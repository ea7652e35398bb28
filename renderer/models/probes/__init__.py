"""Operations that were silently wrong on some device, tried on this one at our shapes, against the CPU."""
