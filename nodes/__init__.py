"""The only place that knows the host: each node is a schema and one call."""

from comfy_api.latest import ComfyExtension, io

from .demo import DemoFlowModelLoader
from .host.guard import guard
from .host.reward_files import register_reward_folder
from .ksampler_search import SearchKSampler
from .particle_search import ParticleSearch
from .rbf_search import RolloverBudgetForcingSearch
from .rewards.combine import CombineRewards
from .rewards.loader import RewardModelLoader
from .run.journal import log_abandoned_images
from .run.routes import register_routes
from .sampler import VPSDEFlowSampler
from .scheduler import VPFlowScheduler
from .score import ScoreImages
from .search_report import SearchReport
from .workers.node import SearchWorkersRay


class FlowSearchExtension(ComfyExtension):
    async def on_load(self) -> None:
        register_reward_folder()
        with guard("serve the panel"):
            register_routes()
        with guard("look for what killed searches left"):
            log_abandoned_images()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            VPSDEFlowSampler,
            VPFlowScheduler,
            RewardModelLoader,
            CombineRewards,
            ScoreImages,
            SearchWorkersRay,
            SearchKSampler,
            RolloverBudgetForcingSearch,
            ParticleSearch,
            SearchReport,
            DemoFlowModelLoader,
        ]
