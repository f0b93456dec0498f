"""All units of a layer over a batch: one Fourier series, by matrix products."""
