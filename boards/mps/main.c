// SPDX-License-Identifier: MIT
// The life of the interpreter: start, boot.py, main.py, REPL, and again after a soft reset.

#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stackctrl.h"
#include "shared/readline/readline.h"
#include "shared/runtime/gchelper.h"
#include "shared/runtime/pyexec.h"

extern uint8_t _heap_start, _heap_end, _stack_bottom, _estack;

// Room for C below the point where Python recursion is refused.
#define STACK_MARGIN (2048)

int main(void) {
    for (;;) {
        mp_stack_set_top(&_estack);
        mp_stack_set_limit(&_estack - &_stack_bottom - STACK_MARGIN);
        gc_init(&_heap_start, &_heap_end);
        mp_init();
        readline_init0();

        pyexec_frozen_module("_boot.py", false);

        int result = pyexec_file_if_exists("boot.py");
        if (!(result & PYEXEC_FORCED_EXIT) && pyexec_mode_kind == PYEXEC_MODE_FRIENDLY_REPL) {
            result = pyexec_file_if_exists("main.py");
        }
        while (!(result & PYEXEC_FORCED_EXIT)) {
            if (pyexec_mode_kind == PYEXEC_MODE_RAW_REPL) {
                result = pyexec_raw_repl();
            } else {
                result = pyexec_friendly_repl();
            }
        }

        mp_printf(&mp_plat_print, "MPY: soft reboot\n");
        gc_sweep_all();
        mp_deinit();
    }
}

void gc_collect(void) {
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
    gc_collect_end();
}
