// SPDX-License-Identifier: MIT
#ifndef MICROT_STM32L4XX_HAL_CONF_H
#define MICROT_STM32L4XX_HAL_CONF_H

// Oscillators in Hz
#define HSE_VALUE (8000000)
#define LSE_VALUE (32768)
#define EXTERNAL_SAI1_CLOCK_VALUE (48000)
#define EXTERNAL_SAI2_CLOCK_VALUE (48000)

// and how long they may take to start, in ms
#define HSE_STARTUP_TIMEOUT (100)
#define LSE_STARTUP_TIMEOUT (5000)

#include "boards/stm32l4xx_hal_conf_base.h"

#endif // MICROT_STM32L4XX_HAL_CONF_H
