// SPDX-License-Identifier: MIT
#ifndef MICROT_STM32H7XX_HAL_CONF_H
#define MICROT_STM32H7XX_HAL_CONF_H

// Oscillators in Hz (HSE is the ST-LINK's clock)
#define HSE_VALUE (8000000)
#define LSE_VALUE (32768)
#define EXTERNAL_CLOCK_VALUE (12288000)

// and how long they may take to start, in ms
#define HSE_STARTUP_TIMEOUT (5000)
#define LSE_STARTUP_TIMEOUT (5000)

#include "boards/stm32h7xx_hal_conf_base.h"

#endif // MICROT_STM32H7XX_HAL_CONF_H
