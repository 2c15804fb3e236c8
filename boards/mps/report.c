// SPDX-License-Identifier: MIT
// What the firmware says when it cannot go on. The host reads the line that begins with FAULT.

#include <string.h>

#include "py/mphal.h"
#include "board.h"

void report_text(const char *text) {
    mp_hal_stdout_tx_strn(text, strlen(text));
}

void report_register(const char *name, uint32_t value) {
    char hex[] = " 00000000";
    for (int i = 8; i > 0; i--, value >>= 4) {
        hex[i] = "0123456789abcdef"[value & 15];
    }
    report_text(name);
    report_text(hex);
}

void nlr_jump_fail(void *value) {
    (void)value;
    report_text("\r\nFAULT exception raised outside of any handler\r\n");
    fault_halt();
}

#ifndef NDEBUG
void __assert_func(const char *file, int line, const char *function, const char *expression) {
    (void)line;
    report_text("\r\nFAULT assertion failed: ");
    report_text(expression);
    report_text(" in ");
    report_text(function);
    report_text(", ");
    report_text(file);
    report_text("\r\n");
    fault_halt();
}
#endif
