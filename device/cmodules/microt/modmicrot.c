// SPDX-License-Identifier: MIT
//
// The module _microt: the engine and the vector primitives for MicroPython. Checks and errors are
// here, arithmetic is in engine/. _microt.pyi describes it for users.

#include <math.h>
#include <string.h>

#include "py/binary.h"
#include "py/objarray.h"
#include "py/objstr.h"
#include "py/runtime.h"

#include "engine/engine.h"
#include "engine/symmetric.h"
#include "engine/vector.h"
#include "modmicrot.h"

typedef struct _microt_backbone_obj_t {
    mp_obj_base_t base;
    mp_obj_t file; // keeps the file's bytes from being collected
    void *memory; // start of the block that holds the arena, for the garbage collector
    uint8_t *arena; // inside it, at a multiple of 16
    size_t held; // bytes of RAM allocated here
    microt_model_t model;
    microt_run_t state;
} microt_backbone_obj_t;

static const mp_obj_type_t microt_backbone_type;

// Buffers

static const char *typecode_name(int typecode) {
    switch (typecode) {
        case 'b':
            return "int8";
        case 'B':
        case BYTEARRAY_TYPECODE:
            return "uint8";
        case 'h':
            return "int16";
        case 'H':
            return "uint16";
        case 'i':
        case 'l':
            return "int32";
        case 'I':
        case 'L':
            return "uint32";
        case 'f':
            return "float32";
        case 'd':
            return "float64";
        default:
            return "another type";
    }
}

static bool is_byte(int typecode) {
    return typecode == 'b' || typecode == 'B' || typecode == BYTEARRAY_TYPECODE;
}

static size_t values(const mp_buffer_info_t *info) {
    return info->len / (is_byte(info->typecode) ? 1 : mp_binary_get_size('@', info->typecode, NULL));
}

// A buffer of float32 with at least n values from offset on.
static float *get_floats(const char *what, mp_obj_t obj, size_t n, mp_uint_t access) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(obj, &info, access);
    if (info.typecode != 'f' || values(&info) != n) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s: expected %u values of float32, got %u of %s"),
            what, (unsigned)n, (unsigned)values(&info), typecode_name(info.typecode));
    }
    return info.buf;
}

// Backbone

static void raise_exit(const microt_backbone_obj_t *self, mp_int_t exit) {
    mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("exit: expected 0 to %d, got %d"),
        self->model.exit_count - 1, (int)exit);
}

static unsigned get_exit(const microt_backbone_obj_t *self, mp_obj_t obj) {
    mp_int_t exit = mp_obj_get_int(obj);
    if (exit < 0 || exit >= self->model.exit_count) {
        raise_exit(self, exit);
    }
    return (unsigned)exit;
}

static mp_obj_t backbone_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *all_args) {
    enum { ARG_buffer, ARG_arena };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_buffer, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_arena, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE} },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all_kw_array(n_args, n_kw, all_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);

    mp_buffer_info_t file;
    mp_get_buffer_raise(args[ARG_buffer].u_obj, &file, MP_BUFFER_READ);
    microt_backbone_obj_t *self = mp_obj_malloc(microt_backbone_obj_t, type);
    self->file = args[ARG_buffer].u_obj;
    self->memory = NULL;
    self->held = sizeof(*self);
    memset(&self->state, 0, sizeof(self->state));
    char error[MICROT_ERROR_SIZE];
    if (microt_open(&self->model, file.buf, file.len, error, sizeof(error)) != 0) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s"), error);
    }

    size_t size = self->model.arena_size;
    uint8_t *start;
    if (args[ARG_arena].u_obj == mp_const_none) {
        size += MICROT_ARENA_ALIGN - 1;
        self->memory = start = m_new(uint8_t, size);
        self->held += size;
    } else {
        mp_buffer_info_t arena;
        mp_get_buffer_raise(args[ARG_arena].u_obj, &arena, MP_BUFFER_WRITE);
        start = arena.buf;
        self->memory = start;
        if (mp_obj_is_type(args[ARG_arena].u_obj, &mp_type_memoryview)) {
            self->memory = ((mp_obj_array_t *)MP_OBJ_TO_PTR(args[ARG_arena].u_obj))->items;
        }
        size_t skipped = -(uintptr_t)start & (MICROT_ARENA_ALIGN - 1);
        if (arena.len < skipped + size) {
            mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("arena: expected %u bytes (from a multiple of 16), got %u"),
                (unsigned)(skipped + size), (unsigned)arena.len);
        }
    }
    self->arena = start + (-(uintptr_t)start & (MICROT_ARENA_ALIGN - 1));
    return MP_OBJ_FROM_PTR(self);
}

// A read-only view of an embedding. The view's base is the start of the arena's block, so that
// the collector sees it.
static mp_obj_t embedding_view(const microt_backbone_obj_t *self, unsigned exit) {
    const microt_tensor_t *t = &self->model.exits[exit].tensor;
    size_t offset = (size_t)(self->arena - (uint8_t *)self->memory) + t->offset;
    mp_obj_array_t *view = m_new_obj(mp_obj_array_t);
    mp_obj_memoryview_init(view, 'b', offset, (size_t)t->c, self->memory);
    return MP_OBJ_FROM_PTR(view);
}

typedef struct __attribute__((may_alias)) _block_t {
    uint32_t words[8];
} block_t;

// Blocks go by load and store multiple; the C libraries of small systems copy word by word, four times as long.
static void copy_input(int8_t *to, const int8_t *from, size_t n) {
    const bool apart = from + n <= to || to + n <= from;
    if (apart && (((uintptr_t)to | (uintptr_t)from) & 3) == 0) {
        for (; n >= sizeof(block_t); n -= sizeof(block_t), to += sizeof(block_t), from += sizeof(block_t)) {
            *(block_t *)(void *)to = *(const block_t *)(const void *)from;
        }
    }
    memmove(to, from, n);
}

static void put_input(microt_backbone_obj_t *self, mp_obj_t obj) {
    const microt_model_t *m = &self->model;
    const microt_tensor_t t = microt_tensor(m, m->input);
    const size_t n = (size_t)t.h * (size_t)t.w * (size_t)t.c;
    const bool pixels = m->pixel_table != NULL;
    const size_t samples = m->front_end.samples; // 0 without a front end
    mp_buffer_info_t info;
    const bool buffer = mp_get_buffer(obj, &info, MP_BUFFER_READ);
    if (buffer && samples != 0 && info.len == 2 * samples && (info.typecode == 'h' || is_byte(info.typecode))) {
        microt_front_end(m, self->arena, info.buf);
        return;
    }
    if (!buffer || info.len != n || !(info.typecode == 'b' || (pixels && is_byte(info.typecode)))) {
        mp_raise_msg_varg(buffer ? &mp_type_ValueError : &mp_type_TypeError,
            MP_ERROR_TEXT("input: expected %u values (%d, %d, %d) of %s, got %u of %s"),
            (unsigned)(samples != 0 ? samples : n), (int)t.h, (int)t.w, (int)t.c,
            samples != 0 ? "int16" : pixels ? "int8 or uint8" : "int8",
            buffer ? (unsigned)values(&info) : 1, buffer ? typecode_name(info.typecode) : mp_obj_get_type_str(obj));
    }
    int8_t *to = (int8_t *)self->arena + t.offset;
    if (info.typecode == 'b') {
        copy_input(to, info.buf, n);
    } else {
        const uint8_t *from = info.buf;
        for (size_t i = 0; i < n; i++) {
            to[i] = m->pixel_table[from[i]];
        }
    }
}

static mp_obj_t backbone_run(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_x, ARG_exit };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_x, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_exit, MP_ARG_INT, {.u_int = 0} },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    microt_backbone_obj_t *self = MP_OBJ_TO_PTR(pos_args[0]);
    mp_int_t exit = args[ARG_exit].u_int;
    if (exit < 0 || exit >= self->model.exit_count) {
        raise_exit(self, exit);
    }
    put_input(self, args[ARG_x].u_obj);
    microt_run(&self->model, &self->state, self->arena, (unsigned)exit);
    return embedding_view(self, (unsigned)exit);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(backbone_run_obj, 2, backbone_run);

static mp_obj_t backbone_resume(mp_obj_t self_in) {
    microt_backbone_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->state.done == 0) {
        mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("resume: nothing was run"));
    }
    if (microt_resume(&self->model, &self->state) != 0) {
        mp_raise_msg_varg(&mp_type_RuntimeError, MP_ERROR_TEXT("resume: exit %d is the last"), (int)self->state.exit);
    }
    return embedding_view(self, self->state.exit);
}
static MP_DEFINE_CONST_FUN_OBJ_1(backbone_resume_obj, backbone_resume);

static mp_obj_t backbone_embedding(mp_obj_t self_in, mp_obj_t exit_in) {
    microt_backbone_obj_t *self = MP_OBJ_TO_PTR(self_in);
    unsigned exit = get_exit(self, exit_in);
    if (!(self->state.done & (1u << exit))) {
        mp_raise_msg_varg(&mp_type_RuntimeError, MP_ERROR_TEXT("embedding: the last run did not stop at exit %d"), (int)exit);
    }
    return embedding_view(self, exit);
}
static MP_DEFINE_CONST_FUN_OBJ_2(backbone_embedding_obj, backbone_embedding);

static const microt_feature_t *get_feature(const microt_backbone_obj_t *self, unsigned exit, bool projection) {
    const microt_feature_t *f = &self->model.exits[exit].feature;
    if (f->parts == 0 || (projection && f->k == 0)) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("exit %d of this file has no %s"), (int)exit,
            projection ? "projection" : "feature transform");
    }
    return f;
}

static mp_obj_t backbone_feature(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    microt_backbone_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    unsigned exit = get_exit(self, args[1]);
    const microt_feature_t *f = get_feature(self, exit, false);
    size_t n = microt_embeddings_size(&self->model, exit);
    mp_buffer_info_t info;
    mp_get_buffer_raise(args[2], &info, MP_BUFFER_READ);
    if (info.len != n || !is_byte(info.typecode)) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("embeddings: expected %u values of int8, got %u of %s"),
            (unsigned)n, (unsigned)values(&info), typecode_name(info.typecode));
    }
    microt_feature(&self->model, exit, info.buf, get_floats("out", args[3], f->d, MP_BUFFER_WRITE));
    return args[3];
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(backbone_feature_obj, 4, 4, backbone_feature);

static mp_obj_t backbone_project(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    microt_backbone_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    unsigned exit = get_exit(self, args[1]);
    const microt_feature_t *f = get_feature(self, exit, true);
    const float *z = get_floats("z", args[2], f->d, MP_BUFFER_READ);
    microt_project(&self->model, exit, z, get_floats("out", args[3], f->k, MP_BUFFER_WRITE));
    return args[3];
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(backbone_project_obj, 4, 4, backbone_project);

static mp_obj_t backbone_project_back(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    microt_backbone_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    unsigned exit = get_exit(self, args[1]);
    const microt_feature_t *f = get_feature(self, exit, true);
    const float *w = get_floats("w", args[2], f->k, MP_BUFFER_READ);
    microt_project_back(&self->model, exit, w, get_floats("out", args[3], f->d, MP_BUFFER_WRITE));
    return args[3];
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(backbone_project_back_obj, 4, 4, backbone_project_back);

static mp_obj_t backbone_feature_size(mp_obj_t self_in, mp_obj_t exit_in) {
    microt_backbone_obj_t *self = MP_OBJ_TO_PTR(self_in);
    const microt_feature_t *f = &self->model.exits[get_exit(self, exit_in)].feature;
    mp_obj_t items[2] = {mp_obj_new_int_from_uint(f->d), mp_obj_new_int_from_uint(f->k)};
    return mp_obj_new_tuple(2, items);
}
static MP_DEFINE_CONST_FUN_OBJ_2(backbone_feature_size_obj, backbone_feature_size);

static mp_obj_t backbone_feature_defaults(mp_obj_t self_in, mp_obj_t exit_in) {
    microt_backbone_obj_t *self = MP_OBJ_TO_PTR(self_in);
    const microt_feature_t *f = &self->model.exits[get_exit(self, exit_in)].feature;
    if (f->parts == 0) {
        return mp_const_none;
    }
    mp_obj_t items[2] = {mp_obj_new_float_from_f(f->shrink), mp_obj_new_float_from_f(f->prior_trace)};
    return mp_obj_new_tuple(2, items);
}
static MP_DEFINE_CONST_FUN_OBJ_2(backbone_feature_defaults_obj, backbone_feature_defaults);

static mp_obj_t shape_tuple(const microt_tensor_t *t) {
    mp_obj_t items[3] = {MP_OBJ_NEW_SMALL_INT(t->h), MP_OBJ_NEW_SMALL_INT(t->w), MP_OBJ_NEW_SMALL_INT(t->c)};
    return mp_obj_new_tuple(3, items);
}

// One entry for each exit.
static mp_obj_t exit_tuple(const microt_model_t *m, qstr attr) {
    mp_obj_t items[MICROT_MAX_EXITS];
    for (unsigned e = 0; e < m->exit_count; e++) {
        const microt_exit_t *exit = &m->exits[e];
        switch (attr) {
            case MP_QSTR_output_shape:
                items[e] = shape_tuple(&exit->tensor);
                break;
            case MP_QSTR_output_scale:
                items[e] = mp_obj_new_float_from_f(exit->tensor.scale);
                break;
            case MP_QSTR_output_zero_point:
                items[e] = MP_OBJ_NEW_SMALL_INT(exit->tensor.zero_point);
                break;
            case MP_QSTR_dims:
                items[e] = MP_OBJ_NEW_SMALL_INT(exit->tensor.c);
                break;
            default: // macs
                items[e] = mp_obj_new_int_from_uint(exit->macs);
                break;
        }
    }
    return mp_obj_new_tuple(m->exit_count, items);
}

static void backbone_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    microt_backbone_obj_t *self = MP_OBJ_TO_PTR(self_in);
    const microt_model_t *m = &self->model;
    if (dest[0] != MP_OBJ_NULL) {
        return; // attributes are read-only
    }
    const microt_tensor_t input = microt_tensor(m, m->input);
    switch (attr) {
        case MP_QSTR_input_shape:
            dest[0] = shape_tuple(&input);
            break;
        case MP_QSTR_input_scale:
            dest[0] = mp_obj_new_float_from_f(input.scale);
            break;
        case MP_QSTR_input_zero_point:
            dest[0] = MP_OBJ_NEW_SMALL_INT(input.zero_point);
            break;
        case MP_QSTR_output_shape:
        case MP_QSTR_output_scale:
        case MP_QSTR_output_zero_point:
        case MP_QSTR_dims:
        case MP_QSTR_macs:
            dest[0] = exit_tuple(m, attr);
            break;
        case MP_QSTR_exits:
            dest[0] = MP_OBJ_NEW_SMALL_INT(m->exit_count);
            break;
        case MP_QSTR_arena_size:
            dest[0] = mp_obj_new_int_from_uint(m->arena_size);
            break;
        case MP_QSTR_ram:
            dest[0] = mp_obj_new_int_from_uint(self->held);
            break;
        case MP_QSTR_sha256:
            dest[0] = mp_obj_new_bytes(m->sha256, 32);
            break;
        case MP_QSTR_samples:
            dest[0] = m->front_end.kind == 0 ? mp_const_none : mp_obj_new_int_from_uint(m->front_end.samples);
            break;
        case MP_QSTR_rate:
            dest[0] = m->front_end.kind == 0 ? mp_const_none : MP_OBJ_NEW_SMALL_INT(m->front_end.rate);
            break;
        case MP_QSTR_takes_pixels:
            dest[0] = mp_obj_new_bool(m->pixel_table != NULL);
            break;
        default:
            dest[1] = MP_OBJ_SENTINEL; // look among the methods
            break;
    }
}

static void backbone_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    const microt_model_t *m = &((microt_backbone_obj_t *)MP_OBJ_TO_PTR(self_in))->model;
    const microt_tensor_t input = microt_tensor(m, m->input);
    mp_printf(print, "<Backbone input (%d, %d, %d), %d exits, arena %u bytes>", (int)input.h, (int)input.w,
        (int)input.c, m->exit_count, (unsigned)m->arena_size);
}

static const mp_rom_map_elem_t backbone_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_run), MP_ROM_PTR(&backbone_run_obj) },
    { MP_ROM_QSTR(MP_QSTR_resume), MP_ROM_PTR(&backbone_resume_obj) },
    { MP_ROM_QSTR(MP_QSTR_embedding), MP_ROM_PTR(&backbone_embedding_obj) },
    { MP_ROM_QSTR(MP_QSTR_feature), MP_ROM_PTR(&backbone_feature_obj) },
    { MP_ROM_QSTR(MP_QSTR_feature_size), MP_ROM_PTR(&backbone_feature_size_obj) },
    { MP_ROM_QSTR(MP_QSTR_feature_defaults), MP_ROM_PTR(&backbone_feature_defaults_obj) },
    { MP_ROM_QSTR(MP_QSTR_project), MP_ROM_PTR(&backbone_project_obj) },
    { MP_ROM_QSTR(MP_QSTR_project_back), MP_ROM_PTR(&backbone_project_back_obj) },
};
static MP_DEFINE_CONST_DICT(backbone_locals_dict, backbone_locals_dict_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    microt_backbone_type,
    MP_QSTR_Backbone,
    MP_TYPE_FLAG_NONE,
    make_new, backbone_make_new,
    attr, backbone_attr,
    print, backbone_print,
    locals_dict, &backbone_locals_dict
    );

// Vector primitives

// float32 or, where allowed, int8 ('b', or bytes and bytearray read as int8).
static microt_vector_t get_vector(const char *what, mp_obj_t obj, bool int8_allowed, mp_uint_t access) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(obj, &info, access);
    bool is_int8 = is_byte(info.typecode);
    if (info.typecode != 'f' && !(is_int8 && int8_allowed)) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s: expected values of %s, got %s"), what,
            int8_allowed ? "float32 or int8" : "float32", typecode_name(info.typecode));
    }
    microt_vector_t vector = {info.buf, values(&info), is_int8};
    return vector;
}

// n values from offset on must be there.
static void check_range(const char *what, const microt_vector_t *v, mp_int_t offset, mp_int_t n) {
    if (offset < 0 || n < 0 || (size_t)offset > v->size || (size_t)n > v->size - (size_t)offset) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s: expected %d values from %d on, got %d in all"), what,
            (int)n, (int)offset, (int)v->size);
    }
}

// n as given, or the rest of a when -1 was given.
static mp_int_t count(const char *what, const microt_vector_t *a, mp_int_t offset, mp_int_t n) {
    if (n == -1) {
        check_range(what, a, offset, 0);
        n = (mp_int_t)a->size - offset;
    }
    check_range(what, a, offset, n);
    return n;
}

// As count, and with -1 the rest of b must be as long as the rest of a.
static mp_int_t count_both(const microt_vector_t *a, mp_int_t a_off, const char *a_name, const microt_vector_t *b,
    mp_int_t b_off, const char *b_name, mp_int_t n) {
    bool rest = n == -1;
    n = count(a_name, a, a_off, n);
    check_range(b_name, b, b_off, n);
    if (rest && (size_t)n != b->size - (size_t)b_off) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s: expected %d values as in %s, got %d; or give n"),
            b_name, (int)n, a_name, (int)(b->size - (size_t)b_off));
    }
    return n;
}

static mp_int_t area(mp_int_t rows, mp_int_t cols) {
    if (rows < 0 || cols < 0 || (cols > 0 && rows > (mp_int_t)(INT32_MAX / 8) / cols)) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("expected rows and cols of 0 or more, got %d and %d"),
            (int)rows, (int)cols);
    }
    return rows * cols;
}

static mp_obj_t microt_mod_dot(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_a, ARG_b, ARG_n, ARG_a_off, ARG_b_off };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_a, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_b, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_n, MP_ARG_INT, {.u_int = -1} },
        { MP_QSTR_a_off, MP_ARG_INT, {.u_int = 0} },
        { MP_QSTR_b_off, MP_ARG_INT, {.u_int = 0} },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    microt_vector_t a = get_vector("a", args[ARG_a].u_obj, true, MP_BUFFER_READ);
    microt_vector_t b = get_vector("b", args[ARG_b].u_obj, true, MP_BUFFER_READ);
    mp_int_t a_off = args[ARG_a_off].u_int, b_off = args[ARG_b_off].u_int;
    mp_int_t n = count_both(&a, a_off, "a", &b, b_off, "b", args[ARG_n].u_int);
    return mp_obj_new_float_from_f(microt_dot(&a, (size_t)a_off, &b, (size_t)b_off, (size_t)n));
}
static MP_DEFINE_CONST_FUN_OBJ_KW(microt_mod_dot_obj, 2, microt_mod_dot);

static mp_obj_t microt_mod_axpy(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_alpha, ARG_x, ARG_y, ARG_n, ARG_x_off, ARG_y_off };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_alpha, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_x, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_y, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_n, MP_ARG_INT, {.u_int = -1} },
        { MP_QSTR_x_off, MP_ARG_INT, {.u_int = 0} },
        { MP_QSTR_y_off, MP_ARG_INT, {.u_int = 0} },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    microt_vector_t x = get_vector("x", args[ARG_x].u_obj, true, MP_BUFFER_READ);
    microt_vector_t y = get_vector("y", args[ARG_y].u_obj, false, MP_BUFFER_WRITE);
    mp_int_t x_off = args[ARG_x_off].u_int, y_off = args[ARG_y_off].u_int;
    mp_int_t n = count_both(&x, x_off, "x", &y, y_off, "y", args[ARG_n].u_int);
    microt_axpy(mp_obj_get_float_to_f(args[ARG_alpha].u_obj), &x, (size_t)x_off, (float *)y.data + y_off, (size_t)n);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(microt_mod_axpy_obj, 3, microt_mod_axpy);

// matvec(A, x, out, rows, cols, A_off=0) and vecmat(v, A, out, rows, cols, A_off=0)
static mp_obj_t microt_mod_matvec(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_A, ARG_x, ARG_out, ARG_rows, ARG_cols, ARG_A_off };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_A, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_x, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_out, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_rows, MP_ARG_REQUIRED | MP_ARG_INT, {.u_int = 0} },
        { MP_QSTR_cols, MP_ARG_REQUIRED | MP_ARG_INT, {.u_int = 0} },
        { MP_QSTR_A_off, MP_ARG_INT, {.u_int = 0} },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    microt_vector_t a = get_vector("A", args[ARG_A].u_obj, true, MP_BUFFER_READ);
    microt_vector_t x = get_vector("x", args[ARG_x].u_obj, true, MP_BUFFER_READ);
    microt_vector_t out = get_vector("out", args[ARG_out].u_obj, false, MP_BUFFER_WRITE);
    mp_int_t rows = args[ARG_rows].u_int, cols = args[ARG_cols].u_int, a_off = args[ARG_A_off].u_int;
    check_range("A", &a, a_off, area(rows, cols));
    check_range("x", &x, 0, cols);
    check_range("out", &out, 0, rows);
    microt_matvec(&a, (size_t)a_off, &x, out.data, (size_t)rows, (size_t)cols);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(microt_mod_matvec_obj, 5, microt_mod_matvec);

static mp_obj_t microt_mod_vecmat(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_v, ARG_A, ARG_out, ARG_rows, ARG_cols, ARG_A_off };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_v, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_A, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_out, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_rows, MP_ARG_REQUIRED | MP_ARG_INT, {.u_int = 0} },
        { MP_QSTR_cols, MP_ARG_REQUIRED | MP_ARG_INT, {.u_int = 0} },
        { MP_QSTR_A_off, MP_ARG_INT, {.u_int = 0} },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    microt_vector_t v = get_vector("v", args[ARG_v].u_obj, false, MP_BUFFER_READ);
    microt_vector_t a = get_vector("A", args[ARG_A].u_obj, true, MP_BUFFER_READ);
    microt_vector_t out = get_vector("out", args[ARG_out].u_obj, false, MP_BUFFER_WRITE);
    mp_int_t rows = args[ARG_rows].u_int, cols = args[ARG_cols].u_int, a_off = args[ARG_A_off].u_int;
    check_range("A", &a, a_off, area(rows, cols));
    check_range("v", &v, 0, rows);
    check_range("out", &out, 0, cols);
    microt_vecmat(v.data, &a, (size_t)a_off, out.data, (size_t)rows, (size_t)cols);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(microt_mod_vecmat_obj, 5, microt_mod_vecmat);

// rank1(A, alpha, x, y, rows, cols)
static mp_obj_t microt_mod_rank1(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    microt_vector_t a = get_vector("A", args[0], false, MP_BUFFER_WRITE);
    float alpha = mp_obj_get_float_to_f(args[1]);
    microt_vector_t x = get_vector("x", args[2], false, MP_BUFFER_READ);
    microt_vector_t y = get_vector("y", args[3], true, MP_BUFFER_READ);
    mp_int_t rows = mp_obj_get_int(args[4]), cols = mp_obj_get_int(args[5]);
    check_range("A", &a, 0, area(rows, cols));
    check_range("x", &x, 0, rows);
    check_range("y", &y, 0, cols);
    for (mp_int_t r = 0; r < rows; r++) {
        microt_axpy(alpha * ((const float *)x.data)[r], &y, 0, (float *)a.data + r * cols, (size_t)cols);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(microt_mod_rank1_obj, 6, 6, microt_mod_rank1);

static mp_obj_t microt_mod_softmax(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_x, ARG_out, ARG_n, ARG_x_off };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_x, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_out, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_n, MP_ARG_INT, {.u_int = -1} },
        { MP_QSTR_x_off, MP_ARG_INT, {.u_int = 0} },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    microt_vector_t x = get_vector("x", args[ARG_x].u_obj, false, MP_BUFFER_READ);
    microt_vector_t out = get_vector("out", args[ARG_out].u_obj, false, MP_BUFFER_WRITE);
    mp_int_t x_off = args[ARG_x_off].u_int;
    mp_int_t n = count_both(&x, x_off, "x", &out, 0, "out", args[ARG_n].u_int);
    if (n == 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("x: expected at least one value, got none"));
    }
    return mp_obj_new_int_from_uint(microt_softmax((const float *)x.data + x_off, out.data, (size_t)n));
}
static MP_DEFINE_CONST_FUN_OBJ_KW(microt_mod_softmax_obj, 2, microt_mod_softmax);

static mp_obj_t microt_mod_scale(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_x, ARG_alpha, ARG_n, ARG_x_off };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_x, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_alpha, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_n, MP_ARG_INT, {.u_int = -1} },
        { MP_QSTR_x_off, MP_ARG_INT, {.u_int = 0} },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    microt_vector_t x = get_vector("x", args[ARG_x].u_obj, false, MP_BUFFER_WRITE);
    float alpha = mp_obj_get_float_to_f(args[ARG_alpha].u_obj);
    mp_int_t x_off = args[ARG_x_off].u_int;
    mp_int_t n = count("x", &x, x_off, args[ARG_n].u_int);
    microt_scale((float *)x.data + x_off, alpha, (size_t)n);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(microt_mod_scale_obj, 2, microt_mod_scale);

static mp_obj_t microt_mod_fill(mp_obj_t x_in, mp_obj_t value_in) {
    microt_vector_t x = get_vector("x", x_in, false, MP_BUFFER_WRITE);
    float value = mp_obj_get_float_to_f(value_in);
    for (size_t i = 0; i < x.size; i++) {
        ((float *)x.data)[i] = value;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(microt_mod_fill_obj, microt_mod_fill);

// quantize(x, out, at=None): with at, x.size bytes of any writable buffer from there on
static mp_obj_t microt_mod_quantize(size_t n_args, const mp_obj_t *args) {
    microt_vector_t x = get_vector("x", args[0], false, MP_BUFFER_READ);
    mp_buffer_info_t out;
    mp_get_buffer_raise(args[1], &out, MP_BUFFER_WRITE);
    mp_int_t at = 0;
    if (n_args > 2) {
        at = mp_obj_get_int(args[2]);
        if (at < 0 || (size_t)at > out.len || x.size > out.len - (size_t)at) {
            mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("out: expected %u bytes from %d on, got %u in all"),
                (unsigned)x.size, (int)at, (unsigned)out.len);
        }
    } else if (!is_byte(out.typecode) || out.len != x.size) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("out: expected %u values of int8, got %u of %s"),
            (unsigned)x.size, (unsigned)values(&out), typecode_name(out.typecode));
    }
    for (size_t i = 0; i < x.size; i++) {
        if (!isfinite(((const float *)x.data)[i])) {
            mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("x: expected finite values, got another at %u"),
                (unsigned)i);
        }
    }
    return mp_obj_new_float_from_f(microt_quantize(x.data, (int8_t *)out.buf + at, x.size));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(microt_mod_quantize_obj, 2, 3, microt_mod_quantize);

// Symmetric matrices: the lower triangle, packed, at the end of a buffer of float32

// Samples or rows of a matrix: as many as keep all sizes within an int32.
static size_t get_rows(mp_obj_t n_in, mp_int_t most) {
    mp_int_t n = mp_obj_get_int(n_in);
    if (n < 1 || n > most) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("n: expected 1 to %d, got %d"), (int)most, (int)n);
    }
    return (size_t)n;
}

// The triangle of n rows at the end of a writable buffer of float32.
static float *get_triangle(mp_obj_t obj, size_t n) {
    microt_vector_t a = get_vector("A", obj, false, MP_BUFFER_WRITE);
    check_range("A", &a, 0, (mp_int_t)MICROT_TRIANGLE(n));
    return (float *)a.data + a.size - MICROT_TRIANGLE(n);
}

// n float32 values
static float *get_column(const char *what, mp_obj_t obj, size_t n, mp_uint_t access) {
    microt_vector_t x = get_vector(what, obj, false, access);
    check_range(what, &x, 0, (mp_int_t)n);
    return x.data;
}

static mp_obj_t microt_mod_gram_size(mp_obj_t n_in, mp_obj_t k_in) {
    const size_t n = get_rows(n_in, 8192);
    return mp_obj_new_int_from_uint((mp_uint_t)microt_gram_size(n, get_rows(k_in, 65535)));
}
static MP_DEFINE_CONST_FUN_OBJ_2(microt_mod_gram_size_obj, microt_mod_gram_size);

// gram(buffer, scales, n, k)
static mp_obj_t microt_mod_gram(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    const size_t n = get_rows(args[2], 8192), k = get_rows(args[3], 65535);
    microt_vector_t buffer = get_vector("buffer", args[0], false, MP_BUFFER_WRITE);
    const size_t size = microt_gram_size(n, k);
    if (buffer.size != size) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("buffer: expected %u values, got %u"), (unsigned)size,
            (unsigned)buffer.size);
    }
    const float *scales = get_column("scales", args[1], n, MP_BUFFER_READ);
    return mp_obj_new_float_from_f(microt_gram(buffer.data, scales, n, k));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(microt_mod_gram_obj, 4, 4, microt_mod_gram);

// symmetric_times(A, x, out, n)
static mp_obj_t microt_mod_symmetric_times(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    const size_t n = get_rows(args[3], 8192);
    const float *a = get_triangle(args[0], n), *x = get_column("x", args[1], n, MP_BUFFER_READ);
    float *out = get_column("out", args[2], n, MP_BUFFER_WRITE);
    microt_symmetric_times(a, x, out, n);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(microt_mod_symmetric_times_obj, 4, 4, microt_mod_symmetric_times);

// symmetric_rank2(A, alpha, x, y, n)
static mp_obj_t microt_mod_symmetric_rank2(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    const size_t n = get_rows(args[4], 8192);
    float *a = get_triangle(args[0], n);
    const float *x = get_column("x", args[2], n, MP_BUFFER_READ), *y = get_column("y", args[3], n, MP_BUFFER_READ);
    microt_symmetric_rank2(a, mp_obj_get_float_to_f(args[1]), x, y, n);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(microt_mod_symmetric_rank2_obj, 5, 5, microt_mod_symmetric_rank2);

static mp_obj_t microt_mod_cholesky(mp_obj_t a_in, mp_obj_t shift_in, mp_obj_t n_in) {
    const size_t n = get_rows(n_in, 8192);
    if (!microt_cholesky(get_triangle(a_in, n), mp_obj_get_float_to_f(shift_in), n)) {
        mp_raise_ValueError(MP_ERROR_TEXT("A: expected a positive definite matrix"));
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(microt_mod_cholesky_obj, microt_mod_cholesky);

static mp_obj_t microt_mod_cholesky_solve(mp_obj_t l_in, mp_obj_t x_in, mp_obj_t n_in) {
    const size_t n = get_rows(n_in, 8192);
    const float *l = get_triangle(l_in, n);
    microt_cholesky_solve(l, get_column("x", x_in, n, MP_BUFFER_WRITE), n);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(microt_mod_cholesky_solve_obj, microt_mod_cholesky_solve);

// cholesky_diagonal(L, out, work, n)
static mp_obj_t microt_mod_cholesky_diagonal(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    const size_t n = get_rows(args[3], 8192);
    float *l = get_triangle(args[0], n), *out = get_column("out", args[1], n, MP_BUFFER_WRITE);
    microt_cholesky_diagonal(l, out, get_column("work", args[2], n, MP_BUFFER_WRITE), n);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(microt_mod_cholesky_diagonal_obj, 4, 4, microt_mod_cholesky_diagonal);

static mp_obj_t microt_mod_kernels(void) {
    mp_obj_t items[4];
    size_t n = 0;
    for (const char *name; n < MP_ARRAY_SIZE(items) && (name = microt_kernels(n)) != NULL; n++) {
        items[n] = mp_obj_new_str_via_qstr(name, strlen(name));
    }
    return mp_obj_new_tuple(n, items);
}
static MP_DEFINE_CONST_FUN_OBJ_0(microt_mod_kernels_obj, microt_mod_kernels);

static const MP_DEFINE_STR_OBJ(microt_version_obj, MICROT_VERSION);

static const mp_rom_map_elem_t microt_module_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__microt) },
    { MP_ROM_QSTR(MP_QSTR_version), MP_ROM_PTR(&microt_version_obj) },
    { MP_ROM_QSTR(MP_QSTR_kernels), MP_ROM_PTR(&microt_mod_kernels_obj) },
    { MP_ROM_QSTR(MP_QSTR_Backbone), MP_ROM_PTR(&microt_backbone_type) },
    { MP_ROM_QSTR(MP_QSTR_Picture), MP_ROM_PTR(&microt_picture_type) },
    { MP_ROM_QSTR(MP_QSTR_dot), MP_ROM_PTR(&microt_mod_dot_obj) },
    { MP_ROM_QSTR(MP_QSTR_axpy), MP_ROM_PTR(&microt_mod_axpy_obj) },
    { MP_ROM_QSTR(MP_QSTR_matvec), MP_ROM_PTR(&microt_mod_matvec_obj) },
    { MP_ROM_QSTR(MP_QSTR_vecmat), MP_ROM_PTR(&microt_mod_vecmat_obj) },
    { MP_ROM_QSTR(MP_QSTR_rank1), MP_ROM_PTR(&microt_mod_rank1_obj) },
    { MP_ROM_QSTR(MP_QSTR_softmax), MP_ROM_PTR(&microt_mod_softmax_obj) },
    { MP_ROM_QSTR(MP_QSTR_scale), MP_ROM_PTR(&microt_mod_scale_obj) },
    { MP_ROM_QSTR(MP_QSTR_fill), MP_ROM_PTR(&microt_mod_fill_obj) },
    { MP_ROM_QSTR(MP_QSTR_quantize), MP_ROM_PTR(&microt_mod_quantize_obj) },
    { MP_ROM_QSTR(MP_QSTR_gram_size), MP_ROM_PTR(&microt_mod_gram_size_obj) },
    { MP_ROM_QSTR(MP_QSTR_gram), MP_ROM_PTR(&microt_mod_gram_obj) },
    { MP_ROM_QSTR(MP_QSTR_symmetric_times), MP_ROM_PTR(&microt_mod_symmetric_times_obj) },
    { MP_ROM_QSTR(MP_QSTR_symmetric_rank2), MP_ROM_PTR(&microt_mod_symmetric_rank2_obj) },
    { MP_ROM_QSTR(MP_QSTR_cholesky), MP_ROM_PTR(&microt_mod_cholesky_obj) },
    { MP_ROM_QSTR(MP_QSTR_cholesky_solve), MP_ROM_PTR(&microt_mod_cholesky_solve_obj) },
    { MP_ROM_QSTR(MP_QSTR_cholesky_diagonal), MP_ROM_PTR(&microt_mod_cholesky_diagonal_obj) },
};
static MP_DEFINE_CONST_DICT(microt_module_globals, microt_module_globals_table);

const mp_obj_module_t microt_user_cmodule = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&microt_module_globals,
};

MP_REGISTER_MODULE(MP_QSTR__microt, microt_user_cmodule);
