// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernel for AVX-512, with WORD32 written by hand: see ff1_avx512.c. Exists on x86-64 only.
#pragma once

#include "appliance/fpe/ff1_small.h"

extern const struct ff1_kernel ff1_kernel_avx512;
bool ff1_avx512_supported(void);
