"""The numbered migrations, in order. One that has been released is never changed; a new one is added."""

from sqlite_utils.migrations import Migrations

from storage.migrations import (
    m0001_first_road,
    m0002_metric_count,
    m0003_model_task,
    m0004_chain,
    m0005_labels,
    m0006_deployments,
    m0007_chain_held_by,
)

MIGRATIONS = Migrations("temper")
MIGRATIONS(name="0001_first_road")(m0001_first_road.apply)
MIGRATIONS(name="0002_metric_count")(m0002_metric_count.apply)
MIGRATIONS(name="0003_model_task")(m0003_model_task.apply)
MIGRATIONS(name="0004_chain")(m0004_chain.apply)
MIGRATIONS(name="0005_labels")(m0005_labels.apply)
MIGRATIONS(name="0006_deployments")(m0006_deployments.apply)
MIGRATIONS(name="0007_chain_held_by")(m0007_chain_held_by.apply)
