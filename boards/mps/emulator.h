// SPDX-License-Identifier: MIT
// Types that other files of the port put into modules.
#ifndef MICROT_MPS_EMULATOR_H
#define MICROT_MPS_EMULATOR_H

#include "py/obj.h"

extern const mp_obj_type_t emulator_flash_type;
extern const mp_obj_type_t machine_pin_type;

#endif // MICROT_MPS_EMULATOR_H
