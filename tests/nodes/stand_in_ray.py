"""What the pack uses of Ray, in one process: calls are done at once, and actors can be killed."""

from types import SimpleNamespace


class RayError(Exception):
    pass


class OutOfMemoryError(RayError):
    pass


class RayTaskError(RayError):
    def __init__(self, cause):
        self.cause = cause


class StandInRay:
    """In place of the module ray.

    Args:
        refusals: how many attempts to start it fail.
    """

    exceptions = SimpleNamespace(
        RayError=RayError, RayTaskError=RayTaskError, OutOfMemoryError=OutOfMemoryError
    )
    cloudpickle = SimpleNamespace(register_pickle_by_value=lambda module: None)

    def __init__(self, refusals=0):
        self.refusals, self.actors, self.gone = refusals, [], False

    def init(self, address, **settings):
        if self.refusals:
            self.refusals -= 1
            raise ConnectionError("nobody\n  answers")
        return SimpleNamespace(address_info={"session_dir": "/nowhere/ray"})

    def shutdown(self):
        self.actors = []

    def remote(self, cls):
        class Handle:
            @staticmethod
            def options(**settings):
                return Handle

            @staticmethod
            def remote(*args):
                self.actors.append(Actor(self, cls, len(self.actors)))
                return self.actors[-1]

        return Handle

    def wait(self, refs, num_returns=1, timeout=None):
        done = [ref for ref in refs if ref.result is not None][:num_returns]
        return done, [ref for ref in refs if ref not in done]

    def get(self, ref):
        if isinstance(ref.result, Exception):
            raise ref.result
        return ref.result

    def kill(self, actor):
        actor.death = RayError("killed")


class Actor:
    """A handle of one. Its number is how many were made before it."""

    def __init__(self, ray, cls, number):
        self.ray, self.death = ray, None
        self.hand = cls(number)

    def __getattr__(self, name):
        return SimpleNamespace(remote=lambda *args: Ref(self, name, args))


class Ref:
    """The result of a call: there at once, but for calls of new actors after Ray is gone."""

    def __init__(self, actor, name, args):
        self.result = None
        try:
            actor.death = actor.death or actor.hand.fate(actor.ray, name)
            if actor.death is not None:
                raise actor.death
            if not actor.ray.gone:
                self.result = getattr(actor.hand, name)(*args)
        except RayError as error:
            self.result = error
        except Exception as error:
            self.result = RayTaskError(error)
