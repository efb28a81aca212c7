"""A model of which every call goes through a function first, by the host's own means."""


def passed(apply_model, args):
    return apply_model(args["input"], args["timestep"], **args["c"])


class Wrapped:
    """Gives a model whose calls go through `call(ask, args)` of a new instance.

    `ask(args)` is what was there before. The node's inputs beside the model are its arguments.
    """

    INPUTS = {}
    RETURN_TYPES = ("MODEL",)
    FUNCTION = "run"
    CATEGORY = "probe"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), **cls.INPUTS}}

    @classmethod
    def run(cls, model, **inputs):
        model, instance = model.clone(), cls()
        vars(instance).update(inputs)
        inner = model.model_options.get("model_function_wrapper", passed)

        def wrapped(apply_model, args):
            return instance.call(lambda args: inner(apply_model, args), args)

        model.set_model_unet_function_wrapper(wrapped)
        instance.begin()
        return (model,)

    def begin(self):
        pass
