// SPDX-License-Identifier: MIT
// machine.Pin on the device page: 32 pins, each with a button and an LED that the host presses and watches.
//
// A button behaves as one that is soldered to the pin: with PULL_UP it connects to ground, so the pin reads 1 and, while
// the button is held, 0 (active low). Without a pull-up it connects to the supply, so the pin reads 0 and, while held, 1.
// An output pin reads back what was written; its LED is lit while the level is 1 (active high).

#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/virtpin.h"
#include "board.h"
#include "emulator.h"

#define PIN_COUNT (32)

enum { PIN_IN, PIN_OUT };
enum { PULL_NONE, PULL_UP, PULL_DOWN };

typedef struct _machine_pin_obj_t {
    mp_obj_base_t base;
    uint8_t id;
    uint8_t mode;
    uint8_t pull;
} machine_pin_obj_t;

static machine_pin_obj_t pins[PIN_COUNT];

static int pin_get(const machine_pin_obj_t *self) {
    if (self->mode == PIN_OUT) {
        return (DEVICE_PAGE->outputs >> self->id) & 1;
    }
    return ((DEVICE_PAGE->inputs >> self->id) & 1) ^ (self->pull == PULL_UP);
}

static void pin_set(const machine_pin_obj_t *self, bool level) {
    uint32_t mask = 1u << self->id;
    uint32_t outputs = level ? DEVICE_PAGE->outputs | mask : DEVICE_PAGE->outputs & ~mask;
    if (outputs != DEVICE_PAGE->outputs) {
        DEVICE_PAGE->outputs = outputs;
        DEVICE_PAGE->changes++;
    }
}

static void pin_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    machine_pin_obj_t *self = MP_OBJ_TO_PTR(self_in);
    static const char *const pulls[] = { "", ", pull=PULL_UP", ", pull=PULL_DOWN" };
    mp_printf(print, "Pin(%u, mode=%s%s)", self->id, self->mode == PIN_OUT ? "OUT" : "IN", pulls[self->pull]);
}

static mp_obj_t pin_init_helper(machine_pin_obj_t *self, size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_mode, ARG_pull, ARG_value };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_mode, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE} },
        { MP_QSTR_pull, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE} },
        { MP_QSTR_value, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE} },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);

    mp_int_t mode = args[ARG_mode].u_obj == mp_const_none ? self->mode : mp_obj_get_int(args[ARG_mode].u_obj);
    mp_int_t pull = args[ARG_pull].u_obj == mp_const_none ? PULL_NONE : mp_obj_get_int(args[ARG_pull].u_obj);
    if (mode != PIN_IN && mode != PIN_OUT) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("mode: expected Pin.IN or Pin.OUT, got %d"), (int)mode);
    }
    if (pull != PULL_NONE && pull != PULL_UP && pull != PULL_DOWN) {
        mp_raise_msg_varg(&mp_type_ValueError,
            MP_ERROR_TEXT("pull: expected None, Pin.PULL_UP or Pin.PULL_DOWN, got %d"), (int)pull);
    }
    self->mode = mode;
    self->pull = pull;
    if (args[ARG_value].u_obj != mp_const_none && mode == PIN_OUT) {
        pin_set(self, mp_obj_is_true(args[ARG_value].u_obj));
    }
    return mp_const_none;
}

static mp_obj_t pin_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, MP_OBJ_FUN_ARGS_MAX, true);
    mp_int_t id = mp_obj_get_int(args[0]);
    if (id < 0 || id >= PIN_COUNT) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("id: expected 0 to %d, got %d"), PIN_COUNT - 1, (int)id);
    }
    machine_pin_obj_t *self = &pins[id];
    self->base.type = type;
    self->id = id;
    if (n_args > 1 || n_kw > 0) {
        mp_map_t kw_args;
        mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
        pin_init_helper(self, n_args - 1, args + 1, &kw_args);
    }
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t pin_init(size_t n_args, const mp_obj_t *args, mp_map_t *kw_args) {
    return pin_init_helper(MP_OBJ_TO_PTR(args[0]), n_args - 1, args + 1, kw_args);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(pin_init_obj, 1, pin_init);

// pin(): the level; pin(level): sets it
static mp_obj_t pin_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 0, 1, false);
    machine_pin_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (n_args == 0) {
        return MP_OBJ_NEW_SMALL_INT(pin_get(self));
    }
    pin_set(self, mp_obj_is_true(args[0]));
    return mp_const_none;
}

static mp_obj_t pin_value(size_t n_args, const mp_obj_t *args) {
    return pin_call(args[0], n_args - 1, 0, args + 1);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(pin_value_obj, 1, 2, pin_value);

static mp_obj_t pin_on(mp_obj_t self_in) {
    pin_set(MP_OBJ_TO_PTR(self_in), true);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_on_obj, pin_on);

static mp_obj_t pin_off(mp_obj_t self_in) {
    pin_set(MP_OBJ_TO_PTR(self_in), false);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_off_obj, pin_off);

static mp_obj_t pin_toggle(mp_obj_t self_in) {
    machine_pin_obj_t *self = MP_OBJ_TO_PTR(self_in);
    pin_set(self, !((DEVICE_PAGE->outputs >> self->id) & 1));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_toggle_obj, pin_toggle);

// The pin protocol, for machine.Signal and the drivers that take any pin.
static mp_uint_t pin_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    (void)errcode;
    machine_pin_obj_t *self = MP_OBJ_TO_PTR(self_in);
    switch (request) {
        case MP_PIN_READ:
            return pin_get(self);
        case MP_PIN_WRITE:
            pin_set(self, arg);
            return 0;
        default:
            return -1;
    }
}

static const mp_rom_map_elem_t pin_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_init), MP_ROM_PTR(&pin_init_obj) },
    { MP_ROM_QSTR(MP_QSTR_value), MP_ROM_PTR(&pin_value_obj) },
    { MP_ROM_QSTR(MP_QSTR_on), MP_ROM_PTR(&pin_on_obj) },
    { MP_ROM_QSTR(MP_QSTR_off), MP_ROM_PTR(&pin_off_obj) },
    { MP_ROM_QSTR(MP_QSTR_toggle), MP_ROM_PTR(&pin_toggle_obj) },
    { MP_ROM_QSTR(MP_QSTR_IN), MP_ROM_INT(PIN_IN) },
    { MP_ROM_QSTR(MP_QSTR_OUT), MP_ROM_INT(PIN_OUT) },
    { MP_ROM_QSTR(MP_QSTR_PULL_UP), MP_ROM_INT(PULL_UP) },
    { MP_ROM_QSTR(MP_QSTR_PULL_DOWN), MP_ROM_INT(PULL_DOWN) },
};
static MP_DEFINE_CONST_DICT(pin_locals_dict, pin_locals_dict_table);

static const mp_pin_p_t pin_pin_p = { .ioctl = pin_ioctl };

MP_DEFINE_CONST_OBJ_TYPE(
    machine_pin_type,
    MP_QSTR_Pin,
    MP_TYPE_FLAG_NONE,
    make_new, pin_make_new,
    print, pin_print,
    call, pin_call,
    protocol, &pin_pin_p,
    locals_dict, &pin_locals_dict
    );
