class BoundedNormaliser: ...


def bounded_normaliser(model, prompts, *, memory=None, batch_size=None, tokens=None):
    raise NotImplementedError
