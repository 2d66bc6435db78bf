"""Settings of every process: read once from the environment, frozen, no secret in their repr."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from runtime.masking import hide, url_secrets

EngineKind = Literal["fast", "stock"]
"""What plays ALFWorld's games: our engine, or TextWorld's."""


def _data_home() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "memp"


def _listed(given: object) -> object:
    return tuple(part.strip() for part in given.split(",") if part.strip()) if isinstance(given, str) else given


class Settings(BaseSettings):
    """All settings; each is `MEMP_<NAME>` in the environment unless its docstring names another variable."""

    model_config = SettingsConfigDict(
        env_prefix="MEMP_", frozen=True, use_attribute_docstrings=True, populate_by_name=True, env_ignore_empty=True
    )

    redis_url: SecretStr | None = Field(default=None, validation_alias="REDIS_URL")
    """REDIS_URL: server to use, `redis://`, `rediss://` or `unix://`; None starts the embedded one."""
    data_dir: Path = Field(default_factory=_data_home)
    """Folder of the embedded server's data and of caches."""
    runs_dir: Path = Path("runs")
    """Folder that holds one folder per run (`--exp_name`)."""
    log_level: str = "info"
    """debug, info, warning or error."""

    api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    """OPENAI_API_KEY: key of the chat endpoint; None is refused by a remote endpoint."""
    base_url: str | None = Field(default=None, repr=False, validation_alias=AliasChoices("OPENAI_BASE_URL", "OPENAI_API_BASE"))
    """OPENAI_BASE_URL or OPENAI_API_BASE: chat endpoint; None is OpenAI's own. A user and password in it (`https://user:password@host/v1`)
    are sent in place of the key."""
    embedding_api_key: SecretStr | None = Field(default=None, validation_alias="EMBEDDING_MODEL_KEY")
    """EMBEDDING_MODEL_KEY: key of the embedding endpoint; None takes the chat endpoint's."""
    embedding_base_url: str | None = Field(default=None, repr=False, validation_alias="EMBEDDING_MODEL_BASE_URL")
    """EMBEDDING_MODEL_BASE_URL: embedding endpoint; None takes the chat endpoint's."""
    embedding_model: str = "text-embedding-3-small"
    """Name of the embedding model."""
    embedding_batch: int = Field(default=128, ge=1)
    """Texts per embedding request."""

    llm_connect_timeout: float = Field(default=10.0, gt=0)
    """Seconds to open a connection."""
    llm_read_timeout: float = Field(default=120.0, gt=0)
    """Seconds without a byte of the answer."""
    llm_deadline: float = Field(default=300.0, gt=0)
    """Seconds that one call may take with all its retries."""
    llm_max_concurrency: int = Field(default=256, ge=1)
    """Upper bound of the adaptive limit of concurrent requests per process."""

    environments: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = ()
    """Environments of one's own that events may name, beside those that come with memp: dotted module names, separated by
    commas. Whoever can write to a stream could otherwise have any module imported."""
    alfworld_data: Path | None = Field(default=None, validation_alias="ALFWORLD_DATA")
    """ALFWORLD_DATA: folder with `json_2.1.1/` as `alfworld-download` lays it out; None where there is none."""
    travelplanner_data: Path | None = None
    """MEMP_TRAVELPLANNER_DATA: folder with `database/` and `queries/`; None where there is none."""
    structured_output: bool = True
    """Whether the endpoint is asked to hold the JSON of a trip's plan to its schema (`response_format`); false where it refuses that."""
    engine: EngineKind = "fast"
    """What plays ALFWorld: fast, or stock, TextWorld's own, which gives the same answers hundreds of times more slowly."""
    game_cache_mib: int = Field(default=256, ge=1)
    """Bound of the translated ALFWorld games that are kept below `data_dir`, in MiB; all 3,827 take about 120."""
    env_processes: int = Field(default_factory=lambda: os.cpu_count() or 2, ge=1)
    """Environment processes per worker."""
    env_timeout: float = Field(default=120.0, gt=0)
    """Seconds that one reset or step may take before its process counts as hung."""
    env_memory: int = Field(default=4096, ge=1)
    """MiB from which an environment process takes no new episodes; a fresh one replaces it, and it ends with those it has."""

    slots: int = Field(default=16, ge=1)
    """Episodes that a worker plays at once."""
    curator_slots: int = Field(default=32, ge=1)
    """Trajectories that a curator works on at once; nearly all of their time is the model's, so it bounds the calls to it, too."""
    exact_up_to: int = Field(default=50_000, ge=1)
    """Procedures up to which searches are exact; beyond it, the search index becomes a graph (HNSW)."""
    lease: float = Field(default=60.0, gt=0)
    """Seconds after which an entry that nobody renewed is taken over; it is renewed every third of it."""
    max_deliveries: int = Field(default=3, ge=1)
    """Deliveries after which an entry goes to the dead-letter stream."""
    lag_warning: float = Field(default=0.25, gt=0)
    """Seconds by which the event loop may be late before it is told in the log."""
    high_water: int = Field(default=1000, ge=1)
    """Unapplied trajectories from which workers stop claiming tasks."""

    max_distance: float = 1.0
    """Cosine distance above which a procedure is not retrieved (strategy `query`); 1 is at right angles. The paper has no bound."""
    fact_similarity: float = Field(default=0.5, ge=0, le=1)
    """Cosine similarity from which two facts count as a match (strategy `avefact`)."""
    deprecate_uses: int = Field(default=3, ge=1)
    """Uses of a revision before it can be deprecated."""
    deprecate_share: float = 0.5
    """Share of successes below which it then is."""
    deprecate_fdr: float = Field(default=0.1, gt=0, lt=1)
    """Share of harmless revisions that is put up with among those deprecated by `--deprecate uplift` (false-discovery rate)."""

    def model_post_init(self, _context: Any, /) -> None:
        """What holds secrets has them hidden in all that the process tells."""
        hide(*(key.get_secret_value() for key in (self.api_key, self.embedding_api_key) if key))
        redis = self.redis_url.get_secret_value() if self.redis_url else None
        hide(*(secret for url in (redis, self.base_url, self.embedding_base_url) for secret in url_secrets(url)))


def chat_endpoint(settings: Settings) -> str:
    """Address of the chat endpoint."""
    return settings.base_url or "https://api.openai.com/v1"


def embedding_endpoint(settings: Settings) -> str:
    """Address of the embedding endpoint."""
    return settings.embedding_base_url or chat_endpoint(settings)
