"""Prove plans on devices without a GPU: RPC servers, or Vulkan's software device.

    LLAMA_CPP_LIB_PATH=BUILD/bin python -m scripts.device_proof [memory] [tokens] [failures] [SIZE…] [vulkan]

BUILD is a build of llama.cpp from the bindings' own sources, with -DGGML_RPC=ON and, for `vulkan`, -DGGML_VULKAN=ON:
see docs/development.md.
"""
