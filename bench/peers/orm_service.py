"""The service that a team would otherwise write, with FastAPI, SQLAlchemy 2's async ORM and pydantic.

It uses the same table and the same PostgreSQL as Tieline. It keeps no history: its connections run without triggers, so
that it does not pay for ours.
"""

import hashlib
import os
import secrets
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Header, HTTPException
from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, Select, select, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, insert
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

POOL_SIZE = 16
RESOLVE_MAX = 10_000
CANDIDATES_MAX = 100

database = conninfo_to_dict(os.environ["ORM_SERVICE_DSN"])
engine = create_async_engine(
    URL.create("postgresql+asyncpg", username=database["user"], database=database["dbname"]),
    connect_args={"host": database["host"], "server_settings": {"session_replication_role": "replica", "jit": "off"}},
    pool_size=POOL_SIZE,
    max_overflow=0,
)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class Company(Base):
    __tablename__ = "company"
    __table_args__ = ({"schema": "tieline"},)

    id: Mapped[str] = mapped_column(primary_key=True)


class ApiKey(Base):
    __tablename__ = "apiKey"
    __table_args__ = ({"schema": "tieline"},)

    company_id: Mapped[str] = mapped_column("companyId", primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    key_hash: Mapped[str] = mapped_column("keyHash")


class Mapping(Base):
    __tablename__ = "externalIntegrationMapping"
    __table_args__ = ({"schema": "tieline"},)

    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: secrets.token_hex(15))
    entity_type: Mapped[str] = mapped_column("entityType")
    entity_id: Mapped[str] = mapped_column("entityId")
    integration: Mapped[str]
    external_id: Mapped[str | None] = mapped_column("externalId")
    allow_duplicate_external_id: Mapped[bool] = mapped_column("allowDuplicateExternalId", default=False)
    mapping_metadata: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSONB)
    last_synced_at: Mapped[datetime | None] = mapped_column("lastSyncedAt", TIMESTAMP(timezone=True))
    remote_updated_at: Mapped[datetime | None] = mapped_column("remoteUpdatedAt", TIMESTAMP(timezone=True))
    created_at: Mapped[datetime] = mapped_column(
        "createdAt", TIMESTAMP(timezone=True), default=lambda: datetime.now(UTC)
    )
    updated_at: Mapped[datetime] = mapped_column(
        "updatedAt", TIMESTAMP(timezone=True), default=lambda: datetime.now(UTC)
    )
    created_by: Mapped[str | None] = mapped_column("createdBy")
    company_id: Mapped[str] = mapped_column("companyId", ForeignKey("tieline.company.id"), primary_key=True)
    updated_by: Mapped[str | None] = mapped_column("updatedBy")
    link: Mapped[str | None]


def camel(name: str) -> str:
    """The wire's name of a field."""
    first, *others = name.split("_")
    return first + "".join(other.title() for other in others)


class Wire(BaseModel):
    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, from_attributes=True)


class NewMapping(Wire):
    entity_type: str
    entity_id: str
    integration: str
    external_id: str | None = None
    link: str | None = None


class NewRow(NewMapping):
    # `metadata` is SQLAlchemy's own word on a mapped class.
    mapping_metadata: dict[str, Any] | None = Field(None, validation_alias="metadata")


class ShownMapping(NewMapping):
    id: str
    allow_duplicate_external_id: bool
    mapping_metadata: dict[str, Any] | None = Field(validation_alias="mapping_metadata", serialization_alias="metadata")
    last_synced_at: datetime | None
    remote_updated_at: datetime | None
    created_at: datetime
    updated_at: datetime
    created_by: str | None
    company_id: str
    updated_by: str | None


class Question(Wire):
    integration: str
    entity_type: str | None = None
    external_ids: list[str] = Field(max_length=RESOLVE_MAX)


class Candidate(Wire):
    entity_type: str
    entity_id: str
    mapping_id: str


class Resolved(Wire):
    external_id: str
    status: Literal["linked", "unknown", "ambiguous"]
    entity_type: str | None = None
    entity_id: str | None = None
    mapping_id: str | None = None
    candidates: list[Candidate] = []


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
known_keys: dict[str, str] = {}


async def session() -> AsyncGenerator[AsyncSession]:
    async with sessions() as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]


async def company(db: Session, authorization: Annotated[str, Header()]) -> str:
    """The caller's company, remembered by the hash of its key."""
    digest = hashlib.sha256(authorization.removeprefix("Bearer ").encode()).hexdigest()
    if digest not in known_keys:
        found = await db.scalar(select(ApiKey.company_id).where(ApiKey.key_hash == digest))
        if found is None:
            raise HTTPException(401, "The key is not known.")
        known_keys[digest] = found
    return known_keys[digest]


CompanyId = Annotated[str, Depends(company)]


@app.get("/health")
async def health(db: Session) -> dict[str, str]:
    await db.execute(text("select 1"))
    return {"status": "ok"}


@app.get("/mappings")
async def look_up(
    db: Session,
    company_id: CompanyId,
    entity_type: str,
    entity_id: str,
    integration: str,
) -> list[ShownMapping]:
    found = await db.scalars(
        select(Mapping).where(
            Mapping.company_id == company_id,
            Mapping.entity_type == entity_type,
            Mapping.entity_id == entity_id,
            Mapping.integration == integration,
        )
    )
    return [ShownMapping.model_validate(mapping) for mapping in found]


@app.post("/mappings/link")
async def link(db: Session, company_id: CompanyId, new: NewMapping) -> ShownMapping:
    statement = insert(Mapping).values(**new.model_dump(), company_id=company_id)
    statement = statement.on_conflict_do_update(
        index_elements=[Mapping.company_id, Mapping.entity_type, Mapping.entity_id, Mapping.integration],
        set_={
            "externalId": statement.excluded.externalId,
            "link": statement.excluded.link,
            "updatedAt": datetime.now(UTC),
        },
    ).returning(Mapping)
    mapping = (await db.scalars(statement, execution_options={"populate_existing": True})).one()
    await db.commit()
    return ShownMapping.model_validate(mapping)


@app.post("/mappings/resolve")
async def resolve(db: Session, company_id: CompanyId, question: Question) -> list[Resolved]:
    found = await db.scalars(asked_for(select(Mapping), company_id, question))
    return answers(question, ((m.external_id, m.entity_type, m.entity_id, m.id) for m in found))


@app.post("/mappings/resolve-columns")
async def resolve_columns(db: Session, company_id: CompanyId, question: Question) -> list[Resolved]:
    """The same without mapped objects, which cost much of the time."""
    columns = select(Mapping.external_id, Mapping.entity_type, Mapping.entity_id, Mapping.id)
    return answers(question, (await db.execute(asked_for(columns, company_id, question))).tuples())


def asked_for(query: Select[Any], company_id: str, question: Question) -> Select[Any]:
    query = query.where(
        Mapping.company_id == company_id,
        Mapping.integration == question.integration,
        Mapping.external_id.in_(question.external_ids),
    )
    if question.entity_type is not None:
        query = query.where(Mapping.entity_type == question.entity_type)
    return query.order_by(Mapping.id)


def answers(question: Question, found: Iterable[tuple[str | None, str, str, str]]) -> list[Resolved]:
    """In the order asked; each found one is an external id with its entity's type and id, and the mapping's id."""
    holders: defaultdict[str | None, list[tuple[str, str, str]]] = defaultdict(list)
    for external_id, *holder in found:
        holders[external_id].append((holder[0], holder[1], holder[2]))
    return [resolved(external_id, holders.get(external_id, [])) for external_id in question.external_ids]


def resolved(external_id: str, holders: list[tuple[str, str, str]]) -> Resolved:
    """One answer, from the type, id and mapping of each entity that has the external id."""
    if not holders:
        return Resolved(external_id=external_id, status="unknown")
    if len(holders) > 1:
        shown = [Candidate(entity_type=e, entity_id=i, mapping_id=m) for e, i, m in holders[:CANDIDATES_MAX]]
        return Resolved(external_id=external_id, status="ambiguous", candidates=shown)
    entity_type, entity_id, mapping_id = holders[0]
    return Resolved(
        external_id=external_id, status="linked", entity_type=entity_type, entity_id=entity_id, mapping_id=mapping_id
    )


@app.post("/mappings/bulk", status_code=201)
async def add_many(db: Session, company_id: CompanyId, new: list[NewRow]) -> dict[str, int]:
    await db.execute(insert(Mapping), [{**one.model_dump(), "company_id": company_id} for one in new])
    await db.commit()
    return {"created": len(new)}
