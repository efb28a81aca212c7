"""The only place that knows the host: each node is a schema and one call."""

from comfy_api.latest import ComfyExtension, io

from .demo import DemoFlowModelLoader
from .reward import RewardModelLoader, register_reward_folder
from .sampler import VPSDEFlowSampler
from .scheduler import VPFlowScheduler
from .search import ParticleSearch, RolloverBudgetForcingSearch


class FlowSearchExtension(ComfyExtension):
    async def on_load(self) -> None:
        register_reward_folder()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            VPSDEFlowSampler,
            VPFlowScheduler,
            RewardModelLoader,
            RolloverBudgetForcingSearch,
            ParticleSearch,
            DemoFlowModelLoader,
        ]
