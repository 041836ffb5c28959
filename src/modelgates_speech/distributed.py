"""Batches on a cluster, by Ray Data (extra ``ray``): the name that programs import."""

from modelgates_speech.jobs.cluster import RECORDS, speak

__all__ = ["RECORDS", "speak"]
