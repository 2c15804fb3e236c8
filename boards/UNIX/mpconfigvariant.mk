# SPDX-License-Identifier: MIT
# Nothing that needs a submodule or a library of the machine.
FROZEN_MANIFEST ?= $(VARIANT_DIR)/../manifest.py
MICROPY_PY_BTREE = 0
MICROPY_PY_FFI = 0
MICROPY_PY_SSL = 0
MICROPY_SSL_MBEDTLS = 0
# makemanifest.py wants a library folder; the manifest requires nothing of it.
MPY_LIB_DIR = $(VARIANT_DIR)/../mps/lib
