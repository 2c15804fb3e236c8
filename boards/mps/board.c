// SPDX-License-Identifier: MIT
// What every board does between the start of its core and main(): sections, the device page, devices.

#include <string.h>

#include "board.h"

extern uint32_t _sidata, _sdata, _edata, _sbss, _ebss;

int main(void);

static uint32_t reset_cause;

uint32_t board_reset_cause(void) {
    return reset_cause;
}

void board_start(void) {
    memcpy(&_sdata, &_sidata, (uint8_t *)&_edata - (uint8_t *)&_sdata);
    memset(&_sbss, 0, (uint8_t *)&_ebss - (uint8_t *)&_sbss);

    reset_cause = DEVICE_PAGE->cause != 0 ? DEVICE_PAGE->cause : RESET_POWER_ON;
    DEVICE_PAGE->cause = 0;
    DEVICE_PAGE->outputs = 0;
    DEVICE_PAGE->changes = 0;
    DEVICE_PAGE->magic = DEVICE_PAGE_MAGIC;

    clock_init();
    uart_init();
    main();
    fault_halt();
}
