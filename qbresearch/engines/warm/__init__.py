"""Notebooks run in forks of a process that has everything loaded: no start of an interpreter, no imports, no messages.

``zygote`` is the process that is loaded (``preload``) and forks, ``handle`` the other end of the line to it, ``jobs``
what a fork is asked to do and ``child`` how it does it. In the fork ``shell`` runs cells and ``outputs`` collects what
they show; ``cells`` puts it into the notebook as papermill would. ``pool`` is the engine of batches,
``papermill_engine`` (with ``remote``) the same for anybody's papermill, ``provisioner`` the same as a kernel. Only Linux
forks well enough; the modules can be imported anywhere.
"""
