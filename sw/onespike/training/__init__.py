"""What a training run is made of: images on the device, the loop over steps, a teacher to learn from."""
