"""The compiled kernels; everything else is declared in setup.cfg.

Each ``lmmtools/core/kernels/_NOUN.pyx`` becomes a module, where there are Cython and a C compiler. Where there are not,
the package is installed without them and NumPy does the work.
"""

from pathlib import Path

from setuptools import Extension, setup

KERNELS = "lmmtools/core/kernels"


def kernels() -> list[Extension]:
    """Return the extension modules, none without Cython."""
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    sources = sorted(path.as_posix() for path in Path(KERNELS).glob("_*.pyx"))
    named = [Extension(source[:-4].replace("/", "."), [source]) for source in sources]
    # The C code is made outside of the source's folders: none is committed, packed or found by the linters.
    extensions = cythonize(named, build_dir="build/cython", compiler_directives={"language_level": 3}, quiet=True)
    for extension in extensions:
        # A compiler that fails is a warning. Set here: Cython's copies forget it.
        extension.optional = True
    return extensions


setup(ext_modules=kernels())
