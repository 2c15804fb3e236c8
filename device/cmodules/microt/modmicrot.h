// SPDX-License-Identifier: MIT
//
// What the files of the module _microt share.
#ifndef MICROT_MODMICROT_H
#define MICROT_MODMICROT_H

#include "py/obj.h"

extern const mp_obj_type_t microt_picture_type;

#endif // MICROT_MODMICROT_H
