"""Notebooks run by the workers of a dask.distributed scheduler, on as many machines as there are.

``engine`` is the side of whoever wants notebooks run. On a machine of the cluster, ``worker`` is what the threads of a
dask worker do, and ``station`` a process beside it that runs one notebook at a time by the engine that serves there.
``shipping`` says whether that machine has the project, and takes it there if not.
"""
