"""The only place that knows the host: each node is a schema and one call."""

from comfy_api.latest import ComfyExtension, io

from .combine import CombineRewards
from .demo import DemoFlowModelLoader
from .reward import RewardModelLoader
from .reward_files import register_reward_folder
from .routes import register_routes
from .sampler import VPSDEFlowSampler
from .scheduler import VPFlowScheduler
from .score import ScoreImages
from .search import ParticleSearch, RolloverBudgetForcingSearch
from .search_report import SearchReport


class FlowSearchExtension(ComfyExtension):
    async def on_load(self) -> None:
        register_reward_folder()
        register_routes()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            VPSDEFlowSampler,
            VPFlowScheduler,
            RewardModelLoader,
            CombineRewards,
            ScoreImages,
            RolloverBudgetForcingSearch,
            ParticleSearch,
            SearchReport,
            DemoFlowModelLoader,
        ]
