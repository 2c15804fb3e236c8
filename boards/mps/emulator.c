// SPDX-License-Identifier: MIT
// Module emulator: what only an emulated board has. A script that finds no such module runs on a real board.
//
//     emulator.cycles()             clock of the core since reset, an int; with -icount shift=0 one tick of a board at
//                                   25 MHz is 40 instructions
//     emulator.mark_begin(), mark_end()
//                                   call microt_mark_begin and microt_mark_end, two functions of the firmware that do
//                                   nothing: a counting plugin of QEMU takes their addresses from the symbol table
//                                   and counts what is executed between them
//     emulator.memory(offset, n)    memoryview of n bytes of the memory shared with the host
//     emulator.Flash()              the block device under the file system

#include "py/objarray.h"
#include "py/runtime.h"
#include "board.h"
#include "emulator.h"

// Their bodies differ so that no linker folds them into one.
__attribute__((noinline, used)) void microt_mark_begin(void) {
    __asm volatile ("nop");
}

__attribute__((noinline, used)) void microt_mark_end(void) {
    __asm volatile ("nop\n nop");
}

static mp_obj_t emulator_cycles(void) {
    return mp_obj_new_int_from_ull(clock_cycles());
}
static MP_DEFINE_CONST_FUN_OBJ_0(emulator_cycles_obj, emulator_cycles);

static mp_obj_t emulator_mark_begin(void) {
    microt_mark_begin();
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(emulator_mark_begin_obj, emulator_mark_begin);

static mp_obj_t emulator_mark_end(void) {
    microt_mark_end();
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(emulator_mark_end_obj, emulator_mark_end);

static mp_obj_t emulator_memory(mp_obj_t offset_in, mp_obj_t length_in) {
    mp_uint_t offset = mp_obj_get_int(offset_in);
    mp_uint_t length = mp_obj_get_int(length_in);
    if (offset > SHARED_SIZE || length > SHARED_SIZE - offset) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("memory: expected a range within %u bytes, got %u + %u"),
            (unsigned)SHARED_SIZE, (unsigned)offset, (unsigned)length);
    }
    return mp_obj_new_memoryview('B' | MP_OBJ_ARRAY_TYPECODE_FLAG_RW, length, (uint8_t *)SHARED_BASE + offset);
}
static MP_DEFINE_CONST_FUN_OBJ_2(emulator_memory_obj, emulator_memory);

static const mp_rom_map_elem_t emulator_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_emulator) },
    { MP_ROM_QSTR(MP_QSTR_Flash), MP_ROM_PTR(&emulator_flash_type) },
    { MP_ROM_QSTR(MP_QSTR_cycles), MP_ROM_PTR(&emulator_cycles_obj) },
    { MP_ROM_QSTR(MP_QSTR_mark_begin), MP_ROM_PTR(&emulator_mark_begin_obj) },
    { MP_ROM_QSTR(MP_QSTR_mark_end), MP_ROM_PTR(&emulator_mark_end_obj) },
    { MP_ROM_QSTR(MP_QSTR_memory), MP_ROM_PTR(&emulator_memory_obj) },
};
static MP_DEFINE_CONST_DICT(emulator_globals, emulator_globals_table);

const mp_obj_module_t emulator_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&emulator_globals,
};
MP_REGISTER_MODULE(MP_QSTR_emulator, emulator_module);
