// SPDX-License-Identifier: MIT
//
// _microt.Picture: engine/picture.c for MicroPython.

#include "py/runtime.h"

#include "engine/picture.h"
#include "modmicrot.h"

typedef struct _microt_picture_obj_t {
    mp_obj_base_t base;
    microt_picture_t picture;
    uint8_t memory[] __attribute__((aligned(4)));
} microt_picture_obj_t;

static const qstr format_names[] = {
    [MICROT_PIXELS_GREY] = MP_QSTR_GREY,
    [MICROT_PIXELS_RGB888] = MP_QSTR_RGB888,
    [MICROT_PIXELS_RGB565] = MP_QSTR_RGB565,
    [MICROT_PIXELS_RGB565_SWAPPED] = MP_QSTR_RGB565_SWAPPED,
};

static microt_pixels_t get_format(mp_obj_t obj) {
    const qstr name = mp_obj_str_get_qstr(obj);
    for (size_t i = 0; i < MP_ARRAY_SIZE(format_names); i++) {
        if (format_names[i] == name) {
            return (microt_pixels_t)i;
        }
    }
    mp_raise_msg_varg(&mp_type_ValueError,
        MP_ERROR_TEXT("format: expected GREY, RGB888, RGB565 or RGB565_SWAPPED, got %q"), name);
}

static unsigned get_pixels(qstr what, mp_obj_t obj) {
    const mp_int_t n = mp_obj_get_int(obj);
    if (n < 1 || n > MICROT_PICTURE_SIDE_MAX) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%q: expected 1 to %d pixels, got %d"), what,
            MICROT_PICTURE_SIDE_MAX, (int)n);
    }
    return (unsigned)n;
}

static mp_obj_t picture_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *all_args) {
    enum { ARG_width, ARG_height, ARG_size, ARG_format };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_width, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_height, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_size, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_format, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_QSTR(MP_QSTR_RGB565)} },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all_kw_array(n_args, n_kw, all_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    const unsigned width = get_pixels(MP_QSTR_width, args[ARG_width].u_obj);
    const unsigned height = get_pixels(MP_QSTR_height, args[ARG_height].u_obj);
    const unsigned size = get_pixels(MP_QSTR_size, args[ARG_size].u_obj);
    const microt_pixels_t format = get_format(args[ARG_format].u_obj);
    microt_picture_obj_t *self = mp_obj_malloc_var(microt_picture_obj_t, memory, uint8_t,
        microt_picture_memory(width, height, format, size), type);
    microt_picture_open(&self->picture, width, height, format, size, self->memory);
    return MP_OBJ_FROM_PTR(self);
}

static void check_bytes(qstr what, size_t wanted, size_t got) {
    if (got != wanted) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%q: expected %u bytes, got %u"), what, (unsigned)wanted,
            (unsigned)got);
    }
}

static mp_obj_t picture_scale(mp_obj_t self_in, mp_obj_t frame_in, mp_obj_t out_in) {
    const microt_picture_t *p = &((microt_picture_obj_t *)MP_OBJ_TO_PTR(self_in))->picture;
    mp_buffer_info_t frame, out;
    mp_get_buffer_raise(frame_in, &frame, MP_BUFFER_READ);
    mp_get_buffer_raise(out_in, &out, MP_BUFFER_WRITE);
    check_bytes(MP_QSTR_frame, (size_t)p->width * p->height * microt_pixels_bytes(p->format), frame.len);
    check_bytes(MP_QSTR_out, (size_t)p->size * p->size * 3, out.len);
    microt_picture_scale(p, frame.buf, out.buf);
    return out_in;
}
static MP_DEFINE_CONST_FUN_OBJ_3(picture_scale_obj, picture_scale);

static const mp_rom_map_elem_t picture_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_scale), MP_ROM_PTR(&picture_scale_obj) },
};
static MP_DEFINE_CONST_DICT(picture_locals, picture_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(
    microt_picture_type,
    MP_QSTR_Picture,
    MP_TYPE_FLAG_NONE,
    make_new, picture_make_new,
    locals_dict, &picture_locals
    );
